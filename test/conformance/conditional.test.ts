/** Conditional requests (RFC 9110 §13.1.2): an unchanged response has the same ETag and is a 304 without a body. */
import { beforeEach, expect, it } from 'vitest';
import { response_version } from '../../src/http/conditional.ts';
import { files } from '../../src/http/files.ts';
import { startService, type Who } from '../support/harness.ts';

/** A response that counts the last 24 hours gets a new tag each minute: no test may cross the boundary of a minute. */
const minute_ms = 60_000;
const test_ms_max = 10_000;
beforeEach(async () => {
  const left_ms = minute_ms - (Date.now() % minute_ms);
  if (left_ms < test_ms_max) await new Promise((resolve) => setTimeout(resolve, left_ms + 50));
});

const event = (n = 1) => ({ event_type: 'CREATE', entity_type: 'order', entity_id: `${n}`, description: `order ${n}` });
const conditional = ['/api/logs', '/api/logs/stats', '/api/logs/1', '/logs'];
const moving = ['/api/logs', '/api/logs/stats', '/logs'];

const service = await startService();
await service.write([event(1), event(2), event(3)]);
const get = (path: string, known?: string, as: Who = 'admin', method = 'GET') =>
  service.request(path, { as, method, headers: known ? { 'if-none-match': known } : {} });
const tagOf = async (path: string, as: Who = 'admin') => {
  const answer = await get(path, undefined, as);
  await answer.text();
  expect(answer.status).toBe(200);
  return answer.headers.get('etag') ?? '';
};

it.each(conditional)('%s has a weak tag, and a request with that tag gets a 304', async (path) => {
  const tag = await tagOf(path);
  expect(tag).toMatch(/^W\/"[0-9a-f]{24}"$/);
  const again = await get(path, tag);
  expect([again.status, await again.text()]).toEqual([304, '']);
  expect(Object.fromEntries(again.headers)).toMatchObject({
    etag: tag,
    'cache-control': 'private, no-cache',
    vary: path === '/logs' ? 'Authorization, Cookie, HX-Request-Type' : 'Authorization, Cookie',
  });
  expect(again.headers.get('content-type')).toBeNull();
});

it.each(conditional)('HEAD %s has the headers of GET', async (path) => {
  const [whole, head] = [await get(path), await get(path, undefined, 'admin', 'HEAD')];
  await whole.text();
  expect([head.status, await head.text()]).toEqual([200, '']);
  for (const name of ['etag', 'cache-control', 'vary', 'content-type', 'link'])
    expect(head.headers.get(name), name).toBe(whole.headers.get(name));
  expect((await get(path, head.headers.get('etag') ?? '', 'admin', 'HEAD')).status).toBe(304);
});

it.each<[string, (tag: string) => string, number]>([
  ['the tag', (tag) => tag, 304],
  ['the tag as a strong one', (tag) => tag.slice(2), 304],
  ['a list that contains the tag', (tag) => `"other", W/"another",${tag} , "last"`, 304],
  ['a list in which another tag contains a comma', (tag) => `"a,b", ${tag}`, 304],
  ['*', () => '*', 304],
  ['another tag', () => 'W/"0123456789abcdef01234567"', 200],
  ['the tag cut short', (tag) => `${tag.slice(0, -3)}"`, 200],
  ['the tag without quotes', (tag) => tag.replaceAll('"', ''), 200],
  ['the tag in capitals', (tag) => tag.toUpperCase(), 200],
  ['an invalid header', () => '"""""W/"', 200],
])('If-None-Match: %s', async (_what, known, status) => {
  for (const path of conditional) expect((await get(path, known(await tagOf(path)))).status, path).toBe(status);
});

