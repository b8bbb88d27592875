/** The SQL of the log: append, since, page, drain; exports are in export-pages.ts, counting is in counts.ts and breakdown.ts. */
import { inArray, sql } from 'drizzle-orm';
import { isWrongIsolation } from '../http/problem.ts';
import { aggregateOf } from './aggregate.ts';
import { appendRows } from './append-logs.ts';
import { createAppendMeter } from './append-meter.ts';
import { type Appended, appendQueue } from './append-queue.ts';
import { breakdownOf } from './breakdown.ts';
import { countsOf } from './counts.ts';
import {
  changeDeliveries,
  type Deliveries,
  type Delivery,
  deliveriesOf,
  deriveEvents,
  type Move,
} from './delivery-rows.ts';
import { drainInbox } from './drain.ts';
import type { NewEntry } from './entry.ts';
import { exportPages } from './export-pages.ts';
import type { Filter } from './filter.ts';
import { growthOf } from './growth.ts';
import { historyOf } from './history.ts';
import { listOf } from './list.ts';
import { matchesOf } from './matches.ts';
import { pastMonths } from './past-months.ts';
import { type Derivation, type Step, stepReader } from './reader.ts';
import { readinessOf } from './readiness.ts';
import { type Reads, sharedReads } from './reads.ts';
import { createRedaction, type Redact, redactAll } from './redaction.ts';
import { rightsOf } from './rights.ts';
import { rollup } from './rollup-rows.ts';
import { diskBytesOf, type Room, serverRoom } from './room.ts';
import { type Database, type Entry, activityLogs as log } from './schema.ts';
import { seenOf } from './seen.ts';
import { sinceOf } from './since.ts';
import { rowColumns, storedRows, toEntry } from './stored-row.ts';
import { tilesOf } from './tiles.ts';
import { vitalsOf } from './vitals.ts';

export const storeLimits = {
  partitions_ahead_months: 3,
} as const;

export type { Buckets, Facet, FacetKey, Histogram } from './breakdown.ts';
export type { Recent, Span, Stats } from './counts.ts';
export type { Newest, PollState } from './history.ts';
export type { Total } from './total.ts';
export type Store = ReturnType<typeof createStore>;

/**
 * The log in one database. Rejects with the driver's errors; `problemOf` turns them into responses. `report` logs what an
 * append survives: whoever appends passes it. `redact` replaces the secrets of what others write.
 */
