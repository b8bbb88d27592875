/** A client that is still sending a body when it is refused reads the refusal, not a reset of its connection. */
import { request } from 'node:http';
import { expect, it } from 'vitest';
import { credentials, startService } from '../support/harness.ts';

const service = await startService();
const json = { 'content-type': 'application/json', authorization: credentials.admin };
const body_bytes = 8_000_000;
/** Longer than a server waits for the rest of a request that it has answered (workerd: one second). */
const send_ms = 2_000;
const pieces = 10;

/** Posts a body in pieces over `send_ms`; resolves with the response, rejects when the connection is reset. */
function postSlowly(
  headers: Record<string, string>,
): Promise<{ status: number | undefined; type: string | undefined }> {
  return new Promise((resolve, reject) => {
    const sending = request(`${service.url}/api/logs`, { method: 'POST', headers });
    let sent = 0;
    const timer = setInterval(() => {
      sending.write(Buffer.alloc(body_bytes / pieces, ' '));
      sent += 1;
      if (sent < pieces) return;
      clearInterval(timer);
      sending.end();
    }, send_ms / pieces);
    sending.on('error', (error) => {
      clearInterval(timer);
      reject(error);
    });
    sending.on('response', (response) => {
      const answer = { status: response.statusCode, type: response.headers['content-type'] };
      response.resume();
      // Not before the last piece: a reset while sending must fail the test.
      sending.on('finish', () => resolve(answer));
      if (sending.writableFinished) resolve(answer);
    });
  });
}

it.concurrent.each([
  ['too large', 413, { ...json, 'content-length': String(body_bytes) }],
  ['too large, and of unknown length', 413, json],
  ['sent without credentials', 401, { 'content-type': 'application/json', 'content-length': String(body_bytes) }],
  ['of an unknown encoding', 415, { ...json, 'content-encoding': 'br', 'content-length': String(body_bytes) }],
])('a body that is %s: %i', async (_what, status, headers) => {
  expect(await postSlowly(headers)).toEqual({ status, type: 'application/problem+json' });
});