it('different queries have different tags, and equal queries have the same tag', async () => {
  const second = await service.request('/api/logs?limit=1&offset=1');
  const cursor = /before=([^&>]+)/.exec(second.headers.get('link') ?? '')?.[1];
  expect(cursor).toBeTruthy();
  const paths = [
    ...moving,
    '/api/logs/1',
    '/api/logs/2',
    '/api/logs?limit=2',
    '/api/logs?offset=1',
    '/api/logs?entity_id=1',
    '/api/logs?entity_id!=1',
    '/api/logs?user_id=1',
    '/api/logs?entity_id=1&entity_id=2',
    '/api/logs?metadata.a=1',
    `/api/logs?after=${cursor}`,
    `/api/logs?before=${cursor}`,
    '/api/logs/stats?entity_id=1',
    '/logs?entity_id=1',
    '/logs?live=1',
    '/logs?limit=2',
  ];
  const tags = await Promise.all(paths.map((path) => tagOf(path)));
  expect(new Set(tags).size).toBe(paths.length);
  expect(await tagOf('/api/logs?user_id=&entity_id=2&event_type=CREATE')).toBe(
    await tagOf('/api/logs?event_type=CREATE&limit=100&entity_id=2'),
  );
});

it('the page has a different tag for each user; the list has the same tag for all users', async () => {
  expect(await tagOf('/logs', 'guest')).not.toBe(await tagOf('/logs', 'admin'));
  expect(await tagOf('/logs', 'exporter')).not.toBe(await tagOf('/logs', 'admin'));
  expect(await tagOf('/api/logs', 'guest')).toBe(await tagOf('/api/logs', 'admin'));
});

it('a refused request is refused whatever its If-None-Match is', async () => {
  for (const path of ['/api/logs', '/api/logs/stats', '/api/logs/1', '/logs']) {
    expect((await get(path, '*', null)).status).toBe(401);
    expect((await get(path, '*', 'writer')).status).toBe(403);
  }
  for (const path of ['/api/logs?limit=-1', '/api/logs?nothing=1', '/api/logs/stats?limit=1', '/logs?limit=x'])
    expect((await get(path, '*')).status, path).toBe(400);
  for (const id of ['0', '999999', '99999999999999999999']) {
    const missing = await get(`/api/logs/${id}`, '*');
    expect([missing.status, missing.headers.get('etag')]).toEqual([404, null]);
  }
});

it.each(moving)('the tag of %s changes with the next event', async (path) => {
  const tag = await tagOf(path);
  await service.write(event());
  const changed = await get(path, tag);
  await changed.text();
  expect(changed.status).toBe(200);
  expect(changed.headers.get('etag')).not.toBe(tag);
});

it('readers that use conditional requests during writes end with the current total', async () => {
  const from = ((await (await get('/api/logs?limit=1')).json()) as { total: number }).total;
  let cached = { tag: '', total: 0 };
  const read = async () => {
    const answer = await get('/api/logs?entity_type=order&limit=1', cached.tag);
    if (answer.status === 304) return;
    cached = { tag: answer.headers.get('etag') ?? '', total: ((await answer.json()) as { total: number }).total };
  };
  let writing = true;
  const readers = Array.from({ length: 4 }, async () => {
    while (writing) await read();
  });
  for (let n = 0; n < 60; n++) await service.write(event(n));
  writing = false;
  await Promise.all(readers);
  await read();
  expect(cached.total).toBe(from + 60);
});

it('the fields of the responses are those of response_version', async () => {
  // A change of the fields listed here must raise `response_version`: otherwise a client with a tag keeps the old form.
  const { logs, ...list } = (await (await get('/api/logs')).json()) as { logs: object[] };
  expect({ form: response_version, list: Object.keys(list), log: Object.keys(logs[0] ?? {}) }).toEqual({
    form: 2,
    list: ['total', 'total_is_exact', 'limit', 'offset'],
    log: [
      'id',
      'timestamp',
      'event_type',
      'entity_type',
      'entity_id',
      'user_id',
      'description',
      'metadata',
      'ip_address',
      'user_agent',
      'service',
      'trace_id',
      'session_id',
      'event_uid',
      'span_id',
      'parent_span_id',
      'caused_by',
      'created_at',
    ],
  });
});

it.each([
  [files.style, 'public, max-age=31536000, immutable', 'text/css'],
  [files.viewer, 'public, max-age=31536000, immutable', 'text/javascript'],
  ['/public/style.css?v=another', 'no-cache', 'text/css'],
])('the static file %s has the Cache-Control %s', async (path, control, type) => {
  const answer = await get(path, undefined, null);
  await answer.text();
  const { headers } = answer;
  expect([headers.get('cache-control'), headers.get('x-content-type-options')]).toEqual([control, 'nosniff']);
  expect(headers.get('content-type')).toContain(type);
});
