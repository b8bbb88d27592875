/** A database that is away, at the start or in the middle, or that has fewer connections than there are requests. */
import { describe, expect, it } from 'vitest';
import { eventually, freshPostgres, json, sqlClient, startService, type TestService } from '../support/harness.ts';
import { proxyTo } from '../support/proxy.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';
import { order, resuming } from './follow.ts';

const reads = ['/readyz', '/api/logs', '/api/logs/1', '/api/logs/stats', '/api/logs/stream', '/logs'];

/** It is refused, it is said when to come back, and nothing of the database is told. */
async function expectNotNow(answer: Response): Promise<void> {
  const text = await answer.text();
  expect(answer.status, text).toBe(503);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(text).not.toMatch(/ECONN|127\.0\.0\.1|select|relation|database "/i);
}

const isReady = async (service: TestService) => (await service.request('/readyz')).status === 200;

notOn(reasons.embedded).describe('a database that is away', () => {
  describe('in the middle', async () => {
    const url = await freshPostgres();
    const proxy = await proxyTo(url);
    const service = await startService({ place: { DATABASE_URL: proxy.url } });
    const sql = sqlClient(url, 1);
    await service.write(order(1));

    it.each(['while it is away everything but /livez is refused', 'and so it is the next time'])('%s', async () => {
      const { total } = (await (await service.request('/api/logs')).json()) as { total: number };
      await proxy.close();
      expect((await service.request('/livez')).status).toBe(200);
      for (const path of reads) await expectNotNow(await service.request(path));
      await expectNotNow(await service.request('/api/logs', json(order(2))));
      await proxy.open();
      await eventually('it is ready again, by itself', () => isReady(service));
      const [entry] = await service.write(order(3));
      expect(entry?.id, 'nothing that was refused has taken an id').toBe(total + 1);
    });

    it('its followers come back and lose nothing of what others wrote meanwhile', async () => {
      const over = new AbortController();
      const followers = (['sse', 'socket'] as const).map((how) => resuming(service, how, over.signal));
      const head = async () => (await sql<{ n: number }[]>`select count(*)::int as n from activity_logs`)[0]?.n ?? 0;
      const allCame = async () => {
        const n = await head();
        return followers.every(({ ids }) => ids.length >= n);
      };
      await eventually('they have what was there', allCame);
      for (const _ of [1, 2]) {
        await proxy.close();
        // Another writer still reaches it.
        await sql`insert into activity_inbox (event_type, entity_type) select 'CREATE', 'order' from generate_series(1, 20)`;
        await new Promise((resolve) => setTimeout(resolve, 300));
        await proxy.open();
        await eventually('it is ready again', () => isReady(service));
        await service.write([order(1), order(2)]);
      }
      await eventually('the inbox has been emptied', async () => {
        const [row] = await sql<{ n: number }[]>`select count(*)::int as n from activity_inbox`;
        return row?.n === 0;
      });
      await eventually('they have everything', allCame);
      over.abort();
      const n = await head();
      for (const { ids } of followers) expect(ids).toEqual(Array.from({ length: n }, (_, i) => i + 1));
    });

    it('answers soon in an outage, however long it lasts, and works soon after', async () => {
      const soon_ms = 3_000;
      const timed = async (path: string) => {
        const asked = Date.now();
        const { status } = await service.request(path);
        expect(Date.now() - asked, `${path} answered ${status}`).toBeLessThan(soon_ms);
        return status;
      };
      await proxy.close();
      // Each failure is one more for a client that waits longer after every failure.
      for (let i = 0; i < 10; i++) expect(await timed('/readyz')).toBe(503);
      await proxy.open();
      await eventually('it is ready again', async () => (await timed('/readyz')) === 200, soon_ms);
    });
  });

  it('at the start: the service listens, refuses, and works once the database is there', async () => {
    const proxy = await proxyTo(await freshPostgres());
    await proxy.close();
    const service = await startService({ place: { DATABASE_URL: proxy.url } });
    expect((await service.request('/livez')).status).toBe(200);
    for (const path of reads) await expectNotNow(await service.request(path));
    await proxy.open();
    await eventually('it is ready', () => isReady(service));
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

  it('are all answered, with what was asked or with 503 and a time to come back', { timeout: 60_000 }, async () => {
    const asked = Array.from({ length: 200 }, (_, i) => {
      const init = { signal: AbortSignal.timeout(30_000) };
      if (i % 4 === 0) return service.request('/api/logs', { ...json(order(i)), ...init });
      return service.request(['', '/api/logs?search=x', '/api/logs/stats', '/logs'][i % 4] ?? '', init);
    });
    const answers = await Promise.all(asked);
    const refused = answers.filter(({ status }) => status === 503);
    for (const answer of refused) await expectNotNow(answer.clone());
    const others = new Set(answers.map(({ status }) => status));
    others.delete(503);
    expect(others).toEqual(new Set([200, 201]));
    await Promise.all(answers.map((answer) => answer.body?.cancel()));
  });

  it('and it recovers', async () => {
    expect(await isReady(service)).toBe(true);
    const { total } = (await (await service.request('/api/logs')).json()) as { total: number };
    const [entry] = await service.write(order(1));
    expect(entry?.id).toBe(total + 1);
  });
});
