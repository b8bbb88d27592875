/**
 * The number of entries that match a filter. Where the filter allows it the number comes from the rollup, else from the
 * rows. A number is kept for a while; one from rows is later completed by the entries since then.
 */
import { and, lte, type SQL, sql } from 'drizzle-orm';
import { isStatementTimeout, unavailable } from '../http/problem.ts';
import { withDeadline, withTimeout } from './deadlines.ts';
import type { Filter } from './filter.ts';
import type { CountMode } from './paging.ts';
import { patternTotal } from './pattern-counts.ts';
import type { Reads } from './reads.ts';
import { isRollupFilter, rollupTotal } from './rollup-counts.ts';

import { type Database, activityLogs as log } from './schema.ts';
import { countWindow, idWindow, readWhole, readWindows, wholeLimits } from './whole-reads.ts';

export const totalLimits = {
  /** A count that reads rows stops here and is marked as inexact. */
  total_rows_max: 100_000,
  /** The deadline of the total of a list, */
  total_ms_max: 50,
  /** which is longer for a log that is short enough to be read at once: that takes a few milliseconds, unless the machine is busy. */
  short_log_ms_max: 1_000,
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

/** The total from what is derived; null where that cannot say. */
const derivedTotal = async (tx: Database, filter: Filter): Promise<number | null> =>
  (await rollupTotal(tx, filter)) ?? patternTotal(tx, filter);

/** `is_rolled`: it comes from the rollup, and may include entries that are newer than the newest id it was asked for. */
type Counted = Total & { is_rolled: boolean };

/** The total from the rollup, or from rows up to the id `newest`, at most `rows_max` of them. */
async function count(tx: Database, filter: Filter, newest: number, rows_max: number): Promise<Counted> {
  const rolled = await derivedTotal(tx, filter);
  if (rolled !== null) return { total: rolled, total_is_exact: true, is_rolled: true };
  return { ...(await countRows(tx, and(filter.where, lte(log.id, newest)), rows_max)), is_rolled: false };
}

/** A total that was counted when the newest entry had the id `upto`, and when it is forgotten. */
type Kept = Counted & { upto: number; until_ms: number };

/** `head` reads the id of the newest entry. */
export function totalOf(reads: Reads, head: () => Promise<number>) {
  /** By filter, in the order in which they were counted. */
  const kept = new Map<string, Kept>();

  /**
   * The number of matching entries, as a list needs it, of a log whose newest id is `newest`. `fast`: exact when it can
   * be counted up to `total_rows_max` within `total_ms_max`, else a lower bound. `exact`: until the deadline of every reader, then a
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
    const { total, upto, until_ms, is_rolled } = found;
    if (newest === upto) return found;
    if (is_rolled || newest - upto > totalLimits.since_ids_max) return null;
    const since = await reads((db) => countWindow(db, filter, idWindow(upto, newest)));
    return keep(filter, { total: total + since, total_is_exact: true, is_rolled, upto: newest, until_ms });
  }

  async function fromLog(filter: Filter, newest: number, mode: CountMode): Promise<Total> {
    const counted =
      mode === 'exact'
        ? await exactTotal(filter, newest)
        : await countInTime(filter, newest, (run) => withDeadline(reads, listTotalMs(newest), run));
    return keepCounted(filter, newest, counted) ?? { total: 0, total_is_exact: false };
  }

  /** The total within the deadline of `timed`; null when it passed. */
  const countInTime = (
    filter: Filter,
    newest: number,
    timed: (run: (tx: Database) => Promise<Counted>) => Promise<Counted | null>,
  ): Promise<Counted | null> =>
    reads.deadline_ms !== null
      ? timed((tx) => count(tx, filter, newest, totalLimits.total_rows_max))
      : windowedTotal(filter, newest, listTotalMs(newest));

  /** The total for a page: null when counting took too long. */
  async function totalInTime(filter: Filter, known?: number): Promise<Total | null> {
    const newest = known ?? (await head());
    if (!filter.where) return { total: newest, total_is_exact: true };
    const found = await fromKept(filter, newest, 'fast');
    if (found && (found.total_is_exact || found.total > 0)) return found;
    const scans = !isRollupFilter(filter);
    return keepCounted(filter, newest, await countInTime(filter, newest, (run) => withTimeout(reads, run, { scans })));
  }

  /** Keeps what was counted, also that it took too long. */
  function keepCounted(filter: Filter, newest: number, counted: Counted | null): Total | null {
    const ms = counted ? totalLimits.kept_ms_max : totalLimits.kept_inexact_ms_max;
    const found = counted ?? { total: 0, total_is_exact: false, is_rolled: false };
    keep(filter, { ...found, upto: newest, until_ms: performance.now() + ms });
    return counted && { total: counted.total, total_is_exact: counted.total_is_exact };
  }

  function keep({ key }: Filter, found: Kept): Kept {
    kept.delete(key);
    kept.set(key, found);
    const [oldest] = kept.keys();
    if (kept.size > totalLimits.kept_max && oldest !== undefined) kept.delete(oldest);
    return found;
  }

  async function exactTotal(filter: Filter, newest: number): Promise<Counted> {
    const counted = await windowedTotal(filter, newest).catch((error) => {
      if (!isStatementTimeout(error)) throw error;
      throw tookTooLong();
    });
    if (!counted.total_is_exact) throw tookTooLong();
    return counted;
  }

  /**
   * The total where time is all that ends the count: matches that may not be read at once are counted in windows, the
   * newest first, until `ms_max` has passed.
   */
  async function windowedTotal(filter: Filter, newest: number, ms_max?: number): Promise<Counted> {
    const rolled = await reads((db) => derivedTotal(db, filter));
    if (rolled !== null) return { total: rolled, total_is_exact: true, is_rolled: true };
    const where = and(filter.where, lte(log.id, newest));
    const whole = await readWhole(reads, filter, newest, (tx) => countRows(tx, where, totalLimits.total_rows_max));
    if (whole?.total_is_exact) return { ...whole, is_rolled: false };
    let total = 0;
    const count = async (db: Database, window: SQL) => {
      total += await countWindow(db, filter, window);
    };
    const upto = await readWindows(reads, newest, count, ms_max);
    return { total, total_is_exact: upto === 0, is_rolled: false };
  }

  return { total, totalInTime };
}

const listTotalMs = (newest: number) =>
  newest <= wholeLimits.short_rows_max ? totalLimits.short_log_ms_max : totalLimits.total_ms_max;

const tookTooLong = () =>
  unavailable(
    'The exact count took too long and was cancelled: narrow the filter, or ask for count=fast.',
    'nothing',
    'timeout',
  );
