/**
 * Counts of matching entries: totals, the last 24 hours, the API's statistics, the period that they span. Where the filter
 * allows it they come from the rollup, else from the rows.
 */
import { and, asc, desc, getTableName, type SQL, sql } from 'drizzle-orm';
import { isStatementTimeout, unavailable } from '../http/problem.ts';
import type { Filter } from './filter.ts';
import { hasRareValue, listLimits } from './list.ts';
import type { CountMode } from './paging.ts';
import type { Reads } from './reads.ts';
import { rollupStats, rollupTotal, type StatsRow } from './rollup-counts.ts';
import { withDeadline, withTimeout } from './sample.ts';
import { type Database, activityLogs as log } from './schema.ts';

export const countLimits = {
  /** A count that reads rows stops here and is marked as inexact. */
  total_rows_max: 100_000,
  /** The deadline of the total of a list. */
  total_ms_max: 50,
  /** The embedded database cannot end a statement: it counts so many ids at a time until the deadline. */
  window_ids: 2_000,
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
   * The number of matching entries, as a list needs it. `newest` is the head, which counts a log without a filter.
   * `fast`: exact when it can be counted up to `total_rows_max` within `total_ms_max`, else a lower bound, at least the
   * given one. `exact`: until the deadline of every reader, then a 503.
   */
  async function total(filter: Filter, newest: number, mode: Exclude<CountMode, 'none'>, at_least = 0): Promise<Total> {
    if (!filter.where) return { total: newest, total_is_exact: true };
    if (mode === 'exact') return exactTotal(filter);
    const counted = reads.hasDeadlines
      ? await withDeadline(reads, countLimits.total_ms_max, (tx) => totalBy(tx, filter))
      : await embeddedTotal(filter, newest);
    if (counted?.total_is_exact) return counted;
    return { total: Math.max(at_least, counted?.total ?? 0), total_is_exact: false };
  }

  /**
   * The total without deadlines of statements: where neither the log is short nor a value rare, the log is counted in
   * windows, the newest first, until the time has passed.
   */
  async function embeddedTotal(filter: Filter, newest: number): Promise<Total> {
    const { total_ms_max, window_ids } = countLimits;
    const started = performance.now();
    const isShort = newest <= listLimits.short_rows_max;
    const whole = await reads((db) =>
      db.transaction(async (tx) => {
        const rolled = await rollupTotal(tx, filter);
        if (rolled !== null) return { total: rolled, total_is_exact: true };
        return isShort || (await hasRareValue(tx, filter.terms)) ? totalBy(tx, filter) : null;
      }),
    );
    if (whole) return whole;
    let total = 0;
    let upto = newest;
    for (; upto > 0 && performance.now() - started < total_ms_max; upto -= window_ids)
      total += await reads((db) => countWindow(db, filter, upto - window_ids, upto));
    return { total, total_is_exact: upto <= 0 };
  }

  /** The matching entries of a window of ids. `offset 0`: the planner must not scan a field's index for each window. */
  async function countWindow(db: Database, { where }: Filter, after: number, upto: number): Promise<number> {
    const window = sql`(select * from ${log} where ${log.id} > ${after}::bigint and ${log.id} <= ${upto}::bigint offset 0)
      as ${sql.identifier(getTableName(log))}`;
    const [counted] = await db.select({ n }).from(window).where(where);
    return counted?.n ?? 0;
  }

  const exactTotal = (filter: Filter): Promise<Total> =>
    reads((db) => totalBy(db, filter, Number.MAX_SAFE_INTEGER - 1)).catch((error) => {
      if (!isStatementTimeout(error)) throw error;
      throw unavailable('The exact count took too long and was cancelled: narrow the filter, or ask for count=fast.');
    });

  /** The total for a page: null when counting took too long. */
  const totalInTime = async (filter: Filter, newest?: number): Promise<Total | null> =>
    filter.where
      ? withTimeout(reads, (tx) => totalBy(tx, filter))
      : { total: newest ?? (await head()), total_is_exact: true };

  async function totalBy(tx: Database, filter: Filter, rows_max: number = countLimits.total_rows_max): Promise<Total> {
    const rolled = await rollupTotal(tx, filter);
    if (rolled !== null) return { total: rolled, total_is_exact: true };
    const counted = await count(tx, filter.where, rows_max);
    return { total: counted.n, total_is_exact: counted.exact };
  }

  /**
   * The number of matching entries of the last 24 hours; from rows exact up to `total_rows_max`; null when it took too
   * long.
   */
  const recent = (filter: Filter): Promise<Recent | null> =>
    withTimeout(reads, async (tx) => {
      const rolled = await rollupTotal(tx, filter, 'last day');
      if (rolled !== null) return { recent_24h: rolled, recent_is_exact: true };
      const lastDay = sql`${log.timestamp} >= now() - interval '24 hours' and ${log.timestamp} <= now()`;
      const counted = await count(tx, and(lastDay, filter.where), countLimits.total_rows_max);
      return { recent_24h: counted.n, recent_is_exact: counted.exact };
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

  return { total, totalInTime, recent, stats, span };
}
