/** Pages of other sites: those that the operator named may ask and read what they are answered; no others. */
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

it.each(programs)('a preflight to %s is answered to a named origin, without credentials', async (path) => {
  for (const origin of [desk, other]) {
    const answer = await preflight(path, origin);
    expect([answer.status, await answer.text()]).toEqual([204, '']);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': 'authorization, content-type, last-event-id, if-none-match',
      'access-control-max-age': '7200',
      vary: 'Origin',
    });
  }
});

const strangers: Record<string, string> = {
  'another site': evil,
  'an opaque origin': 'null',
  'a name that begins alike': `${desk}.evil.example`,
  'a name that ends alike': 'https://evil-desk.example.com',
  'the same name without TLS': desk.replace('https', 'http'),
  'the same name at another port': `${desk}:8443`,
  'the name in capitals': desk.toUpperCase(),
  'two at once': `${desk}, ${evil}`,
  any: '*',
};
it.each(Object.entries(strangers))('%s gets no word of it, and cannot write', async (_who, origin) => {
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
  ['nobody', 401, '/api/logs', { as: null }],
  ['a wrong token', 401, '/api/logs', { as: null, headers: { authorization: 'Bearer wrong-wrong-wrong-wrong' } }],
  ['who may not', 403, '/api/logs/export', { as: 'guest' }],
  ['a bad question', 400, '/api/logs?limit=-1', {}],
  ['an event that is none', 422, '/api/logs', json({})],
  ['a body that is no JSON', 415, '/api/logs', { method: 'POST', body: 'x' }],
  ['what is not there', 404, '/api/logs/999999', {}],
  ['an address that is not there', 404, '/api/nothing', {}],
  ['a method that is not there', 405, '/api/logs/1', { method: 'DELETE' }],
  ['a socket without a handshake', 426, '/ws/logs', {}],
])('a named origin can read what it is answered: %s, %i', async (_what, status, path, init) => {
  const answer = await ask(path, desk, init);
  expect([answer.status, await answer.text()]).toEqual([status, expect.any(String)]);
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'access-control-allow-origin': desk,
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': 'link, etag, location, retry-after',
  });
  expect(answer.headers.get('vary')).toMatch(/^Origin\b/);
});

it('a named origin may read the live stream', async () => {
  const leave = new AbortController();
  const answer = await ask('/api/logs/stream?after=0', desk, { signal: leave.signal });
  expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/);
  expect(answer.headers.get('access-control-allow-origin')).toBe(desk);
  leave.abort();
});

it.each([
  [desk, 'open'],
  [evil, 403],
])('a socket of %s: %s', async (origin, becomes) => {
  const socket = new WebSocket(`${service.url.replace('http', 'ws')}/ws/logs?after=0`, {
    headers: { authorization: credentials.admin, origin, 'sec-fetch-site': 'cross-site' },
  });
  socket.on('error', () => {});
  const became = await Promise.race([
    once(socket, 'message').then(([data]) => (String(data).includes('"order"') ? 'open' : String(data))),
    once(socket, 'unexpected-response').then(([, response]) => response.statusCode),
  ]);
  expect(became).toBe(becomes);
  socket.terminate();
});

it('the pages are not for other sites, nor is what is public', async () => {
  for (const path of ['/logs', '/logs/live?on=1', '/readyz', '/public/style.css'])
    expect(corsHeaders((await ask(path, desk)).headers), path).toEqual([]);
  expect((await preflight('/logs', desk)).status).toBe(405);
});

it('OPTIONS that is no preflight is a method that is not there', async () => {
  expect((await ask('/api/logs', desk, { method: 'OPTIONS' })).status).toBe(405);
});

it('without named origins nobody hears of CORS', async () => {
  const silent = await startService();
  for (const method of ['GET', 'OPTIONS']) {
    const headers = { origin: desk, 'access-control-request-method': 'POST' };
    const answer = await silent.request('/api/logs', { method, headers });
    expect(corsHeaders(answer.headers)).toEqual([]);
    expect(answer.headers.get('vary') ?? '').not.toContain('Origin');
  }
});
