/** Bodies and HTTP messages that are malformed, too large or of another type: refused, and nothing is stored. */
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { connect } from 'node:net';
import { deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { credentials, json } from '../support/harness.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';
import { event, keys, refused, startWithOneEvent, with_, withField, withMetadata } from './input.ts';

const shapes: [what: string, body: string, status: number, names: RegExp][] = [
  ['nothing', '', 400, /body/],
  ['white space', ' \n ', 400, /body/],
  ['truncated JSON', '{"event_type":"CREATE","entity_ty', 400, /body/],
  ['two objects', '{}{}', 400, /body/],
  ['a trailing comma', '[{"event_type":"A","entity_type":"b"},]', 400, /body/],
  ['single quotes', "{'event_type':'A'}", 400, /body/],
  ['NaN', withField('entity_id', 'NaN'), 400, /body/],
  ['an open bracket 100,000 times', '['.repeat(100_000), 400, /body/],
  ['arrays 100,000 deep', '['.repeat(100_000) + ']'.repeat(100_000), 422, /event 0/],
  ['an empty array', '[]', 422, /no event/],
  ['null', 'null', 422, /JSON object/],
  ['a number', '1', 422, /JSON object/],
  ['a string', '"CREATE"', 422, /JSON object/],
  ['true', 'true', 422, /JSON object/],
  ['an array of null', '[null]', 422, /event 0.*JSON object/],
  ['an array in an array', JSON.stringify([[event]]), 422, /event 0/],
  ['an empty object', '{}', 422, /event_type/],
  ['an envelope', JSON.stringify({ logs: [event] }), 422, /logs|event_type/],
  ['1,001 events', JSON.stringify(Array(1_001).fill(event)), 413, /1000.*1001|1,000.*1,001/],
];

const types: [what: string, headers: Record<string, string>, status: number][] = [
  ['text/plain', { 'content-type': 'text/plain' }, 415],
  ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
  ['a multipart form', { 'content-type': 'multipart/form-data; boundary=x' }, 415],
  ['XML', { 'content-type': 'application/xml' }, 415],
  ['no content type', { 'content-type': '' }, 415],
  ['a type that begins with application/json', { 'content-type': 'application/jsonx' }, 415],
  ['JSON behind text/plain', { 'content-type': 'text/plain; application/json' }, 415],
  ['UTF-16', { 'content-type': 'application/json; charset=utf-16' }, 415],
  ['Latin-1', { 'content-type': 'application/json;charset="iso-8859-1"' }, 415],
  ...['br', 'deflate', 'zstd', 'compress', 'gzip, gzip', 'identity, br', 'gzip;q=1', '*'].map(
    (coding): (typeof types)[number] => [
      `encoded as ${coding}`,
      { 'content-type': 'application/json', 'content-encoding': coding },
      415,
    ],
  ),
];

const goodTypes = [
  'application/json',
  'Application/JSON',
  'application/json; charset=utf-8',
  'application/json;charset="UTF-8"',
  'application/x-ndjson',
  'application/x-ndjson; charset=utf-8',
];

// Built before the service starts in this process, because it blocks the event loop.
const millionKeys = withMetadata(keys(1_000_000));
const { service, unchanged } = await startWithOneEvent();

it.each(shapes)('a body of %s is refused', async (_what, body, status, names) => {
  expect(await refused(await service.request('/api/logs', json(body)), status)).toMatch(names);
  await unchanged();
});

it.each(types)('a body as %s is refused', async (_what, headers, status) => {
  const sent = new TextEncoder().encode(JSON.stringify(event));
  const answer = await service.request('/api/logs', { method: 'POST', headers, body: sent });
  expect(await refused(answer, status)).toMatch(/application\/json/);
  await unchanged();
});

describe('a body that is said to be gzip', () => {
  const good = gzipSync(JSON.stringify(event));
  const changed = (at: number) => good.map((byte, i) => (i === (at + good.length) % good.length ? byte ^ 1 : byte));

  it.each<[what: string, body: Uint8Array, status: number, names: RegExp]>([
    ['is not', Buffer.from(JSON.stringify(event)), 400, /gzip/],
    ['is empty', Buffer.alloc(0), 400, /gzip/],
    ['is deflate', deflateSync(JSON.stringify(event)), 400, /gzip/],
    ['ends in its header', good.subarray(0, 5), 400, /gzip/],
    ['ends before its checksum', good.subarray(0, -8), 400, /gzip/],
    ['ends in its checksum', good.subarray(0, -2), 400, /gzip/],
    ['has another checksum', changed(-8), 400, /gzip/],
    ['has another length', changed(-1), 400, /gzip/],
    ['goes on with something else', Buffer.concat([good, Buffer.from('{}')]), 400, /gzip/],
    ['has no JSON in it', gzipSync('{"event_'), 400, /JSON/],
    ['is compressed twice', gzipSync(good), 400, /UTF-8/],
    // 100 MB in 97 kB: it must not be inflated to its end. A gigabyte within the limit of the compressed body is as bad.
    ['inflates to 100 MB', gzipSync(Buffer.alloc(100_000_000, ' ')), 413, /1048576 bytes long when it is decompressed/],
    ['inflates to a byte too many', gzipSync(Buffer.alloc(1_048_577, ' ')), 413, /decompressed/],
    ['is too large as it is', gzipSync(randomBytes(2_000_000)), 413, /1048576 bytes/],
  ])('and %s is refused', async (_what, body, status, names) => {
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    const answer = await service.request('/api/logs', { method: 'POST', headers, body: body as BodyInit });
    expect(await refused(answer, status)).toMatch(names);
    await unchanged();
  });

  it('and is not is refused in chunks without a length, too', async () => {
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    const body = new Blob([gzipSync(Buffer.alloc(100_000_000, ' '))]).stream();
    const init = { method: 'POST', headers, body, duplex: 'half' } as RequestInit;
    await refused(await service.request('/api/logs', init), 413);
    await unchanged();
  });
});

it('the refusal of an encoding names those that are accepted', async () => {
  const headers = { 'content-type': 'application/json', 'content-encoding': 'br' };
  const answer = await service.request('/api/logs', { method: 'POST', headers, body: 'x' });
  expect([answer.status, answer.headers.get('accept-encoding')]).toEqual([415, 'gzip']);
});

describe('a line of NDJSON', () => {
  const ndjson = (body: string): RequestInit => ({
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body,
  });

  it.each([
    ['that is cut off', `${JSON.stringify(event)}\n{"event_`, 400, /Line 2/],
    ['that is an array', `${JSON.stringify([event])}\n`, 422, /event 0/],
    ['that is not an event', `${JSON.stringify(event)}\n\n{}\n`, 422, /event 1.*event_type/],
    ['that is missing', '\n\n', 422, /no event/],
    ['too many', `${JSON.stringify(event)}\n`.repeat(1_001), 413, /1001/],
  ] as const)('%s causes all lines to be refused', async (_what, body, status, names) => {
    expect(await refused(await service.request('/api/logs', ndjson(body)), status)).toMatch(names);
    await unchanged();
  });
});

it.each([
  ['a byte that begins no character', [0xff]],
  ['an overlong slash', [0xc0, 0xaf]],
  ['an encoded surrogate', [0xed, 0xa0, 0x80]],
  ['a character cut off', [0xf0, 0x9f]],
])('%s is refused: it is not UTF-8', async (_what, bytes) => {
  const [before, after] = JSON.stringify(with_('description', '#')).split('#') as [string, string];
  const body = Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)]);
  const answer = await service.request('/api/logs', { ...json(''), body });
  expect(await refused(answer, 400)).toMatch(/UTF-8/);
  await unchanged();
});

