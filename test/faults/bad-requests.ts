/** Random requests to every address of the service, most of them wrong in several ways: a seed gives the same ones. */
import { request } from 'node:http';
import fc from 'fast-check';
import { createApp } from '../../src/app.ts';
import { features } from '../../src/features/index.ts';
import type { Parts } from '../../src/parts.ts';
import { readSettings } from '../../src/settings.ts';
import { badEvents } from '../conformance/input-bad-events.ts';
import { badQueries, goodQueries } from '../conformance/input-query-tables.ts';
import { deep, keys } from '../conformance/input-values.ts';

export type BadRequest = { method: string; path: string; headers: Record<string, string>; body: Buffer };

/** Routes are only collected here: no part is used before a request comes. */
const app = createApp({ limits: readSettings({}), features, store: {} } as unknown as Parts);
const routes = app.routes.filter(({ path }) => !path.includes('*'));
const methods = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'];

const words = [
  '1 OR 1=1',
  '-1',
  '0',
  '1',
  'abc',
  '9'.repeat(30),
  '1\0',
  'é',
  '🧾',
  '%00',
  '%',
  '..',
  '../../etc/passwd',
  '<script>',
  'x'.repeat(8_192),
  'null',
  '__proto__',
  '2026-01-01',
  'infinity',
  '((((',
  'a & & b',
  '\\',
  "'; drop table activity_logs",
];
const word = fc.oneof(
  fc.constantFrom(...words),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.integer().map(String),
);
/** A lone surrogate cannot be encoded. */
const encoded = (text: string) => encodeURIComponent(text.toWellFormed());
/** Some texts are meant for fetch, which encodes what no request line may have. */
const ascii = (path: string) => path.replace(/[^!-~]/gu, encoded);
const names = [
  ...new Set([
    ...badQueries.map(([, name]) => name),
    'zone',
    'group_by',
    'interval',
    'after',
    'before',
    'limit',
    'format',
    'sort',
    'version',
    'q',
  ]),
];
const pair = fc
  .tuple(fc.oneof(fc.constantFrom(...names), word), word)
  .map(([name, value]) => `${encoded(name)}=${encoded(value)}`);
const query = fc.oneof(
  fc.constant(''),
  fc.constantFrom(...badQueries.map(([text]) => text), ...goodQueries),
  fc.array(pair, { minLength: 1, maxLength: 6 }).map((pairs) => pairs.join('&')),
  word.map(encoded),
);
const texts = [
  ...badEvents.map(([, body]) => (typeof body === 'string' ? body : JSON.stringify(body))),
  deep(100_000),
  keys(100_000),
  '',
  '[',
  '{}',
  '[]',
  'null',
  '1',
  '"x"',
  '\ufeff{}',
  `[${'{},'.repeat(2_000)}{}]`,
  'a=b&c=d',
];
const body = fc.oneof(
  fc.constant(Buffer.alloc(0)),
  fc.constantFrom(...texts).map((text) => Buffer.from(text)),
  fc.json().map((text) => Buffer.from(text)),
  fc
    .record({ event_type: word, entity_type: word, metadata: fc.jsonValue(), x: word }, { requiredKeys: [] })
    .map((value) => Buffer.from(JSON.stringify(value))),
  fc.uint8Array({ maxLength: 4_000 }).map((bytes) => Buffer.from(bytes)),
  fc.constant(Buffer.alloc(1_200_000, 'x')),
);
const some = (...values: string[]) => fc.constantFrom(...values);
/** What node:http sends: Latin-1 without control characters. */
const field = fc.string({ maxLength: 40 }).map((text) => text.replace(/[^\x20-\x7e]/g, '?'));
const fields: Record<string, fc.Arbitrary<string>> = {
  'content-type': fc.oneof(
    some(
      'application/json',
      'application/x-ndjson',
      'text/plain',
      'application/json; charset=utf-16',
      'multipart/form-data',
      'application/x-www-form-urlencoded',
    ),
    field,
  ),
  'content-encoding': some('gzip', 'identity', 'br', 'x'),
  accept: fc.oneof(some('text/html', 'application/json', 'text/csv', '*/*;q=0'), field),
  'accept-encoding': fc.oneof(some('gzip;q=0', 'identity;q=0, *;q=0'), field),
  'last-event-id': fc.oneof(some('', '-1', '9'.repeat(21), 'abc', `${'1'.repeat(8_000)}`), field),
  'if-none-match': fc.oneof(some('*', '""'), field),
  range: fc.oneof(some('bytes=0-', 'bytes=-1', 'bytes=9-1'), field),
  cookie: field,
  origin: fc.oneof(some('null', 'http://evil.example'), field),
  'sec-fetch-site': some('cross-site', 'same-origin', 'x'),
  'x-forwarded-for': field,
  traceparent: field,
  'hx-request': some('true'),
  'x-request-id': field,
  expect: some('100-continue'),
  upgrade: some('websocket', 'h2c', 'foo'),
  'sec-websocket-version': some('12', '13'),
  'sec-websocket-key': field,
};
/** Few at a time: with all of them a request would be refused for the first. */
const headers = fc
  .array(
    fc.constantFrom(...Object.keys(fields)).chain((name) => fc.tuple(fc.constant(name), fields[name] ?? field)),
    { maxLength: 3 },
  )
  .map((some) => ({ 'content-type': 'application/json', ...Object.fromEntries(some) }));

