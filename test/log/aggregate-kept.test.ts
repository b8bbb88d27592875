/** Answers of aggregates that are kept while nothing is appended. */
import { afterAll, beforeEach, expect, it } from 'vitest';
import type { NewEntry } from '../../src/log/entry.ts';
import { filterOf } from '../../src/log/filter.ts';
import type { Reads } from '../../src/log/reads.ts';
import { createStore } from '../../src/log/store.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { freshPostgres } from '../support/harness.ts';

const { db, reads, close } = openPostgres(await freshPostgres(), 3);
afterAll(close);
let asked = 0;
let fails = false;
const counted: Reads = Object.assign(
  ((run) => {
    asked += 1;
    return fails ? Promise.reject(new Error('the connection is gone')) : reads(run);
  }) as Reads,
  { deadline_ms: reads.deadline_ms },
);
const store = createStore(db, counted);
const append = () => store.append([{ event_type: 'CREATE', entity_type: 'order' } as NewEntry]);
const ask = () =>
  store.aggregate({
    filter: filterOf([]),
    group_by: ['event_type'],
    interval: null,
    measure: { of: 'count' },
    limit: 5,
  });

beforeEach(async () => {
  await append();
  [asked, fails] = [0, false];
});

it('a failure is not kept', async () => {
  fails = true;
  await expect(ask()).rejects.toThrow();
  fails = false;
  expect((await ask()).is_exact).toBe(true);
});

it('the same question is counted once, also by those who ask at the same time', async () => {
  const first = await ask();
  const once = asked;
  const again = await Promise.all([ask(), ask()]);
  expect(again).toEqual([first, first]);
  // Each looks at the newest id.
  expect(asked - once).toBeLessThanOrEqual(2);
});

it('an event that was appended is counted', async () => {
  const { total } = await ask();
  await append();
  expect((await ask()).total).toBe(total + 1);
});
