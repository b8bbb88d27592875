/**
 * Counts of matching entries: totals, the last 24 hours, the API's statistics, the period that they span. Where the filter
 * allows it they come from the rollup, else from the rows.
 */
import { and, asc, desc, type SQL, sql } from 'drizzle-orm';
import { unavailable } from '../http/problem.ts';
import { withTimeout } from './deadlines.ts';
import type { Filter } from './filter.ts';
import type { Reads } from './reads.ts';
import { isRollupFilter, rollupStats, rollupTotal, type StatsRow } from './rollup-counts.ts';
import { type Database, activityLogs as log } from './schema.ts';
import { countRows, totalLimits, totalOf } from './total.ts';
import { readWhole, readWindows } from './whole-reads.ts';

export type Stats = {
  total_logs: number;
  recent_24h: number;
  by_event_type: Record<string, number>;
  by_entity_type: Record<string, number>;
};

export type Recent = { recent_24h: number; recent_is_exact: boolean };

/** The times of the oldest and the newest matching entry, in epoch milliseconds. */
export type Span = { oldest: number; newest: number };

/** How long each end of a span is looked for. An index finds it in a fraction of this, and a scan would hold up the counts. */
const span_ms_max = 50;

const n = sql<number>`count(*)`.mapWith(Number);

/** The counting part of a store. `head` reads the id of the newest entry. */
export function countsOf(reads: Reads, head: () => Promise<number>) {
  /**
   * The number of matching entries of the last 24 hours; from rows exact up to `total_rows_max`; null when it took too
   * long.
   */
  async function recent(filter: Filter): Promise<Recent | null> {
    const rolled = isRollupFilter(filter)
      ? await withTimeout(reads, (tx) => rollupTotal(tx, filter, 'last day'))
      : null;
    if (rolled !== null) return { recent_24h: rolled, recent_is_exact: true };
    const lastDay = sql`${log.timestamp} >= now() - interval '24 hours' and ${log.timestamp} <= now()`;
    const counted = await readWhole(reads, filter, await head(), (tx) =>
      countRows(tx, and(lastDay, filter.where), totalLimits.total_rows_max),
    );
    return counted && { recent_24h: counted.total, recent_is_exact: counted.total_is_exact };
  }

  /**
   * Exact counts of the matching entries, most frequent value first; `recent_24h` by `timestamp`. Throws a 503 where they
   * take too long.
   */
  async function stats(filter: Filter): Promise<Stats> {
    const counts = (await reads((db) => rollupStats(db, filter))) ?? (await statsOfRows(filter));
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

  /** The rows of the statistics from the entries, or from a window of them, in one scan. */
  const scannedStats = (db: Database, { where }: Filter, entries: typeof log | SQL = log): Promise<StatsRow[]> =>
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
      .from(entries)
      .where(where)
      .groupBy(sql`grouping sets ((${log.event_type}), (${log.entity_type}), ())`)
      .orderBy(desc(n), asc(log.event_type), asc(log.entity_type));

  /** The statistics from the entries: at once where they can be read in time, else in windows. */
  async function statsOfRows(filter: Filter): Promise<StatsRow[]> {
    const newest = await head();
    const whole = await readWhole(reads, filter, newest, (tx) => scannedStats(tx, filter));
    if (whole) return whole;
    const sums = new Map<string, StatsRow>();
    const upto = await readWindows(reads, newest, async (db, window) => {
      for (const row of await scannedStats(db, filter, window)) {
        const key = JSON.stringify([row.event_type, row.entity_type]);
        const sum = sums.get(key) ?? { ...row, n: 0, recent: 0 };
        sums.set(key, { ...sum, n: sum.n + row.n, recent: sum.recent + row.recent });
      }
    });
    if (upto > 0)
      throw unavailable('The statistics took too long and were cancelled: narrow the filter.', 'nothing', 'timeout');
    return [...sums.values()].sort((a, b) => b.n - a.n);
  }

  /**
   * The times of the oldest and the newest matching entry, or null when none matches. When the filter takes too long, the
   * span of the whole log, which includes every match.
   */
  async function span(filter: Filter): Promise<Span | null> {
    const found =
      (await readWhole(reads, filter, await head(), (tx) => ends(tx, filter.where), span_ms_max)) ??
      (await withTimeout(reads, (tx) => ends(tx, undefined)));
    const [oldest, newest] = found ?? [];
    return oldest && newest ? { oldest: Date.parse(oldest), newest: Date.parse(newest) } : null;
  }

  async function ends(tx: Database, where: SQL | undefined) {
    const end = async (order: SQL) =>
      (await tx.select({ at: log.timestamp }).from(log).where(where).orderBy(order).limit(1))[0]?.at;
    return [await end(asc(log.timestamp)), await end(desc(log.timestamp))];
  }

  return { ...totalOf(reads, head), recent, stats, span };
}
