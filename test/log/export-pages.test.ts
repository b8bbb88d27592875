/** The pages of an export are bounded by their bytes, and complete whatever the sizes of the rows. */
import { expect, it, onTestFinished } from 'vitest';
import { exportLimits } from '../../src/log/export-pages.ts';
import { readFilter } from '../../src/log/filter.ts';
import type { Reads } from '../../src/log/reads.ts';
import type { Database } from '../../src/log/schema.ts';
import { createStore } from '../../src/log/store.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { freshPostgres } from '../support/harness.ts';

const everything = readFilter(new URLSearchParams());
type Event = Parameters<ReturnType<typeof createStore>['append']>[0][number];

it('rows of a few bytes beside rows of some kilobytes come each once and in order', async () => {
  const database = openPostgres(await freshPostgres(), 4);
  onTestFinished(database.close);
  const texts: number[] = [];
  // Each read of a page is seen on its way: its text is what the service holds in memory.
  const seen = async <T>(run: (db: Database) => Promise<T>): Promise<T> => {
    const rows = await database.reads(run);
    if (Array.isArray(rows) && rows[0] && typeof rows[0].text === 'string') texts.push(rows[0].text.length);
    return rows;
  };
  const reads: Reads = Object.assign(seen, { deadline_ms: database.reads.deadline_ms });
  const store = createStore(database.db, reads);
  const event = { event_type: 'A', entity_type: 'order' } as Event;
  const large_chars = 10_000;
  for (const large of [false, true, false, true])
    await store.append(Array(700).fill(large ? { ...event, user_agent: 'x'.repeat(large_chars) } : event) as Event[]);
  const ids: number[] = [];
  for await (const page of store.exportPages(everything, Number.MAX_SAFE_INTEGER))
    for (const row of page.rows()) ids.push(row.entry().id);
  expect(ids).toEqual(Array.from({ length: 2_800 }, (_, i) => i + 1));
  expect(texts.length).toBeGreaterThan(10);
  const marks_bytes_max = 8 * exportLimits.rows_max;
  expect(Math.max(...texts)).toBeLessThan(exportLimits.page_bytes_max + marks_bytes_max);
});
