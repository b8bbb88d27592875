/** What an unchanged answer costs, and when it is not; no shared cache keeps what is private. */
import { upgradeWebSocket } from '@hono/node-server';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openService } from '../../src/runtime/service.ts';
import { readSettings } from '../../src/settings.ts';
import { credentials, eventually, freshDatabase, sqlClient, startService, type Who } from '../support/harness.ts';
import { proxyTo } from '../support/proxy.ts';

/** What shows the last 24 hours has another tag in the next minute: in a group that says this it comes when it is called. */
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
  const service = await startService('pglite');
  await service.write(event());
  const get = (path: string, known = '') => service.request(path, { headers: { 'if-none-match': known } });
  const tagOf = async (path: string) => (await get(path)).headers.get('etag') ?? '';

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
});

describe('what an unchanged answer costs', async () => {
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
      // One row of a UUID, a number and a time: bind, data row, command complete, ready.
      expect(bytes, path).toBeLessThan(260);
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

describe('HEAD', async () => {
  const service = await startService('pglite');
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

  it('gives no other length than GET', async () => {
    for (const path of moving) {
      const bytes = (await (await service.request(path)).arrayBuffer()).byteLength;
      const head = await service.request(path, { method: 'HEAD' });
      expect([null, String(bytes)]).toContain(head.headers.get('content-length'));
    }
  });

  it.each(['/api/logs/stream', '/logs/stream', '/api/logs/export'])('of %s leaves nothing behind', async (path) => {
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
  const service = await openService(settings, { sockets, assets, logLine: () => {} });
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
