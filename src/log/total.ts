/**
 * The number of entries that match a filter. Where the filter allows it the number comes from the rollup, else from the
 * rows. A number that was counted from rows is kept for a while, and later only the entries since then are counted.
 */
import { and, lte, type SQL, sql } from 'drizzle-orm';
import { isStatementTimeout, unavailable } from '../http/problem.ts';
import { withDeadline, withTimeout } from './deadlines.ts';
import type { Filter } from './filter.ts';
import type { CountMode } from './paging.ts';
import type { Reads } from './reads.ts';
import { rollupTotal } from './rollup-counts.ts';

import { type Database, activityLogs as log } from './schema.ts';
import { countWindow, idWindow, readWhole, readWindows, wholeLimits } from './whole-reads.ts';

export const totalLimits = {
  /** A count that reads rows stops here and is marked as inexact. */
  total_rows_max: 100_000,
  /** The deadline of the total of a list. */
  total_ms_max: 50,
  /** How long a count is kept: a log that was replaced by another one must not be answered from it for longer. */
  kept_ms_max: 60_000,
  /** The same for a lower bound of a count that did not end within its deadline: it may next time. */
  kept_inexact_ms_max: 5_000,
  /** Filters whose counts are kept. */
  kept_max: 500,
  /** Entries since a count was kept; when there are more, all are counted anew. */
  since_ids_max: 5_000,
} as const;

export type Total = { total: number; total_is_exact: boolean };

const n = sql<number>`count(*)`.mapWith(Number);

/** The number of matching rows up to `rows_max`, and whether these are all. */
export async function countRows(tx: Database, where: SQL | undefined, rows_max: number): Promise<Total> {
  const capped = tx
    .select({ id: log.id })
    .from(log)
    .where(where)
    .limit(rows_max + 1)
    .as('capped');
  const [counted] = await tx.select({ n }).from(capped);
  const found = counted?.n ?? 0;
  return { total: Math.min(found, rows_max), total_is_exact: found <= rows_max };
}

/** The total from the rollup, or from rows up to `rows_max`; `is_rolled` says which. */
export async function totalBy(
  tx: Database,
  filter: Filter,
  rows_max: number = totalLimits.total_rows_max,
  where: SQL | undefined = filter.where,
): Promise<Total & { is_rolled: boolean }> {
  const rolled = await rollupTotal(tx, filter);
  if (rolled !== null) return { total: rolled, total_is_exact: true, is_rolled: true };
  return { ...(await countRows(tx, where, rows_max)), is_rolled: false };
}

/** A total that was counted from rows, of the entries up to an id, and when it is forgotten. */
type Kept = Total & { upto: number; until_ms: number };