describe('a body that is too large', () => {
  const large = JSON.stringify({ ...event, metadata: { a: 'x'.repeat(2_000_000) } });

  it('is refused by its Content-Length', async () => {
    await refused(await service.request('/api/logs', json(large)), 413);
    await unchanged();
  });

  it('is refused without a Content-Length', async () => {
    const init = { ...json(''), body: new Blob([large]).stream(), duplex: 'half' } as RequestInit;
    await refused(await service.request('/api/logs', init), 413);
    await unchanged();
  });

  it('with a million keys is refused', async () => {
    await refused(await service.request('/api/logs', json(millionKeys)), 413);
    await unchanged();
  });
});

/** Sends raw bytes, and more bytes after a refusal; returns what the server sends until the connection closes. */
async function raw(bytes: string, { end = false, next = '' } = {}): Promise<string> {
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
  socket.on('error', () => {});
  let text = '';
  let rest = next;
  socket.on('data', (chunk) => {
    text += chunk;
    // The refusal is complete: its JSON has ended, and so has the last chunk of a chunked body.
    if (!rest || !/\}(\r\n0\r\n\r\n)?$/.test(text)) return;
    socket.write(rest, 'latin1');
    rest = '';
  });
  socket.write(bytes, 'latin1');
  if (end) socket.end();
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
const head = `authorization: ${credentials.admin}\r\nhost: localhost\r\nconnection: close\r\n`;
const postHead = `POST /api/logs HTTP/1.1\r\n${head}content-type: application/json\r\n`;

it.each([
  ['ends before its length', `${postHead}content-length: 100\r\n\r\n{"event_type":"A"`],
  ['ends in a chunk', `${postHead}transfer-encoding: chunked\r\n\r\n50\r\n{"event_type":"A","entity_type":"b"}`],
])('a body that %s stores nothing', async (_what, bytes) => {
  expect(await raw(bytes, { end: true })).not.toMatch(/^HTTP\/1.1 [25]/);
  await unchanged();
});

