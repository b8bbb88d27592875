/** Searching the log along the time in windows of a bounded number of entries, for filters that no index answers in time. */

import { and, type SQL, sql } from 'drizzle-orm';
import { withDeadline } from './deadlines.ts';
import type { Direction } from './list-order.ts';
import { limited } from './literals.ts';
import type { Cursor } from './paging.ts';
import type { Reads } from './reads.ts';
import { type Database, type Entry, activityLogs as log } from './schema.ts';
import { rowColumns, type StoredRow, storedRows, timeOf, toEntry } from './stored-row.ts';

export const windowLimits = {
  /** The search ends with what was found when this much time has passed. */
  windows_ms_max: 150,
  window_rows_first: 4_000,
  /** A window of this size is searched to its end, so that each request makes progress. */
  window_rows_min: 500,
  window_rows_max: 64_000,
} as const;
type WindowLimits = { readonly [K in keyof typeof windowLimits]: number };

/** A page of the list in the terms of SQL. */
export type Search = {
  direction: Direction;
  start: Cursor | null;
  /** The time range of the filter, and its other terms: a window is made by the first and searched by the second. */
  range: SQL | undefined;
  rest: SQL | undefined;
  /** How many matches are skipped, and how many after those are wanted. */
  offset: number;
  rows_max: number;
};

/** The matches in a window and its last entry, which is null in an empty window. */
type Searched = { rows: StoredRow[]; last: StoredRow | null };

/**
 * Returns the matches found in time, without those skipped. `searched` is the entry up to which all were found, or null
 * where the matches are enough or the log ended.
 */
export async function searchWindows(
  reads: Reads,
  search: Search,
  limits: WindowLimits,
): Promise<{ rows: StoredRow[]; searched: Entry | null }> {
  const wanted = search.offset + search.rows_max;
  const started = performance.now();
  const left = () => limits.windows_ms_max - (performance.now() - started);
  const found: StoredRow[] = [];
  let size = limits.window_rows_first;
  let searched: Entry | null = null;
  let start = search.start;
  while (searched === null || left() > 0) {
    const began = performance.now();
    const isLast = size <= limits.window_rows_min;
    const run = (db: Database) => searchWindow(db, search, start, size, wanted - found.length);
    const result: Searched | null = isLast
      ? await reads(run)
      : await withDeadline(reads, Math.max(1, Math.ceil(left())), run);
    if (!result) {
      // Too much for the time that was left. The first window must succeed: it is tried again and smaller.
      if (searched) break;
      size = limits.window_rows_min;
      continue;
    }
    found.push(...result.rows);
    if (found.length >= wanted || !result.last) return { rows: found.slice(search.offset), searched: null };
    searched = toEntry(result.last);
    start = { ms: timeOf(searched), id: searched.id };
    const took_ms = performance.now() - began;
    if (took_ms > left()) break;
    if (took_ms < limits.windows_ms_max / 8) size = Math.min(size * 2, limits.window_rows_max);
  }
  return { rows: found.slice(search.offset), searched };
}

async function searchWindow(db: Database, search: Search, start: Cursor | null, size: number, rows_max: number) {
  const { direction, range, rest } = search;
  // The limit keeps the planner from applying the filter earlier, so that a window costs its number of entries.
  const where = and(range, start ? direction.beyond(start) : undefined) ?? sql`true`;
  const order = sql.join(direction.order, sql`, `);
  // Named like the table, so that the columns of the filter are those of the window.
  const window = sql`(select * from ${log} where ${where} order by ${order} limit ${size}) activity_logs`;
  const rows = await storedRows(
    db,
    limited(
      db
        .select(rowColumns)
        .from(window)
        .where(rest)
        .orderBy(...direction.order),
      rows_max,
    ),
  );
  if (rows.length === rows_max) return { rows, last: null };
  const [last] = await storedRows(
    db,
    limited(
      db
        .select(rowColumns)
        .from(window)
        .orderBy(...direction.reversed),
      1,
    ),
  );
  return { rows, last: last ?? null };
}
