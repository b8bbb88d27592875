/** Unchanged answers are known by their tag, before a row is read; and no shared cache keeps what is private. */
import { upgradeWebSocket } from '@hono/node-server';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { answerForm } from '../src/conditional.ts';
import { openService } from '../src/runtime/service.ts';
import { readSettings } from '../src/settings.ts';
import { credentials, databases, eventually, freshDatabase, sqlClient, startService, type Who } from './harness.ts';
import { proxyTo } from './proxy.ts';

// What shows the last 24 hours has another tag in the next minute: here it comes when it is called.
beforeAll(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: new Date('2026-11-23T10:00:30Z') });
  return () => vi.useRealTimers();
});

const event = (n = 1) => ({ event_type: 'CREATE', entity_type: 'order', entity_id: `${n}`, description: `order ${n}` });
const conditional = ['/api/logs', '/api/logs/stats', '/api/logs/1', '/logs'];
const moving = ['/api/logs', '/api/logs/stats', '/logs'];

describe.each(databases)('on %s', async (database) => {
  const service = await startService(database);
  await service.write([event(1), event(2), event(3)]);
  const get = (path: string, known?: string, as: Who = 'admin', method = 'GET') =>
    service.request(path, { as, method, headers: known ? { 'if-none-match': known } : {} });
  const tagOf = async (path: string, as: Who = 'admin') => {
    const answer = await get(path, undefined, as);
    await answer.text();
    expect(answer.status).toBe(200);
    return answer.headers.get('etag') ?? '';
  };

  it.each(conditional)('%s has a weak tag, and is not sent twice to who has it', async (path) => {
    const tag = await tagOf(path);
    expect(tag).toMatch(/^W\/"[0-9a-f]{24}"$/);
    const again = await get(path, tag);
    expect([again.status, await again.text()]).toEqual([304, '']);
    expect(Object.fromEntries(again.headers)).toMatchObject({
      etag: tag,
      'cache-control': 'private, no-cache',
      vary: path === '/logs' ? 'Authorization, Cookie, HX-Request' : 'Authorization, Cookie',
    });
    expect(again.headers.get('content-type')).toBeNull();
  });

  it.each(conditional)('HEAD %s says what GET says', async (path) => {
    const [whole, head] = [await get(path), await get(path, undefined, 'admin', 'HEAD')];
    const text = await whole.text();
    expect([head.status, await head.text()]).toEqual([200, '']);
    for (const name of ['etag', 'cache-control', 'vary', 'content-type', 'link'])
      expect(head.headers.get(name), name).toBe(whole.headers.get(name));
    expect([null, String(Buffer.byteLength(text))]).toContain(head.headers.get('content-length'));
    expect((await get(path, head.headers.get('etag') ?? '', 'admin', 'HEAD')).status).toBe(304);
  });

  it.each<[string, (tag: string) => string, number]>([
    ['the tag', (tag) => tag, 304],
    ['the same tag called strong', (tag) => tag.slice(2), 304],
    ['a list that has it', (tag) => `"other", W/"another",${tag} , "last"`, 304],
    ['a list with commas within a tag', (tag) => `"a,b", ${tag}`, 304],
    ['any', () => '*', 304],
    ['another tag', () => 'W/"0123456789abcdef01234567"', 200],
    ['its beginning', (tag) => `${tag.slice(0, -3)}"`, 200],
    ['it without quotes', (tag) => tag.replaceAll('"', ''), 200],
    ['it in capitals', (tag) => tag.toUpperCase(), 200],
    ['nonsense', () => '"""""W/"', 200],
  ])('If-None-Match: %s', async (_what, known, status) => {
    for (const path of conditional) expect((await get(path, known(await tagOf(path)))).status, path).toBe(status);
  });

  it('every question has a tag of its own, and the same question the same one', async () => {
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
      '/api/logs?after=0-0',
      '/api/logs?before=1795428000000-2',
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

  it('the page of one is not the page of another; the list is the same for all', async () => {
    expect(await tagOf('/logs', 'guest')).not.toBe(await tagOf('/logs', 'admin'));
    expect(await tagOf('/logs', 'exporter')).not.toBe(await tagOf('/logs', 'admin'));
    expect(await tagOf('/api/logs', 'guest')).toBe(await tagOf('/api/logs', 'admin'));
  });

  it('a refusal is a refusal, whatever is known', async () => {
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

  it.each(moving)('%s has another tag after the next event', async (path) => {
    const tag = await tagOf(path);
    await service.write(event());
    const changed = await get(path, tag);
    await changed.text();
    expect(changed.status).toBe(200);
    expect(changed.headers.get('etag')).not.toBe(tag);
  });

  it('one event keeps its tag for ever', async () => {
    const tag = await tagOf('/api/logs/1');
    await service.write(event());
    vi.setSystemTime(Date.now() + 86_400_000);
    expect((await get('/api/logs/1', tag)).status).toBe(304);
  });

  it('what shows the last 24 hours has another tag in the next minute, the list has not', async () => {
    const tags = await Promise.all(moving.map((path) => tagOf(path)));
    vi.setSystemTime(Date.now() + 60_000);
    const statuses = await Promise.all(moving.map(async (path, i) => (await get(path, tags[i])).status));
    expect(statuses).toEqual([304, 200, 200]);
  });

  it('whoever reads while others write ends with what was written', async () => {
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

  it('the form of the answers is that of its number', async () => {
    // Whoever changes what is listed here raises `answerForm`: else who has an answer keeps the old form.
    const { logs, ...list } = (await (await get('/api/logs')).json()) as { logs: object[] };
    expect({ form: answerForm, list: Object.keys(list), log: Object.keys(logs[0] ?? {}) }).toEqual({
      form: 1,
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
        'created_at',
      ],
    });
  });
});

describe('what an unchanged answer costs', async () => {
  const place = await freshDatabase('postgres');
  if (!('DATABASE_URL' in place)) throw new Error('not a server');
  const proxy = await proxyTo(place.DATABASE_URL);
  const quiet = { POLL_MS_MIN: '60000', POLL_MS_MAX: '60000' };
  const service = await startService('postgres', { place: { DATABASE_URL: proxy.url }, env: quiet });
  await service.write(Array.from({ length: 100 }, (_, n) => event(n)));
  const sql = sqlClient(place.DATABASE_URL);
  const paths = [...conditional, '/api/logs?search=order', '/api/logs/stats?entity_id=5', '/logs?entity_type=order'];
  const tags = new Map<string, string>();
  const read = async (path: string) => {
    const before = proxy.received();
    const answer = await service.request(path, { headers: { 'if-none-match': tags.get(path) ?? '' } });
    await answer.text();
    tags.set(path, answer.headers.get('etag') ?? '');
    return { status: answer.status, bytes: proxy.received() - before };
  };
  beforeAll(async () => {
    for (const path of paths) await read(path);
  });

  it('no row is touched: it is answered while the table of the rows is locked against everybody', async () => {
    const holder = await sql.reserve();
    try {
      await holder`begin`;
      await holder`lock table activity_logs in access exclusive mode`;
      for (const path of paths) expect((await read(path)).status, path).toBe(304);
      // The lock does hold: whoever has another tag waits for it.
      let answered = false;
      const waiting = service.request('/api/logs?limit=3').then(() => {
        answered = true;
      });
      await eventually('the list waits for the lock', async () => {
        const [row] = await sql<{ n: number }[]>`select count(*)::int as n from pg_locks where not granted`;
        return (row?.n ?? 0) > 0;
      });
      expect(answered).toBe(false);
      await holder`rollback`;
      await waiting;
      expect(answered).toBe(true);
    } finally {
      await holder`rollback`;
      holder.release();
    }
  });

  it('one short statement is all that is asked of the database', async () => {
    for (const path of paths) {
      const { status, bytes } = await read(path);
      expect(status, path).toBe(304);
      expect(bytes, path).toBeGreaterThan(0);
      // One row of one number: bind, data row, command complete, ready.
      expect(bytes, path).toBeLessThan(150);
    }
  });

  it('without the database there is no answer, and the refusal has no tag', async () => {
    await proxy.close();
    for (const path of paths) {
      const answer = await service.request(path, { headers: { 'if-none-match': tags.get(path) ?? '' } });
      expect([answer.status, answer.headers.get('etag'), answer.headers.get('cache-control')], path).toEqual([
        503,
        null,
        'no-store',
      ]);
    }
    await proxy.open();
    await eventually('it is back', async () => (await read('/api/logs')).status === 304);
  });
});

describe('HEAD of a stream', async () => {
  const service = await startService('pglite');
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

  it.each(['/api/logs/stream', '/logs/stream', '/api/logs/export'])('%s leaves nothing behind', async (path) => {
    const ask = () => service.request(path, { method: 'HEAD' });
    expect((await ask()).status).toBe(200);
    const before = timers();
    for (let n = 0; n < 50; n++) await ask();
    // A follower has a heartbeat for as long as it follows.
    await eventually('there are no more timers than before', () => timers() < before + 10, 3_000);
  });
});

describe('no shared cache keeps what is private', async () => {
  const assets: Parameters<typeof openService>[1]['assets'] = (_c, next) => next();
  const settings = readSettings({
    ...(await freshDatabase('pglite')),
    USERS: 'admin:admin:admin-password guest:guest:guest-password',
    TOKENS: 'orders:write:writer-secret-0001 audit:read+export:exporter-secret-0001',
    CORS_ORIGINS: 'https://desk.example.com',
  });
  const sockets = { upgrade: upgradeWebSocket, unsent: () => 0, cut: () => {} };
  const service = await openService(settings, { sockets, assets, say: () => {} });
  afterAll(() => service.close());
  const { app } = service;

  const paths = [...new Set(app.routes.map(({ path }) => path).filter((path) => !path.includes('*')))].map((path) =>
    path.replace(/:id\{.*?\}/, '1'),
  );
  const everybody: Who[] = [null, 'guest', 'admin', 'writer', 'exporter'];
  const ways: Record<string, Record<string, string>> = {
    plainly: {},
    'with what is known': { 'if-none-match': '*' },
    'by htmx': { 'hx-request': 'true' },
    'as a page': { accept: 'text/html' },
    'from a named origin': { origin: 'https://desk.example.com' },
    'from another origin': { origin: 'https://evil.example' },
  };

  it('every route is among those that are asked', () => {
    expect(paths).toEqual(expect.arrayContaining([...conditional, '/api/logs/export', '/api/logs/stream', '/ws/logs']));
  });

  it.each([...paths, '/nothing', '/public/nothing.css', '/api/logs?limit=-1', '/api/logs/999999', '/logs?nothing=1'])(
    '%s',
    async (path) => {
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'OPTIONS'])
        for (const who of everybody)
          for (const [way, headers] of Object.entries(ways)) {
            const left = new AbortController();
            const answer = await app.request(path, {
              method,
              signal: left.signal,
              headers: { ...headers, ...(who && { authorization: credentials[who] }) },
              ...(method === 'POST' && { body: '{}' }),
            });
            const what = `${method} ${path} as ${who} ${way}: ${answer.status}`;
            const control = answer.headers.get('cache-control') ?? '';
            const vary = (answer.headers.get('vary') ?? '').toLowerCase().split(/, */);
            if (answer.headers.has('etag')) {
              expect([200, 304], what).toContain(answer.status);
              expect(control, what).toBe('private, no-cache');
              expect(vary, what).toEqual(expect.arrayContaining(['authorization', 'cookie', 'origin']));
            } else expect(control, what).toMatch(/^no-store/);
            expect(`${control}${answer.headers.get('expires') ?? ''}`, what).not.toMatch(/public|s-maxage|max-age/);
            await answer.body?.cancel();
            left.abort();
          }
    },
  );
});
