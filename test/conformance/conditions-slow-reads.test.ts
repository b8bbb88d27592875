/** Readers whose queries are slow: they are cancelled at the deadline, and writers do not wait for them. */
import { expect, it } from 'vitest';
import { freshPostgres, json, sqlClient, startService } from '../support/harness.ts';
import { hasPgBouncer, pgBouncerTo } from '../support/pgbouncer.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';
import { order } from './follow.ts';

const read_ms_max = 2_000;
const n_readers = 20;

notOn(reasons.embedded).describe('while every query of a reader is slow', () => {
  notOn(reasons.edge).describe('on a server', async () => {
    const place = { DATABASE_URL: await slowDatabase() };
    promises(await startService({ place, env: { READ_MS_MAX: String(read_ms_max) } }));
  });

  notOn(reasons.edge).describe('behind PgBouncer', () => {
    notOn(reasons.noPgBouncer, !hasPgBouncer()).describe('in transaction mode', async () => {
      const place = { DATABASE_URL: await pgBouncerTo(await slowDatabase(), 20) };
      promises(await startService({ place, env: { READ_MS_MAX: String(read_ms_max) } }));
    });
  });
});

/** A database in which reading one row of the log takes ten seconds, by a policy that sleeps. */
async function slowDatabase(): Promise<string> {
  const url = await freshPostgres();
  const sql = sqlClient(url, 1);
  await sql`select count(*) from append_logs(${sql.json([{ event_type: 'A', entity_type: 'order' }])})`;
  await sql`create policy slow on activity_logs for select using (pg_sleep(10) is not null)`;
  await sql`create policy quick on activity_logs for insert with check (true)`;
  await sql`alter table activity_logs enable row level security`;
  await sql`alter table activity_logs force row level security`;
  return url;
}

/** Each path reads the row itself. Statistics without a filter come from the rollup once it has got past the slow row. */
function promises(service: Awaited<ReturnType<typeof startService>>): void {
  it.each(['/api/logs', '/api/logs?user_id!=ana', '/api/logs/stats?user_id!=ana', '/api/logs/1'])(
    'GET %s gets a 503 with the reason soon after the deadline',
    async (path) => {
      const started = Date.now();
      const response = await service.request(path);
      expect(response.status).toBe(503);
      expect(response.headers.get('retry-after')).not.toBeNull();
      expect(await response.json()).toMatchObject({ detail: expect.stringContaining('took too long') });
      expect(Date.now() - started).toBeLessThan(read_ms_max * 5);
    },
  );

  it('writes do not wait for the slow reads, and the service is ready', async () => {
    const readers = Array.from({ length: n_readers }, () => service.request('/api/logs'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const started = Date.now();
    for (const n of [1, 2, 3]) expect((await service.request('/api/logs', json(order(n)))).status).toBe(201);
    const ms = Date.now() - started;
    expect((await service.request('/readyz')).status).toBe(200);
    for (const reader of await Promise.all(readers)) expect(reader.status).toBe(503);
    expect(ms).toBeLessThan(read_ms_max);
  });
}
