/**
 * Counts of matching entries: totals, the last 24 hours, the API's statistics, the period that they span. Where the filter
 * allows it they come from the rollup, else from the rows.
 */
import { and, asc, desc, type SQL, sql } from 'drizzle-orm';
import type { Filter } from './filter.ts';
import type { Reads } from './reads.ts';
import { rollupStats, rollupTotal, type StatsRow } from './rollup-counts.ts';
import { withTimeout } from './sample.ts';
import { type Database, activityLogs as log } from './schema.ts';
import { countRows, totalLimits, totalOf } from './total.ts';

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
  /**
   * The number of matching entries of the last 24 hours; from rows exact up to `total_rows_max`; null when it took too
   * long.
   */
  const recent = (filter: Filter): Promise<Recent | null> =>
    withTimeout(reads, async (tx) => {
      const rolled = await rollupTotal(tx, filter, 'last day');
      if (rolled !== null) return { recent_24h: rolled, recent_is_exact: true };
      const lastDay = sql`${log.timestamp} >= now() - interval '24 hours' and ${log.timestamp} <= now()`;
      const counted = await countRows(tx, and(lastDay, filter.where), totalLimits.total_rows_max);
      return { recent_24h: counted.total, recent_is_exact: counted.total_is_exact };
    });

  /** Exact counts of the matching entries, most frequent value first; `recent_24h` by `timestamp`. */
  async function stats(filter: Filter): Promise<Stats> {
    const counts = await reads(async (db) => (await rollupStats(db, filter)) ?? scannedStats(db, filter));
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

  /** The rows of the statistics from the entries, in one scan. */
  const scannedStats = (db: Database, filter: Filter): Promise<StatsRow[]> =>
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
      .orderBy(desc(n), asc(log.event_type), asc(log.entity_type));

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

  return { ...totalOf(reads, head), recent, stats, span };
}
