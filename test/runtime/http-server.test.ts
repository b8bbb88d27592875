/** Requests that Node's server refuses by itself: each is told why, and the connection is closed. */
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { httpServer } from '../../src/runtime/http-server.ts';
import { atEnd } from '../support/at-end.ts';

/** The same server with shorter times than those of the service. */
const times = { connectionsCheckingInterval: 20, headersTimeout: 100, requestTimeout: 100 };
const server = httpServer(times, (request, answer) => {
  request.on('error', () => {});
  request.resume().on('end', () => answer.end('complete'));
});
// Without a listener Node does not take a request for an upgrade.
server.on('upgrade', (_request, socket) => socket.destroy());
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
atEnd(() => new Promise((resolve) => server.close(resolve)));

/** Everything that comes until the connection is closed. */
function answerTo(bytes: string): Promise<string> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1', () => socket.write(bytes));
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.on('error', () => {});
  return new Promise((resolve) => socket.once('close', () => resolve(text)));
}

it.each([
  ['head', 'GET /livez HTTP/1.1\r\nhost: x\r\n'],
  ['body', 'POST /api/logs HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{'],
])('a %s that does not arrive in time is a 408 with a problem', async (_what, bytes) => {
  const text = await answerTo(bytes);
  expect(text).toMatch(/^HTTP\/1\.1 408 /);
  expect(text).toContain('application/problem+json');
  expect(text).toContain('did not arrive completely in time');
});

it('what is no request is a 400', async () => {
  expect(await answerTo('no request\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 .*not an HTTP request/s);
});

it('an upgrade that is not spoken is a 501, to HEAD without a body', async () => {
  const upgrade = (method: string) =>
    `${method} /livez HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n`;
  expect(await answerTo(upgrade('GET'))).toMatch(/^HTTP\/1\.1 501 .*WebSocket only\."\}$/s);
  expect(await answerTo(upgrade('HEAD'))).toMatch(/^HTTP\/1\.1 501 [^{]*\r\n\r\n$/s);
});
