/** Counts of matching entries: totals, the last 24 hours, the API's statistics, the period that they span. */
import { and, asc, desc, type SQL, sql } from 'drizzle-orm';
import type { Filter } from './filter.ts';
import type { Reads } from './reads.ts';
import { withTimeout } from './sample.ts';
import { type Database, activityLogs as log } from './schema.ts';

export const countLimits = {
  /** A count that reads rows stops here and is marked as inexact. */
  total_rows_max: 100_000,
} as const;

export type Total = { total: number; total_is_exact: boolean };

export type Stats = {
  total_logs: number;
  recent_24h: number;
  by_event_type: Record<string, number>;
  by_entity_type: Record<string, number>;
};

export type Recent = { recent_24h: number; recent_is_exact: boolean };

/** The times of the oldest and the newest matching entry, in epoch milliseconds. */
export type Span = { oldest: number; newest: number };

const n = sql<number>`count(*)`.mapWith(Number);

/** The counting part of a store. `head` reads the id of the newest entry. */
export function countsOf(reads: Reads, head: () => Promise<number>) {
  const count = async (tx: Database, where: SQL | undefined, rows_max: number) => {
    const capped = tx
      .select({ id: log.id })
      .from(log)
      .where(where)
      .limit(rows_max + 1)
      .as('capped');
    const [counted] = await tx.select({ n }).from(capped);
    const found = counted?.n ?? 0;
    return { n: Math.min(found, rows_max), exact: found <= rows_max };
  };

  /**
   * The number of matching entries. Exact without a filter at any size; with a filter exact up to `total_rows_max`.
   * `newest` is the head, if the caller has just read it.
   */
  const total = (filter: Filter, newest?: number): Promise<Total> =>
    filter.where ? reads((db) => totalBy(db, filter)) : totalOfAll(newest);

  const totalOfAll = async (newest?: number): Promise<Total> => ({
    total: newest ?? (await head()),
    total_is_exact: true,
  });

  /** The same with a deadline: null when counting took too long. */
  const totalInTime = (filter: Filter, newest?: number): Promise<Total | null> =>
    filter.where ? withTimeout(reads, (tx) => totalBy(tx, filter)) : total(filter, newest);

  async function totalBy(tx: Database, { where }: Filter): Promise<Total> {
    const counted = await count(tx, where, countLimits.total_rows_max);
    return { total: counted.n, total_is_exact: counted.exact };
  }

  /** The number of matching entries of the last 24 hours; exact up to the same bound, null when it took too long. */
  async function recent(filter: Filter): Promise<Recent | null> {
    const lastDay = sql`${log.timestamp} >= now() - interval '24 hours' and ${log.timestamp} <= now()`;
    const where = and(lastDay, filter.where);
    const counted = await withTimeout(reads, (tx) => count(tx, where, countLimits.total_rows_max));
    return counted && { recent_24h: counted.n, recent_is_exact: counted.exact };
  }

  /** Exact counts of the matching entries, most frequent value first; `recent_24h` by `timestamp`. One scan. */
  async function stats(filter: Filter): Promise<Stats> {
    const counts = await reads((db) =>
      db
        .select({
          event_type: sql<string | null>`${log.event_type}`,
          entity_type: sql<string | null>`${log.entity_type}`,
          n,
          recent:
            sql<number>`count(*) filter (where ${log.timestamp} >= now() - interval '24 hours' and ${log.timestamp} <= now())`.mapWith(
              Number,
            ),
        })
        .from(log)
        .where(filter.where)
        .groupBy(sql`grouping sets ((${log.event_type}), (${log.entity_type}), ())`)
        .orderBy(desc(n), asc(log.event_type), asc(log.entity_type)),
    );
    const all = counts.find((row) => row.event_type === null && row.entity_type === null);
    const by = (key: 'event_type' | 'entity_type') =>
      Object.fromEntries(counts.flatMap((row) => (row[key] === null ? [] : [[row[key], row.n]])));
    return {
      total_logs: all?.n ?? 0,
      recent_24h: all?.recent ?? 0,
      by_event_type: by('event_type'),
      by_entity_type: by('entity_type'),
    };
  }

  /**
   * The times of the oldest and the newest matching entry, or null when none matches. When the filter takes too long, the
   * span of the whole log, which includes every match.
   */
  async function span({ where }: Filter): Promise<Span | null> {
    const found = (await ends(where)) ?? (await ends(undefined));
    const [oldest, newest] = found ?? [];
    return oldest && newest ? { oldest: Date.parse(oldest), newest: Date.parse(newest) } : null;
  }

  const ends = (where: SQL | undefined) =>
    withTimeout(reads, async (tx) => {
      const end = async (order: SQL) =>
        (await tx.select({ at: log.timestamp }).from(log).where(where).orderBy(order).limit(1))[0]?.at;
      return [await end(asc(log.timestamp)), await end(desc(log.timestamp))];
    });

  return { total, totalInTime, recent, stats, span };
}
