/** The newest position: each list and each poll asks for it. */
import { sql } from 'drizzle-orm';
import { afterAll, expect, it } from 'vitest';
import { newestQuery } from '../../src/log/history.ts';
import { createStore } from '../../src/log/store.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { freshPostgres } from '../support/harness.ts';

const open = openPostgres(await freshPostgres(), 2);
afterAll(open.close);
const batches = 2_000;

it('is that of the last batch, and reads no other one', async () => {
  const { newest } = createStore(open.db, open.reads);
  expect(await newest()).toMatchObject({ id: 0, at_ms: null });
  await open.db.execute(sql`insert into log_batches (last_id, n, committed_at)
    select n, 1, '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 second' from generate_series(1, ${batches}::int) n`);
  await open.db.execute(sql`analyze log_batches`);
  expect(await newest()).toMatchObject({ id: batches, at_ms: Date.parse('2026-01-01T00:00:00Z') + batches * 1_000 });
  const plan: unknown = await open.db.execute(sql`explain ${newestQuery(open.db).getSQL()}`);
  expect(JSON.stringify(plan)).toContain('Backward using log_batches_pkey');
  expect(JSON.stringify(plan)).not.toContain('Sort');
});
