/** Counts from the rollup equal a recount from the rows, wherever the reader is. */
import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { derivedLimits } from '../../src/log/derived-rows.ts';
import { readFilter } from '../../src/log/filter.ts';
import { isRollupFilter, rollupBars, rollupTotal } from '../../src/log/rollup-counts.ts';
import { createStore } from '../../src/log/store.ts';
import { openPglite } from '../../src/runtime/pglite.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { databases, eventually, freshDatabase, sqlClient } from '../support/harness.ts';
import { olderLog } from '../support/older-log.ts';
import { answers, event, question, wrongRows } from './rollup-oracle.ts';

const ask = (text: string) => readFilter(new URLSearchParams(text));

async function openStore(name: (typeof databases)[number]) {
  const place = await freshDatabase(name);
  const open = 'DATA_DIR' in place ? await openPglite(place.DATA_DIR) : openPostgres(place.DATABASE_URL, 3);
  afterAll(open.close);
  return { db: open.db, store: createStore(open.db) };
}

describe.each(databases)('the rollup on %s', async (name) => {
  const { db, store } = await openStore(name);

  it('gives exact counts for random questions, with derived hours, edges and entries above the cursor', async () => {
    let n_written = 0;
    const check = async (events: object[], ids_max: number, asked: Parameters<typeof answers>[1]) => {
      if (events.length > 0) await store.append(events as never);
      n_written += events.length;
      await store.rollUp(ids_max);
      const { rolled, counted } = await answers(db, asked);
      expect(rolled).toEqual(counted);
    };
    await fc.assert(fc.asyncProperty(fc.array(event, { maxLength: 30 }), fc.nat(20), question, check), {
      numRuns: 60,
      endOnFailure: true,
    });
    const [derived] = await db
      .select({
        n: sql`(select sum(n) from log_rollup)`.mapWith(Number),
        cursor: sql`(select cursor from log_readers)`.mapWith(Number),
      })
      .from(sql`(select) as nothing`);
    expect(derived?.n).toBe(derived?.cursor);
    expect(derived?.n).toBeLessThanOrEqual(n_written);
    expect(derived?.n).toBeGreaterThan(0);
  });

  it.each([
    'user_id=u',
    'entity_id=1',
    'search=x',
    'metadata.a=1',
    'trace_id=t',
    'session_id!=s',
    'user_id=u&event_type=A',
  ])('does not answer %s', async (text) => {
    expect(isRollupFilter(ask(text))).toBe(false);
    expect(await rollupTotal(db, ask(text))).toBeNull();
  });

  it.each([
    ['bars of 30 minutes', { from: 0, to: 7_200_000, bucket_ms: 1_800_000 }],
    ['bars that begin at half past', { from: 1_800_000, to: 9_000_000, bucket_ms: 3_600_000 }],
  ])('does not answer for %s', async (_what, buckets) => {
    expect(await rollupBars(db, ask(''), buckets)).toBeNull();
  });
});

describe.each(databases)('a rollup that is too far behind on %s', async (name) => {
  const { db, store } = await openStore(name);
  const head = derivedLimits.gap_ids_max + 1;

  it('is not used; the store counts rows until the reader has caught up', async () => {
    await db.transaction(async (tx) => {
      await tx.execute(sql`select set_config('edgetrail.append', 'on', true)`);
      await tx.execute(sql`insert into activity_logs (id, timestamp, event_type, entity_type, created_at)
        select n, now(), 'A', 'x', now() from generate_series(1, ${head}::int) n`);
      await tx.execute(
        sql`insert into log_batches (last_id, n, committed_at) values (${head}::int, ${head}::int, now())`,
      );
    });
    const filter = ask('event_type=A');
    const exact = { total: head, total_is_exact: true };
    expect(await rollupTotal(db, filter)).toBeNull();
    expect(await store.total(filter, head, 'exact')).toEqual(exact);
    expect(await store.stats(filter)).toMatchObject({ total_logs: head, by_event_type: { A: head } });
    await store.rollUp(1);
    expect(await rollupTotal(db, filter)).toBe(head);
    while ((await store.rollUp()).remaining > 0);
    expect(await rollupTotal(db, filter)).toBe(head);
    expect(await store.stats(filter)).toMatchObject({ total_logs: head, by_event_type: { A: head } });
  });

  it('is not used while its reader has counted another log', async () => {
    await db.execute(sql`update log_readers set log_id = gen_random_uuid()`);
    expect(await rollupTotal(db, ask('event_type=A'))).toBeNull();
    while ((await store.rollUp()).remaining > 0);
    expect(await rollupTotal(db, ask('event_type=A'))).toBe(head);
  });

  it('is not used while another version of the derivation has the name', async () => {
    await db.execute(sql`update log_readers set version = 2`);
    expect(await rollupTotal(db, ask('event_type=A'))).toBeNull();
    expect(await store.rollUp()).toEqual({ n_ids: 0, remaining: 0 });
  });
});

describe.each(databases)('events that no writer may store on %s', async (name) => {
  const { db, store } = await openStore(name);

  it('are counted: infinite times, years BC, a blank service', async () => {
    const times = [
      "'-infinity'",
      "'-infinity'",
      "'4712-03-15 12:00:00+00 BC'",
      "'0044-03-15 12:00:00+00 BC'",
      "'2026-01-01'",
    ];
    await db.transaction(async (tx) => {
      await tx.execute(sql`select set_config('edgetrail.append', 'on', true)`);
      for (const [i, time] of times.entries())
        await tx.execute(
          sql.raw(`insert into activity_logs (id, timestamp, event_type, entity_type, service, created_at)
            values (${i + 1}, ${time}, '', 'x', '', now())`),
        );
      await tx.execute(sql`insert into log_batches (last_id, n, committed_at) values (5, 5, now())`);
    });
    for (const cursor of [0, 2, 5]) {
      await store.rollUp(cursor === 0 ? 0 : cursor);
      expect(await rollupTotal(db, ask('entity_type=x'))).toBe(5);
      expect(await rollupTotal(db, ask('start_date=0001-01-01'))).toBe(1);
      expect(await rollupTotal(db, ask('end_date=2025-12-31'))).toBe(4);
      expect(await rollupTotal(db, ask('end_date=9999-12-31'))).toBe(5);
      expect(await rollupTotal(db, ask('service!=shop'))).toBe(5);
    }
  });
});

describe('the rollup of a version without months', () => {
  it('is exact as soon as it is migrated, also when a step is running meanwhile', async () => {
    const url = await olderLog(9, fc.sample(event, 200));
    const client = sqlClient(url, 2);
    const step = (ids_max: number) => [`select * from step_reader('rollup', 1, ${ids_max}, 1)`] as const;
    await client.unsafe(...step(60));
    const open = openPostgres(url, 3);
    afterAll(open.close);
    let migrated: Promise<void> | undefined;
    await client.begin(async (running) => {
      await running.unsafe(...step(60));
      migrated = open.migrate(() => {});
      await eventually('the migration waits for the step', async () => {
        const waiting = await client`select from pg_locks where relation = 'log_readers'::regclass and not granted`;
        return waiting.length > 0;
      });
    });
    await migrated;
    const store = createStore(open.db);
    for (const ids_max of [0, 30, 1_000]) {
      if (ids_max > 0) await store.rollUp(ids_max);
      for (const asked of fc.sample(question, 15)) {
        const { rolled, counted } = await answers(open.db, asked);
        expect(rolled).toEqual(counted);
      }
    }
    expect(await open.db.select({ wrong: wrongRows }).from(sql`(select) as nothing`)).toEqual([{ wrong: 0 }]);
  });
});
