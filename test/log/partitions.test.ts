/** Every time has one partition, and each month of the last ten years with an event has its own. */
import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/log/schema.ts';
import { createStore } from '../../src/log/store.ts';
import { openPglite } from '../../src/runtime/pglite.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { databases, freshDatabase } from '../support/harness.ts';
import { filled, misplaced, monthsAgo, nameOf, partitionsOf, uncovered } from '../support/partitions.ts';

const event = (ms: number) => ({ event_type: 'CREATE', entity_type: 'order', timestamp: new Date(ms).toISOString() });
const appendTo = (db: Database, ...times: number[]) =>
  db.execute(sql`select count(*) from append_logs(${JSON.stringify(times.map(event))}::text::jsonb)`);
const run = async (db: Database, text: string) => {
  for (const statement of text.split(';')) await db.execute(sql.raw(statement));
};
const year_1 = Date.parse('0001-01-01T00:00:00Z');

describe.each(databases)('the partitions on %s', async (name) => {
  const place = await freshDatabase(name);
  const opened = 'DATA_DIR' in place ? await openPglite(place.DATA_DIR) : openPostgres(place.DATABASE_URL, 2);
  afterAll(opened.close);
  const { db } = opened;

  /** Runs in a transaction that is rolled back, so that each test begins with the empty log. */
  async function apart(test: (db: Database) => Promise<void>): Promise<void> {
    const done = new Error('done');
    await db
      .transaction(
        async (tx) => {
          await test(tx);
          throw done;
        },
        { isolationLevel: 'read committed' },
      )
      .catch((error) => {
        if (error !== done) throw error;
      });
  }
  const expectCovered = async (from: Database) =>
    expect(uncovered(await partitionsOf(from), monthsAgo(-1))).toEqual([]);

  it.each([
    ['TRUNCATE of a month', (month: string) => `truncate ${month}`],
    ['UPDATE in a month', (month: string) => `update ${month} set event_type = 'X'`],
    ['DELETE from a month', (month: string) => `delete from ${month}`],
    ['TRUNCATE of a gap', (_: string, gap: string) => `truncate ${gap}`],
    [
      'INSERT into a gap',
      (_: string, gap: string) => `insert into ${gap} (id, timestamp, event_type, entity_type)
      values (9, '${new Date(monthsAgo(1)).toISOString()}', 'FORGED', 'order')`,
    ],
  ])('refuse %s', async (_what, statementOf) => {
    await apart(async (tx) => {
      await appendTo(tx, monthsAgo(20));
      const gap = (await partitionsOf(tx)).find(({ name, to }) => /_until_/.test(name) && to === monthsAgo(0));
      expect(gap).toBeDefined();
      const refused = run(tx, statementOf(nameOf(monthsAgo(20)), gap?.name ?? ''));
      await expect(refused).rejects.toMatchObject({ cause: { message: expect.stringMatching(/is refused/) } });
    });
  });

  it('of a new log are the history, one gap, this month and the months ahead', async () => {
    const found = await partitionsOf(db);
    expect(found.map(({ from }) => from)).toEqual([
      Number.NEGATIVE_INFINITY,
      ...[120, 0, -1, -2, -3].map((n) => monthsAgo(n)),
    ]);
    await expectCovered(db);
  });

  const month = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 120 }) },
    { weight: 1, arbitrary: fc.integer({ min: 121, max: 24_000 }) },
  );
  /** A time in a month: its first or last millisecond, or any between. */
  const time = fc
    .tuple(month, fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true })))
    .map(([n, share]) => {
      const [first, last] = [monthsAgo(n), monthsAgo(n - 1) - 1];
      return Math.max(year_1, Math.min(Math.floor(first + (last - first) * share), Date.now()));
    });

  it('cover every time, and hold each event in its month, after any sequence of appends', async () => {
    const batches = fc.array(fc.array(time, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(batches, (sequence) =>
        apart(async (tx) => {
          for (const times of sequence) {
            await appendTo(tx, ...times);
            await expectCovered(tx);
          }
          expect(await misplaced(tx)).toBe(0);
          const kept = Object.values(await filled(tx)).reduce((sum, n) => sum + n, 0);
          expect(kept).toBe(sequence.flat().length);
          // A month without an event has no partition of its own, unless it lies alone between two others.
          const inUse = await filled(tx);
          const past = (await partitionsOf(tx)).filter(({ to }) => to <= monthsAgo(0));
          for (const [i, { name }] of past.entries())
            if (!/_until_|history/.test(name) && !inUse[name])
              expect(past.slice(Math.max(0, i - 1), i + 2).filter((near) => /_until_/.test(near.name))).toEqual([]);
        }),
      ),
      { numRuns: 20 },
    );
  });

  it('are made for a service that was off for seven months: one gap, and no event without a partition', async () => {
    await apart(async (tx) => {
      for (const { name, from } of await partitionsOf(tx))
        if (from >= monthsAgo(0)) await run(tx, `drop table ${name}`);
      const gap = (await partitionsOf(tx)).at(-1)?.name;
      await run(tx, `alter table activity_logs detach partition ${gap}`);
      await run(
        tx,
        `alter table activity_logs attach partition ${gap}
         for values from ('${new Date(monthsAgo(120)).toISOString()}') to ('${new Date(monthsAgo(7)).toISOString()}')`,
      );
      expect(uncovered(await partitionsOf(tx), monthsAgo(-1))).not.toEqual([]);
      await run(tx, 'select make_partitions(3)');
      const made = (await partitionsOf(tx)).filter(({ from }) => from >= monthsAgo(7));
      expect(made.map(({ from }) => from)).toEqual([7, 0, -1, -2, -3].map((n) => monthsAgo(n)));
      await appendTo(tx, monthsAgo(3));
      await expectCovered(tx);
      expect(await misplaced(tx)).toBe(0);
    });
  });

  it('are made by a write, where all but the history are missing', async () => {
    await apart(async (tx) => {
      for (const { name } of await partitionsOf(tx))
        if (name !== 'activity_logs_history') await run(tx, `drop table ${name}`);
      await appendTo(tx, Date.now());
      const found = await partitionsOf(tx);
      expect(found.map(({ from }) => from)).toEqual([Number.NEGATIVE_INFINITY, monthsAgo(120), monthsAgo(0)]);
    });
  });

  it('a gap takes the place of a month that was dropped, and a detached month is not touched', async () => {
    await apart(async (tx) => {
      await appendTo(tx, monthsAgo(5), monthsAgo(9));
      await run(tx, `drop table ${nameOf(monthsAgo(9))}`);
      await run(tx, `alter table activity_logs detach partition ${nameOf(monthsAgo(5))}`);
      await run(tx, 'select make_partitions(3)');
      await expectCovered(tx);
      await appendTo(tx, monthsAgo(5), monthsAgo(9));
      const inUse = Object.keys(await filled(tx)).sort();
      expect(inUse).toEqual([nameOf(monthsAgo(9)), expect.stringContaining(`${nameOf(monthsAgo(5))}_until_`)]);
    });
  });

  it('do not depend on the time zone and the date style of the session', async () => {
    await apart(async (tx) => {
      await run(tx, `set local timezone = 'Asia/Kolkata'; set local datestyle = 'German, DMY'`);
      await appendTo(tx, monthsAgo(40), monthsAgo(38) - 1, monthsAgo(121));
      await run(tx, 'select make_partitions(4)');
      await run(tx, `set local timezone = 'UTC'; set local datestyle = 'ISO'`);
      await expectCovered(tx);
      expect(await misplaced(tx)).toBe(0);
      expect((await partitionsOf(tx)).at(-1)?.from).toBe(monthsAgo(-4));
    });
  });

  it('a gap with few events is divided later, and one with many is left as it is', async () => {
    await apart(async (tx) => {
      const [gap] = (await partitionsOf(tx)).filter(({ name }) => /_until_/.test(name));
      const put = (count: number, ms: number) =>
        run(
          tx,
          `set local edgetrail.append = 'on';
           insert into activity_logs (id, timestamp, event_type, entity_type, description, created_at)
           select n, '${new Date(ms).toISOString()}', 'CREATE', 'order', repeat('x', 100), now() from generate_series(1, ${count}) n`,
        );
      await put(3, monthsAgo(30));
      expect(Object.keys(await filled(tx))).toEqual([gap?.name]);
      await run(tx, 'select make_partitions(3)');
      expect(await filled(tx)).toEqual({ [nameOf(monthsAgo(30))]: 3 });
      await put(10_000, monthsAgo(50));
      const before = await partitionsOf(tx);
      await run(tx, 'select make_partitions(3)');
      await appendTo(tx, monthsAgo(51));
      expect(await partitionsOf(tx)).toEqual(before);
      await expectCovered(tx);
    });
  });

  it('are made by the store, before it appends', async () => {
    const store = createStore(db);
    const none = { entity_id: null, user_id: null, description: null, metadata: null, ip_address: null } as const;
    const spanless = { span_id: null, parent_span_id: null, caused_by: null } as const;
    const more = {
      user_agent: null,
      service: null,
      trace_id: null,
      session_id: null,
      event_uid: null,
      ...spanless,
    } as const;
    await store.append([{ ...none, ...more, ...event(monthsAgo(60)) }]);
    expect(await filled(db)).toEqual({ [nameOf(monthsAgo(60))]: 1 });
  });
});
