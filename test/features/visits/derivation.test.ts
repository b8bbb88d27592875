/** Visits equal one pass over the log, whatever came late, and whatever the steps and their ends were. */
import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { countVisits, type VisitCursor, visits, visitsPage } from '../../../src/features/visits/tables.ts';
import { createStore } from '../../../src/log/store.ts';
import { openPglite } from '../../../src/runtime/pglite.ts';
import { openPostgres } from '../../../src/runtime/postgres.ts';
import { databases, freshDatabase } from '../../support/harness.ts';
import { event, type Seen, toldVisitsOf, type Visit, visitsOf } from './oracle.ts';

async function open(name: (typeof databases)[number]) {
  const place = await freshDatabase(name);
  const { db, close } = 'DATA_DIR' in place ? await openPglite(place.DATA_DIR) : openPostgres(place.DATABASE_URL, 6);
  afterAll(close);
  const store = createStore(db);
  const rows = async <T>(query: ReturnType<typeof sql>): Promise<T[]> => {
    const [found] = await db
      .select({ rows: sql<string>`coalesce(json_agg(t), '[]')::text` })
      .from(sql`(${query}) as t`);
    return JSON.parse(found?.rows ?? '[]') as T[];
  };
  const iso = (text: string) => new Date(text).toISOString();
  const derived = async () =>
    (
      await rows<Visit>(
        sql`select visit, user_id, session_id, started, ended, n, last_id, shared from log_visit order by visit`,
      )
    ).map((visit) => ({ ...visit, started: iso(visit.started), ended: iso(visit.ended) }));
  const events = async (upto: number) =>
    (
      await rows<Seen>(
        sql`select id, timestamp, user_id, session_id, service, event_type, host(ip_address) as ip_address
          from activity_logs where id <= ${upto} order by id`,
      )
    ).map((seen) => ({ ...seen, timestamp: iso(seen.timestamp) }));
  const cursor = async () =>
    (await rows<{ cursor: number }>(sql`select cursor from log_readers where name = 'visits'`))[0]?.cursor ?? 0;
  const step = (ids_max: number) => store.stepDerivation(visits, ids_max);
  return { db, store, derived, events, cursor, step };
}

describe.each(databases)('visits on %s', async (name) => {
  it('equal one pass over the derived events after every step, of any size', async () => {
    const { store, derived, events, cursor, step } = await open(name);
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 40 }), fc.constantFrom(1, 2, 7, 97, 1_000), async (batch, size) => {
        if (batch.length > 0) await store.append(batch as never);
        await step(size);
        expect(await derived()).toEqual(visitsOf(await events(await cursor())));
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });

  it('are told as one pass over the whole log tells them, wherever the reader is, on pages of any size', async () => {
    const { db, store, events, step } = await open(name);
    const all = { users: [], sessions: [], from_ms: null, to_ms: null };
    const signs = { in: ['LOGIN'], out: ['LOGOUT'] };
    /** Follows the cursors from the latest visit to the earliest, or back. */
    const walk = async (limit: number, back: boolean) => {
      const found = [];
      for (let place: VisitCursor | null = back ? { ms: 0, visit: 0 } : null; ; ) {
        const page = { limit, offset: 0, before: back ? null : place, after: back ? place : null };
        const answer = await visitsPage(db, all, page, signs);
        expect(answer).toMatchObject({ exact: true });
        found.push(...(back ? answer.visits.toReversed() : answer.visits));
        const last = back ? answer.visits[0] : answer.visits.at(-1);
        if (!answer.hasMore || !last) return back ? found.reverse() : found;
        place = { ms: Date.parse(last.ended), visit: last.visit };
      }
    };
    const check = async (batch: object[], size: number, limit: number, back: boolean) => {
      if (batch.length > 0) await store.append(batch as never);
      await step(size);
      const told = toldVisitsOf(await events(1e9));
      expect(await walk(limit, back)).toEqual(told);
      expect(await countVisits(db, all)).toBe(told.length);
      const skipped = await visitsPage(db, all, { limit: 2, offset: 3, before: null, after: null }, signs);
      expect(skipped.visits).toEqual(told.slice(3, 5));
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(event, { maxLength: 25 }),
        fc.constantFrom(0, 1, 7, 20, 97),
        fc.constantFrom(1, 3, 100),
        fc.boolean(),
        check,
      ),
      { numRuns: 40, endOnFailure: true },
    );
  });
});