/** `head` reads the id of the newest entry. */
export function totalOf(reads: Reads, head: () => Promise<number>) {
  /** By filter, in the order in which they were counted. */
  const kept = new Map<string, Kept>();

  /**
   * The number of matching entries, as a list needs it, of a log whose newest id is `newest`. `fast`: exact when it can be counted
   * up to `total_rows_max` within `total_ms_max`, else a lower bound. `exact`: until the deadline of every reader, then a
   * 503. The result is at least `at_least`: a page is read after `newest`, and may show a later entry.
   */
  async function total(filter: Filter, newest: number, mode: Exclude<CountMode, 'none'>, at_least = 0): Promise<Total> {
    if (!filter.where) return { total: newest, total_is_exact: true };
    const found = (await fromKept(filter, newest, mode)) ?? (await fromLog(filter, newest, mode));
    return { total: Math.max(at_least, found.total), total_is_exact: found.total_is_exact };
  }

  /** The kept total and the matches since it was counted; null where there is none, or none that is good enough. */
  async function fromKept(filter: Filter, newest: number, mode: CountMode): Promise<Total | null> {
    const found = kept.get(filter.key);
    if (!found || found.until_ms < performance.now() || found.upto > newest) return null;
    if (!found.total_is_exact) return mode === 'exact' ? null : found;
    const { total, upto, until_ms } = found;
    if (newest - upto > totalLimits.since_ids_max) return null;
    if (newest === upto) return found;
    const since = await reads((db) => countWindow(db, filter, idWindow(upto, newest)));
    return keep(filter, { total: total + since, total_is_exact: true, upto: newest, until_ms });
  }

  async function fromLog(filter: Filter, newest: number, mode: CountMode): Promise<Total> {
    const where = and(filter.where, lte(log.id, newest));
    const counted =
      mode === 'exact'
        ? await exactTotal(filter, newest, where)
        : reads.hasDeadlines
          ? await withDeadline(reads, totalLimits.total_ms_max, (tx) => totalBy(tx, filter, undefined, where))
          : await embeddedTotal(filter, newest, where, totalLimits.total_ms_max);
    return keepCounted(filter, newest, counted) ?? { total: 0, total_is_exact: false };
  }

  /** The total for a page: null when counting took too long. */
  async function totalInTime(filter: Filter, known?: number): Promise<Total | null> {
    const newest = known ?? (await head());
    if (!filter.where) return { total: newest, total_is_exact: true };
    const found = await fromKept(filter, newest, 'fast');
    if (found && (found.total_is_exact || found.total > 0)) return found;
    const where = and(filter.where, lte(log.id, newest));
    const counted = reads.hasDeadlines
      ? await withTimeout(reads, (tx) => totalBy(tx, filter, undefined, where))
      : await embeddedTotal(filter, newest, where, totalLimits.total_ms_max);
    return keepCounted(filter, newest, counted);
  }

  /** Keeps what was counted from rows, also that it took too long. */
  function keepCounted(filter: Filter, newest: number, counted: (Total & { is_rolled: boolean }) | null): Total | null {
    const { total, total_is_exact, is_rolled } = counted ?? { total: 0, total_is_exact: false, is_rolled: false };
    const ms = counted ? totalLimits.kept_ms_max : totalLimits.kept_inexact_ms_max;
    if (!is_rolled) keep(filter, { total, total_is_exact, upto: newest, until_ms: performance.now() + ms });
    return counted && { total, total_is_exact };
  }

  function keep({ key }: Filter, found: Kept): Kept {
    kept.delete(key);
    kept.set(key, found);
    const [oldest] = kept.keys();
    if (kept.size > totalLimits.kept_max && oldest !== undefined) kept.delete(oldest);
    return found;
  }

  async function exactTotal(filter: Filter, newest: number, where: SQL | undefined) {
    if (!reads.hasDeadlines) {
      const counted = await embeddedTotal(filter, newest, where, wholeLimits.windows_ms_max);
      if (!counted.total_is_exact) throw tookTooLong();
      return counted;
    }
    return reads((db) => totalBy(db, filter, Number.MAX_SAFE_INTEGER - 1, where)).catch((error) => {
      if (!isStatementTimeout(error)) throw error;
      throw tookTooLong();
    });
  }

  /**
   * The total without deadlines of statements: where not all matches may be read at once, the log is counted in windows,
   * the newest first, until the time has passed.
   */
  async function embeddedTotal(filter: Filter, newest: number, where: SQL | undefined, ms_max: number) {
    const rolled = await reads((db) => rollupTotal(db, filter));
    if (rolled !== null) return { total: rolled, total_is_exact: true, is_rolled: true };
    const whole = await readWhole(reads, filter, newest, (tx) => countRows(tx, where, totalLimits.total_rows_max));
    if (whole) return { ...whole, is_rolled: false };
    let total = 0;
    const upto = await readWindows(reads, newest, ms_max, async (db, window) => {
      total += await countWindow(db, filter, window);
    });
    return { total, total_is_exact: upto === 0, is_rolled: false };
  }

  return { total, totalInTime };
}

const tookTooLong = () =>
  unavailable('The exact count took too long and was cancelled: narrow the filter, or ask for count=fast.');
