/** An export reads from the database only as fast as its client reads (backpressure). */
import { expect, it } from 'vitest';
import { formats } from '../../src/api/export-formats.ts';
import { byteStream } from '../../src/http/byte-stream.ts';
import { readFilter } from '../../src/log/filter.ts';
import { createStore } from '../../src/log/store.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { freshPostgres, sqlClient } from '../support/harness.ts';

const url = await freshPostgres();
const sql = sqlClient(url, 1);
// 2 kB per row: a page is larger than the stream's buffer.
for (let i = 0; i < 8; i++)
  await sql`
    select count(*) from append_logs((
      select jsonb_agg(jsonb_build_object('event_type', 'A', 'entity_type', 'order', 'user_agent', repeat('x', 2000)))
      from generate_series(1, 1000)))`;

it('reads a page from the database only when the client has read the one before', async () => {
  const database = openPostgres(url, 1);
  let pages = 0;
  async function* counted() {
    for await (const page of createStore(database.db).exportPages(
      readFilter(new URLSearchParams()),
      Number.MAX_SAFE_INTEGER,
    )) {
      pages += 1;
      yield page;
    }
  }
  const reader = byteStream(formats.csv.write(counted()), {
    cut: '',
    errors_visible: true,
    report: () => {},
  }).getReader();
  expect(pages).toBe(0);
  for (const _ of [1, 2, 3]) await reader.read();
  expect(pages).toBeLessThanOrEqual(3);
  await reader.cancel();
  await database.close();
});
