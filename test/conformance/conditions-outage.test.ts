/** An unreachable database, at the start or later, and a database with fewer connections than requests. */
import { describe, expect, it } from 'vitest';
import { eventually, freshPostgres, json, sqlClient, startService, type TestService } from '../support/harness.ts';
import { proxyTo } from '../support/proxy.ts';
import { resuming } from '../support/resuming.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';
import { order } from './follow.ts';

const reads = ['/readyz', '/api/logs', '/api/logs/1', '/api/logs/stats', '/api/logs/stream', '/logs'];

/** Claims a 503 with Retry-After whose text contains nothing of the database. */
async function expectUnavailable(answer: Response): Promise<void> {
  const text = await answer.text();
  expect(answer.status, text).toBe(503);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(text).not.toMatch(/ECONN|127\.0\.0\.1|select|relation|database "/i);
}

const isReady = async (service: TestService) => (await service.request('/readyz')).status === 200;

notOn(reasons.embedded).describe('an unreachable database', () => {
  describe('after a start with the database', async () => {
    const url = await freshPostgres();
    const proxy = await proxyTo(url);
    const service = await startService({ place: { DATABASE_URL: proxy.url } });
    const sql = sqlClient(url, 1);
    await service.write(order(1));

    it.each([
      'everything but /livez is refused during an outage',
      'everything but /livez is refused in a second outage',
    ])('%s', async () => {
      const { total } = (await (await service.request('/api/logs')).json()) as { total: number };
      await proxy.close();
      expect((await service.request('/livez')).status).toBe(200);
      for (const path of reads) await expectUnavailable(await service.request(path));
      await expectUnavailable(await service.request('/api/logs', json(order(2))));
      await proxy.open();
      await eventually('the service is ready again without a restart', () => isReady(service));
      const [entry] = await service.write(order(3));
      expect(entry?.id, 'a refused event took an id').toBe(total + 1);
    });

    it('followers reconnect and get the events that others wrote during the outage', async () => {
      const over = new AbortController();
      const followers = (['sse', 'socket'] as const).map((how) => resuming(service, how, over.signal));
      const head = async () => (await sql<{ n: number }[]>`select count(*)::int as n from activity_logs`)[0]?.n ?? 0;
      const allCame = async () => {
        const n = await head();
        return followers.every(({ ids }) => ids.length >= n);
      };
      await eventually('the followers have the events so far', allCame);
      for (const _ of [1, 2]) {
        await proxy.close();
        // This client is not behind the proxy: it still reaches the database.
        await sql`insert into activity_inbox (event_type, entity_type) select 'CREATE', 'order' from generate_series(1, 20)`;
        await new Promise((resolve) => setTimeout(resolve, 300));
        await proxy.open();
        await eventually('the service is ready again', () => isReady(service));
        await service.write([order(1), order(2)]);
      }
      await eventually('the inbox is drained', async () => {
        const [row] = await sql<{ n: number }[]>`select count(*)::int as n from activity_inbox`;
        return row?.n === 0;
      });
      await eventually('the followers have every event', allCame);
      over.abort();
      const n = await head();
      for (const { ids } of followers) expect(ids).toEqual(Array.from({ length: n }, (_, i) => i + 1));
    });

    it('responds soon during an outage of any length, and is ready soon after it', async () => {
      // The driver's own back-off is at least 10 s after ten failures.
      const soon_ms = 9_000;
      const timed = async (path: string) => {
        const started = Date.now();
        const { status } = await service.request(path);
        expect(Date.now() - started, `${path} answered ${status}`).toBeLessThan(soon_ms);
        return status;
      };
      await proxy.close();
      // Ten failures in a row: a database client with a growing back-off would respond later after each.
      for (let i = 0; i < 10; i++) expect(await timed('/readyz')).toBe(503);
      await proxy.open();
      await eventually('the service is ready again', async () => (await timed('/readyz')) === 200, soon_ms);
    });
  });

  it('a start without the database: the service listens, refuses, and is ready when the database is reachable', async () => {
    const proxy = await proxyTo(await freshPostgres());
    await proxy.close();
    const service = await startService({ place: { DATABASE_URL: proxy.url } });
    expect((await service.request('/livez')).status).toBe(200);
    for (const path of reads) await expectUnavailable(await service.request(path));
    await proxy.open();
    await eventually('the service is ready', () => isReady(service));
    expect(await service.write(order(1))).toHaveLength(1);
    await service.stop();
  });
});

notOn(reasons.embedded).describe('200 requests at once on a pool of 5', async () => {
  const proxy = await proxyTo(await freshPostgres(), 20);
  const service = await startService({
    place: { DATABASE_URL: proxy.url },
    env: { DATABASE_CONNECTIONS_MAX: '5' },
  });
  await service.write(order(1));

  it('all get a response: the content, or 503 with Retry-After', { timeout: 300_000 }, async () => {
    const requests = Array.from({ length: 200 }, (_, i) => {
      const init = { signal: AbortSignal.timeout(30_000) };
      if (i % 4 === 0) return service.request('/api/logs', { ...json(order(i)), ...init });
      return service.request(['', '/api/logs?search=x', '/api/logs/stats', '/logs'][i % 4] ?? '', init);
    });
    const answers = await Promise.all(requests);
    const refused = answers.filter(({ status }) => status === 503);
    for (const answer of refused) await expectUnavailable(answer.clone());
    const others = new Set(answers.map(({ status }) => status));
    others.delete(503);
    expect(others).toEqual(new Set([200, 201]));
    await Promise.all(answers.map((answer) => answer.body?.cancel()));
  });

  it('the service recovers', async () => {
    expect(await isReady(service)).toBe(true);
    const { total } = (await (await service.request('/api/logs')).json()) as { total: number };
    const [entry] = await service.write(order(1));
    expect(entry?.id).toBe(total + 1);
  });
});
