/** CORS: pages of the origins in CORS_ORIGINS may send requests and read the responses; other pages may not. */
import { once } from 'node:events';
import { expect, it } from 'vitest';
import WebSocket from 'ws';
import { credentials, json, startService } from '../support/harness.ts';

const desk = 'https://desk.example.com';
const other = 'http://localhost:8123';
const evil = 'https://evil.example';
const event = { event_type: 'CREATE', entity_type: 'order', entity_id: '55' };

const corsHeaders = (headers: Headers) => [...headers].filter(([name]) => name.startsWith('access-control-'));

const service = await startService({ env: { CORS_ORIGINS: `${desk} ${other}` } });
await service.write(event);
const ask = (path: string, origin: string, init: Parameters<typeof service.request>[1] = {}) =>
  service.request(path, { ...init, headers: { ...init.headers, origin, 'sec-fetch-site': 'cross-site' } });
const preflight = (path: string, origin: string, headers: Record<string, string> = {}) =>
  ask(path, origin, {
    as: null,
    method: 'OPTIONS',
    headers: {
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
      ...headers,
    },
  });
const programs = ['/api/logs', '/api/logs/1', '/api/logs/stats', '/api/logs/export', '/api/logs/stream', '/ws/logs'];

it.each(programs)('a preflight to %s from a named origin succeeds without credentials', async (path) => {
  for (const origin of [desk, other]) {
    const answer = await preflight(path, origin);
    expect([answer.status, await answer.text()]).toEqual([204, '']);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': 'authorization, content-type, last-event-id, if-none-match, traceparent',
      'access-control-max-age': '7200',
      vary: 'Origin',
    });
  }
});

const strangers: Record<string, string> = {
  'another site': evil,
  'an opaque origin': 'null',
  'a host that begins with the named one': `${desk}.evil.example`,
  'a host that ends with the named one': 'https://evil-desk.example.com',
  'the named host without TLS': desk.replace('https', 'http'),
  'the named host with another port': `${desk}:8443`,
  'the named host in capitals': desk.toUpperCase(),
  'two origins in one header': `${desk}, ${evil}`,
  any: '*',
};
it.each(Object.entries(strangers))('%s gets no CORS header and may not write', async (_who, origin) => {
  for (const path of programs) {
    const refused = await preflight(path, origin);
    expect([refused.status, corsHeaders(refused.headers), refused.headers.get('vary')]).toEqual([405, [], 'Origin']);
  }
  for (const path of ['/api/logs', '/api/logs?limit=-1', '/livez', '/nothing']) {
    const answer = await ask(path, origin);
    expect(corsHeaders(answer.headers)).toEqual([]);
    expect(answer.headers.get('vary')).toMatch(/^Origin\b/);
  }
  const written = await ask('/api/logs', origin, json(event));
  expect([written.status, corsHeaders(written.headers)]).toEqual([403, []]);
});

it.each<[string, number, string, Parameters<typeof service.request>[1]]>([
  ['the list', 200, '/api/logs', {}],
  ['an event', 200, '/api/logs/1', {}],
  ['the counts', 200, '/api/logs/stats', {}],
  ['the export', 200, '/api/logs/export', {}],
  ['the list, unchanged', 304, '/api/logs', { headers: { 'if-none-match': '*' } }],
  ['a write', 201, '/api/logs', json(event)],
  ['no credentials', 401, '/api/logs', { as: null }],
  ['a wrong token', 401, '/api/logs', { as: null, headers: { authorization: 'Bearer wrong-wrong-wrong-wrong' } }],
  ['a missing right', 403, '/api/logs/export', { as: 'guest' }],
  ['an invalid query', 400, '/api/logs?limit=-1', {}],
  ['an invalid event', 422, '/api/logs', json({})],
  ['a body that is not JSON', 415, '/api/logs', { method: 'POST', body: 'x' }],
  ['an unknown id', 404, '/api/logs/999999', {}],
  ['an unknown path', 404, '/api/nothing', {}],
  ['a method that is not allowed', 405, '/api/logs/1', { method: 'DELETE' }],
  ['a socket without a handshake', 426, '/ws/logs', {}],
])('a named origin can read the response: %s, %i', async (_what, status, path, init) => {
  const answer = await ask(path, desk, init);
  expect([answer.status, await answer.text()]).toEqual([status, expect.any(String)]);
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'access-control-allow-origin': desk,
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': 'link, etag, location, retry-after, ratelimit, ratelimit-policy, edgetrail-log',
  });
  expect(answer.headers.get('vary')).toMatch(/^Origin\b/);
});

it('a named origin may read the live stream', async () => {
  const abort = new AbortController();
  const answer = await ask('/api/logs/stream?after=0', desk, { signal: abort.signal });
  expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/);
  expect(answer.headers.get('access-control-allow-origin')).toBe(desk);
  abort.abort();
});

it.each([
  [desk, 'open'],
  [evil, 403],
])('a WebSocket handshake from %s: %s', async (origin, becomes) => {
  const socket = new WebSocket(`${service.url.replace('http', 'ws')}/ws/logs?after=0`, {
    headers: { authorization: credentials.admin, origin, 'sec-fetch-site': 'cross-site' },
  });
  socket.on('error', () => {});
  const became = await Promise.race([
    once(socket, 'message').then(([data]) => (String(data).includes('"type":"logs"') ? 'open' : String(data))),
    once(socket, 'unexpected-response').then(([, response]) => response.statusCode),
  ]);
  expect(became).toBe(becomes);
  socket.terminate();
});

it('pages, health checks and static files have no CORS headers', async () => {
  for (const path of ['/logs', '/logs/live?on=1', '/readyz', '/public/style.css'])
    expect(corsHeaders((await ask(path, desk)).headers), path).toEqual([]);
  expect((await preflight('/logs', desk)).status).toBe(405);
});

it('an OPTIONS request that is not a preflight gets 405', async () => {
  expect((await ask('/api/logs', desk, { method: 'OPTIONS' })).status).toBe(405);
});

it('without CORS_ORIGINS no response has CORS headers', async () => {
  const silent = await startService();
  for (const method of ['GET', 'OPTIONS']) {
    const headers = { origin: desk, 'access-control-request-method': 'POST' };
    const answer = await silent.request('/api/logs', { method, headers });
    expect(corsHeaders(answer.headers)).toEqual([]);
    expect(answer.headers.get('vary') ?? '').not.toContain('Origin');
  }
});
