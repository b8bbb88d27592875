/** The numbers of digests equal a recount by the days on which batches were committed, whatever the steps. */
import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { announce } from '../../../src/features/digests/announce.ts';
import { digestOf, sentenceOf } from '../../../src/features/digests/digest.ts';
import { readPeriod } from '../../../src/features/digests/period.ts';
import { digest, kinds } from '../../../src/features/digests/tables.ts';
import { type NewEntry, readEntry } from '../../../src/log/entry.ts';
import { readFilter } from '../../../src/log/filter.ts';
import { readPage } from '../../../src/log/paging.ts';
import { createStore } from '../../../src/log/store.ts';
import { openPglite } from '../../../src/runtime/pglite.ts';
import { openPostgres } from '../../../src/runtime/postgres.ts';
import { databases, freshDatabase } from '../../support/harness.ts';

/** An event with these fields, as a writer sends it. */
function entryOf(fields: object): NewEntry {
  const read = readEntry(fields);
  if ('faults' in read) throw new Error(JSON.stringify(read.faults));
  return read.entry;
}

type Row = { kind: string; value: string; day: string; n: number; first_id: number; last_id: number };
type Batch = { day: number; events: NewEntry[] };

/** What the derivation should make of the log, from its definition. */
function recount(batches: Batch[], dayName: (n: number) => string): Row[] {
  const rows = new Map<string, Row>();
  let id = 0;
  let newest = 0;
  for (const batch of batches) {
    newest = Math.max(newest, batch.day);
    for (const event of batch.events) {
      id += 1;
      const late = (event.timestamp ?? '').slice(0, 10);
      const values: Record<string, string | null | undefined> = {
        all: '',
        event_type: event.event_type,
        entity_type: event.entity_type,
        user_id: event.user_id,
        service: event.service,
        late: late < dayName(newest) ? late : null,
        own: event.service === 'edgetrail' ? event.event_type : null,
      };
      for (const kind of kinds) {
        const value = values[kind];
        if (value === null || value === undefined) continue;
        const key = JSON.stringify([kind, value, newest]);
        const row = rows.get(key) ?? { kind, value, day: dayName(newest), n: 0, first_id: id, last_id: id };
        rows.set(key, { ...row, n: row.n + 1, last_id: id });
      }
    }
  }
  return [...rows.values()];
}

const sorted = (rows: Row[]) => rows.map((row) => JSON.stringify(Object.entries(row).toSorted())).toSorted();

