/** The state of the log for those who operate it: how far it goes, what waits, how far its readers are, what it takes on the disk. */
import { desc, sql } from 'drizzle-orm';
import type { Reads } from './reads.ts';
import { activityInbox, activityInboxRefused, logBatches, logIdentity, logReaders } from './schema.ts';

export const vitalsLimits = {
  /** Rows of the inbox that are counted: beyond it the exact number does not change what has to be done. */
  inbox_rows_max: 10_000,
  /** How long sizes are kept: measuring them looks at every file of the log. */
  sizes_ms_max: 60_000,
} as const;

/**
 * How far a reader has read. `lag_seconds` is how long the oldest event that it has not read has been stored. Deliveries
 * have another kind than `derive`, and more states than `on`.
 */
export type ReaderState = {
  name: string;
  kind: string;
  status: string;
  cursor: number;
  lag_events: number;
  lag_seconds: number;
};

export type Vitals = {
  /** The id of the newest event, which is also their number. */
  head: number;
  /** When the newest event was stored, in epoch ms; null in an empty log. */
  newest_at_ms: number | null;
  /** Rows that wait, and rows that the log refused: each at most `inbox_rows_max`. */
  inbox: { n_waiting: number; oldest: number | null; n_refused: number };
  readers: ReaderState[];
  /** The months after the current one that have a partition, without one missing between them. */
  months_ahead: number;
};

/** A row of the inbox that the log could not take. */
export type RefusedRow = { n: number; reason: string; at_ms: number };

export type PartitionSize = { name: string; bytes: number; events_estimate: number };
export type Sizes = { tables: { name: string; bytes: number }[]; partitions: PartitionSize[] };

const numberOrNull = (value: unknown) => (value === null ? null : Number(value));
const partitionOf = (month: Date) => `activity_logs_${month.toISOString().slice(0, 7).replace('-', '_')}`;

/** How many months after the one of `now_ms` have a partition, up to the first that has none. */
export function monthsAhead(partitions: ReadonlySet<string>, now_ms: number): number {
  const now = new Date(now_ms);
  for (let n = 1; ; n++)
    if (!partitions.has(partitionOf(new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + n))))) return n - 1;
}

/** The parts of a store that read its state. No statement here takes longer in a longer log. */
export function vitalsOf(reads: Reads) {
  /** One statement, so that the head and the cursors are of the same moment. */
  const state = () =>
    reads((db) => {
      const newest = sql`from ${logBatches} order by ${logBatches.last_id} desc limit 1`;
      const head = sql`coalesce((select ${logBatches.last_id} ${newest}), 0)`;
      const counted = (table: typeof activityInbox | typeof activityInboxRefused) =>
        sql`(select count(*) from (select from ${table} limit ${vitalsLimits.inbox_rows_max}) as counted)`.mapWith(
          Number,
        );
      const unread = sql`(select ${logBatches.committed_at} from ${logBatches} where ${logBatches.last_id} > ${logReaders.cursor} order by ${logBatches.last_id} limit 1)`;
      return db
        .select({
          head: head.mapWith(Number),
          newest_at_ms: sql`(select (extract(epoch from ${logBatches.committed_at}) * 1000)::bigint ${newest})`.mapWith(
            numberOrNull,
          ),
          n_waiting: counted(activityInbox),
          oldest: sql`(select min(${activityInbox.n}) from ${activityInbox})`.mapWith(numberOrNull),
          n_refused: counted(activityInboxRefused),
          name: logReaders.name,
          kind: logReaders.kind,
          status: logReaders.status,
          cursor: logReaders.cursor,
          until: logReaders.until,
          lag_seconds: sql`coalesce(extract(epoch from clock_timestamp() - ${unread}), 0)`.mapWith(Number),
        })
        .from(logIdentity)
        .leftJoin(logReaders, sql`true`)
        .orderBy(logReaders.name);
    });

  const partitionNames = () =>
    reads((db) =>
      db
        .select({ name: sql<string>`c.relname` })
        .from(sql`pg_inherits i join pg_class c on c.oid = i.inhrelid`)
        .where(sql`i.inhparent = 'activity_logs'::regclass`),
    );

  /** The state of the log at this moment. */
  async function vitals(): Promise<Vitals> {
    const [rows, names] = await Promise.all([state(), partitionNames()]);
    const [first] = rows;
    if (!first) throw new Error('log_identity has no row');
    const { head, newest_at_ms, n_waiting, oldest, n_refused } = first;
    return {
      head,
      newest_at_ms,
      inbox: { n_waiting, oldest, n_refused },
      readers: rows.flatMap(({ name, kind, status, cursor, until, lag_seconds }) => {
        if (name === null || kind === null || status === null || cursor === null) return [];
        // After a restore a cursor may be above the head until the reader's next step.
        const lag_events = Math.max(0, Math.min(until ?? head, head) - cursor);
        return [{ name, kind, status, cursor, lag_events, lag_seconds: lag_events > 0 ? Math.max(0, lag_seconds) : 0 }];
      }),
      months_ahead: monthsAhead(new Set(names.map(({ name }) => name)), Date.now()),
    };
  }

  /** The newest rows of the inbox that the log could not take, at most `rows_max`. */
  async function refusedRows(rows_max: number): Promise<RefusedRow[]> {
    const rows = await reads((db) =>
      db
        .select({
          n: activityInboxRefused.n,
          reason: activityInboxRefused.reason,
          at: activityInboxRefused.refused_at,
        })
        .from(activityInboxRefused)
        .orderBy(desc(activityInboxRefused.n))
        .limit(rows_max),
    );
    return rows.map(({ at, ...row }) => ({ ...row, at_ms: Date.parse(at) }));
  }

  async function measure(): Promise<Sizes> {
    const measured = await reads((db) =>
      db
        .select({
          name: sql<string>`c.relname`,
          is_partition: sql<boolean>`i.inhparent is not null`,
          bytes: sql`pg_total_relation_size(c.oid)`.mapWith(Number),
          // -1 until the first ANALYZE.
          events_estimate: sql`greatest(c.reltuples, 0)`.mapWith(Number),
        })
        .from(sql`pg_class c left join pg_inherits i on i.inhrelid = c.oid and i.inhparent = 'activity_logs'::regclass`)
        .where(
          sql`c.relkind = 'r' and c.relnamespace = (select relnamespace from pg_class where oid = 'activity_logs'::regclass) and (i.inhparent is not null or c.relname ~ '^(activity|log)_')`,
        )
        .orderBy(sql`c.relname`),
    );
    const partitions = measured.filter(({ is_partition }) => is_partition);
    const others = measured.filter(({ is_partition }) => !is_partition);
    return {
      tables: [
        { name: 'activity_logs', bytes: partitions.reduce((sum, { bytes }) => sum + bytes, 0) },
        ...others.map(({ name, bytes }) => ({ name, bytes })),
      ],
      partitions: partitions.map(({ name, bytes, events_estimate }) => ({ name, bytes, events_estimate })),
    };
  }

  let measured: { sizes: Promise<Sizes>; at_ms: number } | null = null;

  /** The sizes of the tables on the disk with their indexes, measured at most once a minute. */
  function sizes(): Promise<Sizes> {
    if (measured && performance.now() - measured.at_ms < vitalsLimits.sizes_ms_max) return measured.sizes;
    const fresh = { sizes: measure(), at_ms: performance.now() };
    measured = fresh;
    fresh.sizes.catch(() => {
      if (measured === fresh) measured = null;
    });
    return fresh.sizes;
  }

  return { vitals, refusedRows, sizes };
}
