/** The cost of a 304, when a tag changes, and the Cache-Control of every route. */
import { upgradeWebSocket } from '@hono/node-server';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openService } from '../../src/runtime/service.ts';
import { readSettings } from '../../src/settings.ts';
import { credentials, eventually, freshDatabase, sqlClient, startService, type Who } from '../support/harness.ts';
import { proxyTo } from '../support/proxy.ts';

/** Stops the clock of a describe, because a response that counts the last 24 hours gets a new tag each minute. */
const stopClock = () =>
  beforeAll(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('2026-11-23T10:00:30Z') });
    return () => vi.useRealTimers();
  });

const event = (n = 1) => ({ event_type: 'CREATE', entity_type: 'order', entity_id: `${n}`, description: `order ${n}` });
const conditional = ['/api/logs', '/api/logs/stats', '/api/logs/1', '/logs'];
const moving = ['/api/logs', '/api/logs/stats', '/logs'];

describe('the next minute', async () => {
  stopClock();
  const service = await startService('postgres');
  await service.write(event());
  const get = (path: string, known = '') => service.request(path, { headers: { 'if-none-match': known } });
  const tagOf = async (path: string) => (await get(path)).headers.get('etag') ?? '';

  it('the tag of one event never changes', async () => {
    const tag = await tagOf('/api/logs/1');
    await service.write(event());
    vi.setSystemTime(Date.now() + 86_400_000);
    expect((await get('/api/logs/1', tag)).status).toBe(304);
  });

  it('the tags of the stats and the page change with the minute, the tag of the list does not', async () => {
    const tags = await Promise.all(moving.map((path) => tagOf(path)));
    vi.setSystemTime(Date.now() + 60_000);
    const statuses = await Promise.all(moving.map(async (path, i) => (await get(path, tags[i])).status));
    expect(statuses).toEqual([304, 200, 200]);
  });
});

describe('the cost of a 304', async () => {
  stopClock();
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

  it('no row is read: a 304 is sent while the table is locked exclusively', async () => {
    const holder = await sql.reserve();
    try {
      await holder`begin`;
      await holder`lock table activity_logs in access exclusive mode`;
      for (const path of paths) expect((await read(path)).status, path).toBe(304);
      // The lock is effective: a request without a matching tag waits for it.
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

  it('the database runs one short statement', async () => {
    for (const path of paths) {
      // The least of several: the service has a poll and a reader of the log, which use the same connection to the database.
      const reads = [await read(path), await read(path), await read(path), await read(path)];
      for (const { status } of reads) expect(status, path).toBe(304);
      const bytes = Math.min(...reads.map(({ bytes }) => bytes));
      expect(bytes, path).toBeGreaterThan(0);
      // One row of a UUID, a number and a time: bind, data row, command complete, ready.
      expect(bytes, path).toBeLessThan(260);
    }
  });

  it('without the database the response is a 503 without a tag', async () => {
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
    await eventually('the service is ready again', async () => (await read('/api/logs')).status === 304);
  });
});

describe('HEAD', async () => {
  const service = await startService('postgres');
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

  it('has no Content-Length that differs from GET', async () => {
    for (const path of moving) {
      const bytes = (await (await service.request(path)).arrayBuffer()).byteLength;
      const head = await service.request(path, { method: 'HEAD' });
      expect([null, String(bytes)]).toContain(head.headers.get('content-length'));
    }
  });

  it.each(['/api/logs/stream', '/logs/stream', '/api/logs/export'])('of %s leaks no timer', async (path) => {
    const head = () => service.request(path, { method: 'HEAD' });
    expect((await head()).status).toBe(200);
    const before = timers();
    for (let n = 0; n < 50; n++) await head();
    // A follower that is not closed would keep its heartbeat timer.
    await eventually('there are no more timers than before', () => timers() < before + 10);
  });
});

describe('no shared cache stores a private response', async () => {
  const assets: Parameters<typeof openService>[1]['assets'] = (_c, next) => next();
  const settings = readSettings({
    ...(await freshDatabase('pglite')),
    USERS: 'admin:admin:admin-password guest:guest:guest-password',
    TOKENS: 'orders:write:writer-secret-0001 audit:read+export:exporter-secret-0001',
    CORS_ORIGINS: 'https://desk.example.com',
  });
  const sockets = { upgrade: upgradeWebSocket, unsent: () => 0, cut: () => {} };
  const service = await openService(settings, { sockets, assets, runtime: 'node', logLine: () => {} });
  afterAll(() => service.close());
  const { app } = service;

  const paths = [...new Set(app.routes.map(({ path }) => path).filter((path) => !path.includes('*')))].map((path) =>
    path.replace(/:id\{.*?\}/, '1'),
  );
  const everybody: Who[] = [null, 'guest', 'admin', 'writer', 'exporter'];
  const ways: Record<string, Record<string, string>> = {
    'without headers': {},
    'with If-None-Match': { 'if-none-match': '*' },
    'by htmx': { 'hx-request': 'true' },
    'as a page': { accept: 'text/html' },
    'from a named origin': { origin: 'https://desk.example.com' },
    'from another origin': { origin: 'https://evil.example' },
  };

  it('the tested paths contain every route', () => {
    expect(paths).toEqual(expect.arrayContaining([...conditional, '/api/logs/export', '/api/logs/stream', '/ws/logs']));
  });

  it.each([...paths, '/nothing', '/public/nothing.css', '/api/logs?limit=-1', '/api/logs/999999', '/logs?nothing=1'])(
    '%s',
    async (path) => {
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'OPTIONS'])
        for (const who of everybody)
          for (const [way, headers] of Object.entries(ways)) {
            const abort = new AbortController();
            const answer = await app.request(path, {
              method,
              signal: abort.signal,
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
            abort.abort();
          }
    },
  );
});