describe.each(databases)('digests on %s', async (name) => {
  const place = await freshDatabase(name);
  const open = 'DATA_DIR' in place ? await openPglite(place.DATA_DIR) : openPostgres(place.DATABASE_URL, 3);
  afterAll(open.close);
  const { db } = open;
  const store = createStore(db);
  await db.execute(sql`alter table log_batches disable trigger user`);
  const first = '2026-03-02';
  const dayName = (n: number) => new Date(Date.parse(first) + n * 86_400_000).toISOString().slice(0, 10);
  const written: Batch[] = [];
  /** Appends events as if they were committed on a day. */
  const append = async (batch: Batch) => {
    const appended = await store.append(batch.events);
    await db.execute(
      sql`update log_batches set committed_at = ${`${dayName(batch.day)}T12:00:00Z`} where last_id = ${appended.at(-1)?.entry.id}`,
    );
    written.push(batch);
  };
  const derived = async (): Promise<Row[]> =>
    db
      .select({
        kind: sql<string>`kind`,
        value: sql<string>`value`,
        day: sql<string>`day::text`,
        n: sql`n`.mapWith(Number),
        first_id: sql`first_id`.mapWith(Number),
        last_id: sql`last_id`.mapWith(Number),
      })
      .from(sql`log_digest_day`);
  const one = fc.record({
    event_type: fc.constantFrom('CREATE', 'DELETE', 'EXPORT'),
    entity_type: fc.constantFrom('order', 'user'),
    user_id: fc.constantFrom('ana', 'bo', null),
    service: fc.constantFrom('shop', 'edgetrail', null),
    timestamp: fc.nat(12).map((n) => `${dayName(n - 3)}T10:00:00.000Z`),
  });
  // The clock may be set back: a day may come again after a later one.
  const batch = fc.record({ day: fc.nat(9), events: fc.array(one, { minLength: 1, maxLength: 12 }) });

  it('equal a recount after steps of any size', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { maxLength: 4 }), fc.integer({ min: 1, max: 20 }), async (batches, ids_max) => {
        for (const { day, events } of batches) await append({ day, events: events.map(entryOf) });
        while ((await store.stepDerivation(digest, ids_max)).remaining > 0);
        expect(sorted(await derived())).toEqual(sorted(recount(written, dayName)));
      }),
      { numRuns: 30, endOnFailure: true },
    );
  });

  it('name what is new, what has gone silent, and what is usual', async () => {
    const event = (event_type: string, user_id: string) => entryOf({ event_type, entity_type: 'order', user_id });
    for (let day = 100; day < 120; day++) await append({ day, events: [event('SELL', 'cleo'), event('SELL', 'dan')] });
    await append({
      day: 121,
      events: [
        event('SELL', 'cleo'),
        event('REFUND_DELETED', 'eve'),
        event('LOGIN_FAILED', 'eve'),
        event('UNDELETE', 'eve'),
      ],
    });
    while ((await store.stepDerivation(digest)).remaining > 0);
    const found = await digestOf(db, readPeriod(dayName(121)), dayName(122));
    expect(found).toMatchObject({
      is_final: true,
      is_dense: true,
      events: 4,
      usual: { events: 2, of: 4 },
      deletes: [{ value: 'REFUND_DELETED', n: 1, before: 0 }],
      refusals: [{ value: 'LOGIN_FAILED', n: 1, before: 0 }],
      users: {
        distinct: 2,
        values: [
          { value: 'eve', n: 3 },
          { value: 'cleo', n: 1 },
        ],
      },
      new: { users: { total: 1, values: [{ value: 'eve', n: 3 }] }, event_types: { total: 3 } },
      silent: { users: { total: 1, values: [{ value: 'dan', n: 6 }] }, event_types: { total: 0 } },
    });
    expect(sentenceOf(found)).toBe(`4 events on Wednesday, ${dayName(121)}: 100 % more than usual (2).`);
    expect((await digestOf(db, readPeriod(dayName(121)), dayName(121))).is_final).toBe(false);
  });

  it('are the same after late events', async () => {
    const ask = () => digestOf(db, readPeriod(dayName(121)), dayName(200));
    const before = await ask();
    const late = {
      event_type: 'SELL',
      entity_type: 'order',
      user_id: 'fay',
      timestamp: `${dayName(121)}T09:00:00.000Z`,
    };
    await append({ day: 130, events: Array.from({ length: 1_000 }, () => entryOf(late)) });
    while ((await store.stepDerivation(digest)).remaining > 0);
    expect(JSON.stringify(await ask())).toBe(JSON.stringify(before));
    expect((await digestOf(db, readPeriod(dayName(130)), dayName(200))).late.values).toEqual([
      { value: dayName(121), n: 1_000, before: 0 },
    ]);
  });

  it('are announced once, by an event, and not where the day had none', async () => {
    const noon = (n: number) => Date.parse(`${dayName(n)}T12:00:00Z`);
    const digests = async () => {
      const { logs } = await store.page(
        readFilter(new URLSearchParams('event_type=DIGEST')),
        readPage(new URLSearchParams()),
      );
      return logs.map(({ entity_id, description }) => [entity_id, description]);
    };
    await announce(store, noon(129));
    expect(await digests()).toEqual([]);
    await announce(store, noon(131));
    // The event itself is not derived yet: until it is, nothing is final.
    while ((await store.stepDerivation(digest)).remaining > 0);
    await announce(store, noon(131));
    expect(await digests()).toEqual([
      [dayName(130), `1,000 events on Friday, ${dayName(130)}: 500 times the usual 2.`],
    ]);
  });

  it('are not final where they were derived from another log', async () => {
    const ask = () => digestOf(db, readPeriod(dayName(121)), dayName(200));
    while ((await store.stepDerivation(digest)).remaining > 0);
    expect((await ask()).is_final).toBe(true);
    await db.execute(sql`update log_readers set log_id = gen_random_uuid() where name = 'digest'`);
    expect((await ask()).is_final).toBe(false);
  });
});