export function createStore(
  db: Database,
  reads: Reads = sharedReads(db),
  room: Room = serverRoom,
  report: (what: string, error: unknown) => void = () => {},
  redact: Redact = createRedaction(),
) {
  const history = historyOf(db, reads);
  const { head, newest } = history;
  const appends = createAppendMeter();
  const readiness = readinessOf(db, reads, head, room);

  let explicitIsolation = false;
  /**
   * Runs what locks the log. Where the server, the database or the role sets another default than READ COMMITTED, in a
   * transaction that says so: noticed at the first refusal, so that everybody else is spared its three round trips.
   */
  async function readCommitted<T>(run: (db: Database) => Promise<T>): Promise<T> {
    const explicit = () => db.transaction(run, { isolationLevel: 'read committed' });
    if (explicitIsolation) return explicit();
    return run(db).catch((error) => {
      if (!isWrongIsolation(error)) throw error;
      explicitIsolation = true;
      return explicit();
    });
  }

  /** Appends in one statement and one commit; returns what became of each event, in the order given. */
  async function appendNow(batch: NewEntry[]): Promise<Appended[]> {
    const json = JSON.stringify(batch);
    room.forEvents(diskBytesOf(batch, json));
    const appended = await readCommitted((tx) => appendRows(tx, batch, json));
    const known = await byIds(appended.filter(({ entry }) => !entry).map(({ id }) => id));
    return appended.map(({ id, entry }) => {
      const kept = entry ?? known.get(id);
      if (!kept) throw new Error(`event ${id} is named in log_uids and not in the log`);
      return { entry: kept, duplicate: !entry };
    });
  }

  /** Entries by their ids; an id that the log does not have is left out. */
  async function byIds(ids: number[]): Promise<Map<number, Entry>> {
    if (ids.length === 0) return new Map();
    const found = await reads((from) =>
      storedRows(from, from.select(rowColumns).from(log).where(inArray(log.id, ids)).getSQL()),
    );
    return new Map(found.map((row) => [row.id, toEntry(row)]));
  }

  /** One entry by its id, or null. */
  async function one(id: number): Promise<Entry | null> {
    return (await byIds([id])).get(id) ?? null;
  }

  /** Moves committed rows of the inbox into the log; returns how many rows it moved. */
  async function drain(): Promise<number> {
    room.forEvents(0);
    const n = await readCommitted((tx) => drainInbox(tx, redact, appends.redacted));
    appends.n_drained += n;
    return n;
  }

  /** One step of a reader that derives rows (reader.ts). */
  async function stepDerivation(derivation: Derivation, ids_max?: number, ids_min?: number): Promise<Step> {
    room.forFewRows();
    return readCommitted((tx) => stepReader(tx, derivation, ids_max, ids_min));
  }

  /** Makes this month's partition and those ahead, and leaves no time before them without one. */
  async function makePartitions(): Promise<void> {
    room.forFewRows();
    const { partitions_ahead_months } = storeLimits;
    await readCommitted((tx) =>
      tx.select({ made: sql`made` }).from(sql`make_partitions(${partitions_ahead_months}) as made`),
    );
  }

  /** Makes the partition of a month of the past, from its first moment. */
  async function makeMonth(month: string): Promise<void> {
    room.forEvents(0);
    await readCommitted((tx) =>
      tx.select({ made: sql`made` }).from(sql`make_months(array[${month}::timestamptz], true) as made`),
    );
  }

  return {
    append: appendQueue((batch) => readiness.watchAppend(appendNow(batch)), pastMonths(makeMonth, report), appends),
    /** What this process has appended. */
    appends,
    /** Replaces the secrets of events in place, and counts them; returns what was replaced, by the index of its event. */
    redact: (entries: NewEntry[]) => redactAll(redact, entries, appends.redacted),
    ...history,
    one,
    byIds,
    deliveries: deliveriesOf(db, reads),
    /** Changes deliveries and appends the event that says so, in one commit; returns the event's id, or null without a change. */
    changeDeliveries: (change: (deliveries: Deliveries) => Promise<NewEntry | null>) => {
      room.forEvents(0);
      return changeDeliveries(db, change);
    },
    /** Moves a reader and appends what it has derived, in one commit (delivery-rows.ts). */
    derive: (
      row: Delivery,
      to: number,
      step: Move,
      events: NewEntry[],
      quiet_until: number | null,
      write?: (db: Database) => Promise<void>,
    ) => {
      room.forEvents(0);
      return deriveEvents(db, row, to, step, events, quiet_until, write);
    },
    ...matchesOf(reads),
    ...sinceOf(reads, newest),
    ...listOf(reads, head),
    exportPages: (filter: Filter, upto: number) => exportPages(reads, filter, upto),
    ...vitalsOf(reads),
    ...rightsOf(reads),
    ...growthOf(reads),
    ...countsOf(reads, head),
    ...breakdownOf(reads, head),
    ...aggregateOf(reads, head),
    ...seenOf(reads),
    /** What proves the log. */
    tiles: tilesOf(db, reads),
    drain,
    stepDerivation,
    /** Counts the next entries into the rollup. */
    rollUp: (ids_max?: number, ids_min?: number) => stepDerivation(rollup, ids_max, ids_min),
    /** For the tables of a feature. */
    reads,
    makePartitions,
    ready: readiness.ready,
  };
}
