/** Reads after a position: many filters in one statement find what each finds alone. */
import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { readEntry } from '../../src/log/entry.ts';
import { type Filter, readFilter } from '../../src/log/filter.ts';
import type { Database } from '../../src/log/schema.ts';
import { type SinceRead, sinceLimits, sinceOf } from '../../src/log/since.ts';
import { createStore } from '../../src/log/store.ts';
import { openPglite } from '../../src/runtime/pglite.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { databases, freshDatabase } from '../support/harness.ts';

const n_events = 400;
const words = ['order', 'paid', 'DHL', 'x'];

const events = fc.sample(
  fc.record({
    event_type: fc.constantFrom('CREATE', 'UPDATE', 'DELETE'),
    entity_type: fc.constantFrom('order', 'user'),
    user_id: fc.constantFrom(null, 'ana', "o'neill", '7'),
    description: fc.constantFrom(null, ...words, words.join(' ')),
    metadata: fc.constantFrom(null, { channel: 'web' }, { channel: 7, nested: { deep: [true] } }),
  }),
  { numRuns: n_events, seed: 1 },
);

const term = fc.oneof(
  fc.tuple(fc.constantFrom('event_type', 'event_type!'), fc.constantFrom('CREATE', 'UPDATE', 'none')),
  fc.tuple(fc.constantFrom('user_id', 'user_id!'), fc.constantFrom('ana', "o'neill", '7')),
  fc.tuple(fc.constantFrom('search', 'search!'), fc.constantFrom('%', 'dhl', 'order paid', "'")),
  fc.tuple(fc.constantFrom('metadata.channel', 'metadata.nested.deep'), fc.constantFrom('web', '7', 'true')),
  fc.tuple(fc.constantFrom('start_date', 'end_date'), fc.constantFrom('2020-01-01', '2100-01-01')),
);
const filter = fc
  .array(term, { maxLength: 4 })
  .map((terms) => readFilter(new URLSearchParams(terms.map(([key, value]) => [key, value]))));

describe.each(databases)('on %s', async (name) => {
  const place = await freshDatabase(name);
  const open = 'DATA_DIR' in place ? await openPglite(place.DATA_DIR) : openPostgres(place.DATABASE_URL, 2);
  afterAll(open.close);
  const { append, newest, since } = createStore(open.db, open.reads);
  const entries = events.map((event) => {
    const read = readEntry(event);
    if ('faults' in read) throw new Error(JSON.stringify(read.faults));
    return read.entry;
  });
  await append(entries);
  const end = await newest();

  let statements = 0;
  const counting = async <T>(run: (db: Database) => Promise<T>) => {
    statements += 1;
    return open.reads(run);
  };
  const counted = sinceOf(Object.assign(counting, { deadline_ms: open.reads.deadline_ms }), newest);
  const together = (after: number, filters: Filter[]): Promise<SinceRead[]> =>
    Promise.all(filters.map((each) => counted.sinceTogether(after, each, end)));

  it.each([
    ['2 filters', 2, end.id - 5, 1],
    ['as many as fit', sinceLimits.filters_max, end.id - sinceLimits.rows_max, 1],
    ['one more', sinceLimits.filters_max + 1, end.id - 5, 2],
    ['one', 1, end.id - 5, 1],
    ['2, with more rows than a read returns', 2, end.id - sinceLimits.rows_max - 1, 2],
  ])('%s: %d filters after %d are %d statements', async (_what, n, after, wanted) => {
    statements = 0;
    await together(
      after,
      Array.from({ length: n }, (_, i) => readFilter(new URLSearchParams({ user_id: `u${i}` }))),
    );
    expect(statements).toBe(wanted);
  });

  it('filters that match the same entries share them', async () => {
    const [one, other, third] = await together(
      n_events - 50,
      ['', 'user_id!=nobody', 'user_id=ana'].map((text) => readFilter(new URLSearchParams(text))),
    );
    expect(one).toBe(other);
    expect(third).not.toBe(one);
    expect(one?.entries).toHaveLength(50);
  });

  it('each filter finds what it finds alone', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: n_events - sinceLimits.rows_max, max: n_events }),
        fc.array(filter, { minLength: 1, maxLength: 12 }),
        async (after, filters) => {
          const alone = await Promise.all(filters.map((each) => since(after, each)));
          expect(await together(after, filters)).toEqual(alone);
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each([
    ['is away', 'ECONNREFUSED', 1],
    ['cancelled the statement', '57014', 4],
  ])('when the database %s (%s), 3 filters are %d statements', async (_what, code, wanted) => {
    let asked = 0;
    const failing = async () => {
      asked += 1;
      throw Object.assign(new Error(code), { code });
    };
    const { sinceTogether } = sinceOf(Object.assign(failing, { deadline_ms: 15_000 }), newest);
    const filters = ['u1', 'u2', 'u3'].map((user_id) => readFilter(new URLSearchParams({ user_id })));
    const read = await Promise.allSettled(filters.map((each) => sinceTogether(n_events - 3, each, end)));
    expect(read.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(asked).toBe(wanted);
  });

  it('a filter that fails does not fail the others', async () => {
    const failing = { ...readFilter(new URLSearchParams()), where: sql`1 / 0 = 1` };
    const [failed, other] = await Promise.allSettled([
      counted.sinceTogether(n_events - 3, failing, end),
      counted.sinceTogether(n_events - 3, readFilter(new URLSearchParams()), end),
    ]);
    expect(failed.status).toBe('rejected');
    expect(other).toMatchObject({ value: { cursor: n_events } });
  });
});
