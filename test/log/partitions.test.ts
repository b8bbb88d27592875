/** A month without a partition: the write makes it and succeeds. */
import { expect, it } from 'vitest';
import { json, sqlClient, startService } from '../support/harness.ts';

it('a write into a month without a partition is stored', async () => {
  const service = await startService('postgres');
  if (!('DATABASE_URL' in service.place)) throw new Error('not PostgreSQL');
  const sql = sqlClient(service.place.DATABASE_URL, 1);
  const months = () => sql<{ name: string }[]>`
    select inhrelid::regclass::text as name from pg_inherits
    where inhparent = 'activity_logs'::regclass and inhrelid::regclass::text <> 'activity_logs_history'`;
  const before = await months();
  expect(before.length).toBeGreaterThan(1);
  for (const { name } of before) await sql.unsafe(`drop table ${name}`);
  const response = await service.request('/api/logs', json({ event_type: 'CREATE', entity_type: 'order' }));
  expect(response.status, await response.text()).toBe(201);
  expect(await months()).toHaveLength(1);
});
