/** A server that ends its connections, as in a restart or a failover: the service goes on, also after lost transactions. */
import { expect, it } from 'vitest';
import { isTransient } from '../../src/http/problem.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { eventually, freshPostgres, sqlClient, startService } from '../support/harness.ts';

const terminate = `select count(pg_terminate_backend(pid))::int as n from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and application_name = 'edgetrail'`;

it('the service answers every request while its connections are terminated, and then as before', async () => {
  const service = await startService('postgres');
  if (!('DATABASE_URL' in service.place)) throw new Error('not PostgreSQL');
  const sql = sqlClient(service.place.DATABASE_URL, 1);
  await service.write(
    Array.from({ length: 20 }, (_, n) => ({ event_type: 'A', entity_type: 'x', user_id: `u${n % 2}` })),
  );
  let over = false;
  const statuses = new Set<number>();
  // The total of the list and the counts of the page are read in transactions.
  const ask = async (path: string) => {
    while (!over) {
      const response = await service.request(path);
      statuses.add(response.status);
      await response.text();
    }
  };
  const asking = ['/api/logs?user_id=u1&limit=2', '/api/logs?event_type=A&limit=2', '/logs/counts'].map(ask);
  let terminated = 0;
  for (let round = 0; round < 20; round += 1) {
    terminated += (await sql.unsafe<{ n: number }[]>(terminate))[0]?.n ?? 0;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  over = true;
  await Promise.all(asking);
  expect(terminated).toBeGreaterThan(10);
  expect([...statuses].filter((status) => status !== 200 && status !== 503)).toEqual([]);
  await eventually('lists are answered', async () => (await service.request('/api/logs?user_id=u1&limit=2')).ok);
  expect(await (await service.request('/api/logs?user_id=u1&limit=2&count=exact')).json()).toMatchObject({ total: 10 });
}, 300_000);

it('a transaction whose connection is terminated is rejected, and later ones run', async () => {
  const { db, close } = openPostgres(await freshPostgres(), 1);
  try {
    const lost = db.transaction(async (tx) => {
      await tx.execute('select 1');
      await tx.execute('select pg_terminate_backend(pg_backend_pid())');
    });
    await expect(lost).rejects.toThrow();
    // The driver may reject the first statement of the new connection with the error of the old one.
    await eventually('statements run again', () =>
      db.execute('select 1').then(
        () => true,
        (error) => {
          if (!isTransient(error)) throw error;
          return false;
        },
      ),
    );
    const rolledBack = db.transaction(async (tx) => {
      await tx.execute('create table kept (n int)');
      throw new Error('the reason');
    });
    await expect(rolledBack).rejects.toThrow('the reason');
    await db.transaction(async (tx) => void (await tx.execute('create table kept (n int)')));
  } finally {
    await close();
  }
});