notOn(reasons.edge).describe('a refusal does not close the connection', () => {
  // Clients reuse connections and must not lose the next request.
  it.each([
    ['too large, by its length', `content-length: 2000000\r\n\r\n${'x'.repeat(2_000_000)}`],
    ['too large, in chunks', `transfer-encoding: chunked\r\n\r\n${chunk('x'.repeat(2_000_000))}${chunk('')}`],
    ['not UTF-8', `transfer-encoding: chunked\r\n\r\n${chunk('\xff')}${chunk('x'.repeat(100_000))}${chunk('')}`],
    ['of an unknown encoding', `content-encoding: br\r\ncontent-length: 200000\r\n\r\n${'x'.repeat(200_000)}`],
    ['not JSON', 'content-length: 2\r\n\r\n{{'],
  ])('a body that is %s is refused, and its connection serves the next request', async (_what, body) => {
    const next = `GET /livez HTTP/1.1\r\n${head}\r\n`;
    const answers = await raw(`${postHead.replace('connection: close\r\n', '')}${body}`, { next });
    expect(answers.match(/HTTP\/1.1 \d+/g)).toEqual([expect.stringMatching(/ 4\d\d$/), 'HTTP/1.1 200']);
  });
});

const unreadable: [what: string, bytes: string][] = [
  ['a query of 20 kB', `GET /api/logs?search=${'x'.repeat(20_000)} HTTP/1.1\r\n${head}\r\n`],
  ['a header of 300 kB', `GET /api/logs HTTP/1.1\r\n${head}last-event-id: ${'1'.repeat(300_000)}\r\n\r\n`],
  ['something that is not HTTP', 'EHLO example.com\r\n\r\n'],
  ['two Content-Length headers', `${postHead}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`],
];

it.each(unreadable)('%s is refused', async (_what, bytes) => {
  expect(await raw(bytes)).toMatch(/^HTTP\/1.1 [45]\d\d /);
  await unchanged();
});

notOn(reasons.parser).describe('a message that the HTTP parser refuses', () => {
  it.each(unreadable)('gets a problem response: %s', async (_what, bytes) => {
    expect((await raw(bytes)).toLowerCase()).toContain('content-type: application/problem+json');
  });
});

const headers = { 'content-type': 'application/json', authorization: credentials.admin };
const body_bytes = 8_000_000;
/** Longer than a server waits for the rest of a request after its response (workerd: one second). */
const send_ms = 2_000;
const pieces = 10;

/** Posts a body in pieces over `send_ms`; resolves with the response, rejects when the connection is reset. */
function postSlowly(
  sent_headers: Record<string, string>,
): Promise<{ status: number | undefined; type: string | undefined }> {
  return new Promise((resolve, reject) => {
    const sending = request(`${service.url}/api/logs`, { method: 'POST', headers: sent_headers });
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
      // Only after the last piece: a reset while sending must fail the test.
      sending.on('finish', () => resolve(answer));
      if (sending.writableFinished) resolve(answer);
    });
  });
}

it.concurrent.each([
  ['too large', 413, { ...headers, 'content-length': String(body_bytes) }],
  ['too large, and of unknown length', 413, headers],
  ['sent without credentials', 401, { 'content-type': 'application/json', 'content-length': String(body_bytes) }],
  ['of an unknown encoding', 415, { ...headers, 'content-encoding': 'br', 'content-length': String(body_bytes) }],
])('a client that is still sending a body that is %s reads the refusal: %i', async (_what, status, sent_headers) => {
  expect(await postSlowly(sent_headers)).toEqual({ status, type: 'application/problem+json' });
});

// These tests are last because they store events.
describe('a body is accepted with', () => {
  it.each(goodTypes)('the content type %s', async (type) => {
    const init = { method: 'POST', headers: { 'content-type': type }, body: JSON.stringify(event) };
    expect((await service.request('/api/logs', init)).status).toBe(201);
  });

  it.each([
    ['gzip', 'application/json', [event], 1],
    ['GZIP', 'application/json', [event], 1],
    ['x-gzip', 'application/x-ndjson', [event, event], 2],
    ['identity', 'application/json', [event], 1],
  ])('the encoding %s, as %s', async (coding, type, events, n) => {
    const text =
      type === 'application/json' ? JSON.stringify(events) : events.map((one) => JSON.stringify(one)).join('\n');
    const body = coding === 'identity' ? Buffer.from(text) : gzipSync(text);
    const headers = { 'content-type': type, 'content-encoding': coding };
    const answer = await service.request('/api/logs', { method: 'POST', headers, body });
    expect([answer.status, ((await answer.json()) as { count: number }).count]).toEqual([201, n]);
  });

  it('as many bytes as the limit, of a thousand events in gzip', async () => {
    const text = JSON.stringify(Array.from({ length: 1_000 }, (_, i) => ({ ...event, description: `event ${i}` })));
    const body = gzipSync(text.padEnd(1_048_576));
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    const answer = await service.request('/api/logs', { method: 'POST', headers, body });
    expect([answer.status, ((await answer.json()) as { count: number }).count]).toEqual([201, 1_000]);
  });

  it('a byte order mark', async () => {
    expect((await service.request('/api/logs', json(`\ufeff${JSON.stringify(event)}`))).status).toBe(201);
  });
});

it('the service is ready after all requests', async () => {
  expect((await service.request('/readyz')).status).toBe(200);
  expect(await service.write(event)).toHaveLength(1);
});
