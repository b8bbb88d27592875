/** Totals that were counted before: a later one counts only what came since, and is the number of a recount. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readEntry } from '../../src/log/entry.ts';
import { readFilter } from '../../src/log/filter.ts';
import type { Database } from '../../src/log/schema.ts';
import { createStore } from '../../src/log/store.ts';
import { totalLimits, totalOf } from '../../src/log/total.ts';
import { openPglite } from '../../src/runtime/pglite.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { databases, freshDatabase } from '../support/harness.ts';

const ask = (text: string) => readFilter(new URLSearchParams(text));
const users = ['ana', 'ben', 'eve'];
const filters = [
  ...users.map((user) => `user_id=${user}`),
  'user_id!=ana',
  'search=b',
  'user_id=nobody',
  'event_type=A',
];
const matches: Record<string, (user: string) => boolean> = {
  'user_id!=ana': (user) => user !== 'ana',
  'search=b': (user) => user === 'ben',
  'event_type=A': () => true,
};

describe.each(databases)('on %s', async (name) => {
  const place = await freshDatabase(name);
  const open = 'DATA_DIR' in place ? await openPglite(place.DATA_DIR) : openPostgres(place.DATABASE_URL, 2);
  afterAll(open.close);
  const { append, head } = createStore(open.db, open.reads);
  let statements = 0;
  const counting = async <T>(run: (db: Database) => Promise<T>) => {
    statements += 1;
    return open.reads(run);
  };
  const reads = Object.assign(counting, { deadline_ms: open.reads.deadline_ms });
  const stored: string[] = [];
  const write = async (written: string[]) => {
    const entries = written.map((user_id) =>
      readEntry({ event_type: 'A', entity_type: 'x', user_id, description: user_id }),
    );
    await append(entries.map((read) => ('entry' in read ? read.entry : expect.fail(JSON.stringify(read)))));
    stored.push(...written);
  };
  const recount = (filter: string) => stored.filter(matches[filter] ?? ((user) => filter === `user_id=${user}`)).length;

  beforeAll(() => write(Array.from({ length: 300 }, (_, i) => users[i % 3] ?? '')));

  it.each([
    ['fast', 'user_id=ana'],
    ['exact', 'user_id=ana'],
    ['fast', 'event_type=A'],
  ] as const)('is not counted again while nothing is appended: %s, %s', async (mode, filter) => {
    const { total } = totalOf(reads, head);
    const first = await total(ask(filter), await head(), mode);
    statements = 0;
    expect(await total(ask(filter), stored.length, mode)).toEqual(first);
    expect(statements).toBe(0);
    expect(first).toEqual({ total: recount(filter), total_is_exact: true });
  });

  it('does not count entries above the head, and then counts each once', async () => {
    const { total } = totalOf(reads, head);
    const before = recount('user_id=eve');
    await write(['eve', 'ana', 'eve']);
    const at = (head: number) => total(ask('user_id=eve'), head, 'exact');
    expect((await at(stored.length - 3)).total).toBe(before);
    expect((await at(stored.length - 2)).total).toBe(before + 1);
    expect((await at(stored.length)).total).toBe(before + 2);
    // The log was replaced by a shorter one, as after a restore.
    expect((await at(stored.length - 3)).total).toBe(before);
  });

  it('is at least the number of entries that the page shows', async () => {
    expect((await totalOf(reads, head).total(ask('user_id=nobody'), stored.length, 'fast', 2)).total).toBe(2);
  });

  it('equals a recount, whatever was appended and asked before', async () => {
    const act = fc.oneof(
      fc.array(fc.constantFrom(...users), { minLength: 1, maxLength: 30 }),
      fc.record({ filter: fc.constantFrom(...filters), mode: fc.constantFrom('fast' as const, 'exact' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 20 }), async (acts) => {
        const { total } = totalOf(reads, head);
        for (const act of acts) {
          if (Array.isArray(act)) await write(act);
          else {
            const found = await total(ask(act.filter), stored.length, act.mode);
            // A busy machine may not count within the deadline.
            if (found.total_is_exact || act.mode === 'exact')
              expect(found).toEqual({ total: recount(act.filter), total_is_exact: true });
          }
        }
      }),
      { numRuns: 25 },
    );
  });

  it(`keeps the counts of ${totalLimits.kept_max} filters`, async () => {
    const { total } = totalOf(reads, head);
    for (let i = 0; i <= totalLimits.kept_max; i++) await total(ask(`user_id=u${i}`), 10, 'exact');
    for (const [i, isKept] of [
      [1, true],
      [0, false],
    ] as const) {
      statements = 0;
      await total(ask(`user_id=u${i}`), 10, 'exact');
      expect(statements === 0, `u${i}`).toBe(isKept);
    }
  });
});