/** A path with something in place of its parameters. */
const pathOf = (pattern: string) =>
  fc
    .tuple(...pattern.split('/').map((step) => (step.startsWith(':') ? word.map(encoded) : fc.constant(step))))
    .map((steps) => steps.join('/'));

const badRequest: fc.Arbitrary<BadRequest> = fc
  .tuple(fc.constantFrom(...routes), some(...methods), fc.integer({ min: 0, max: 3 }))
  .chain(([route, other, n]) => {
    // A route for all methods is middleware.
    const method = n > 0 && methods.includes(route.method) ? route.method : other;
    return fc.record({ method: fc.constant(method), path: pathOf(route.path), query, headers, body });
  })
  .map(({ path, query, ...rest }) => ({ ...rest, path: ascii(query === '' ? path : `${path}?${query}`) }));

export const badRequests = (n: number, seed: number): BadRequest[] => fc.sample(badRequest, { numRuns: n, seed });
export const n_addresses = new Set(routes.map(({ path }) => path)).size;

/** Its status and body; an event stream or an upgraded socket is left after its beginning. Status 0: the connection was closed. */
export function send(
  url: string,
  { method, path, headers, body }: BadRequest,
  authorization: string,
  ms_max: number,
): Promise<{ status: number; text: string; type: string }> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(url);
    const connection = headers.upgrade ? 'upgrade' : 'keep-alive';
    const hasBody = method !== 'GET' && method !== 'HEAD';
    const all = { ...headers, authorization, connection, ...(hasBody && { 'content-length': body.length }) };
    const sent = request({ hostname, port, method, path, headers: all, timeout: ms_max });
    let done = (status: number, text = '', type = '') => {
      resolve({ status, text, type });
      done = () => {};
    };
    sent.on('upgrade', (answer, socket) => {
      socket.destroy();
      done(answer.statusCode ?? 0);
    });
    sent.on('response', (answer) => {
      const type = answer.headers['content-type'] ?? '';
      if (type.startsWith('text/event-stream')) {
        done(answer.statusCode ?? 0);
        return sent.destroy();
      }
      let text = '';
      answer.on('data', (chunk) => {
        if (text.length < 10_000) text += chunk;
      });
      answer.on('end', () => done(answer.statusCode ?? 0, text, type));
      answer.on('close', () => done(answer.statusCode ?? 0, text, type));
    });
    sent.on('timeout', () => {
      done(-1);
      sent.destroy();
    });
    sent.on('error', () => done(0));
    sent.on('continue', () => {});
    sent.end(hasBody ? body : undefined);
  });
}
