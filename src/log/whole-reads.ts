/**
 * Reads of all matching entries at once. A server ends them at their deadline. An embedded database has none, and holds
 * the process while a statement runs: there they are done only where they are few.
 */
import { getTableName, inArray, type SQL, sql } from 'drizzle-orm';
import { deadlineLimits, takingTurns, withTimeout } from './deadlines.ts';
import type { Filter, Term } from './filter.ts';
import { orderedColumns } from './filter-indexes.ts';
import type { Reads } from './reads.ts';
import { type Database, activityLogs as log } from './schema.ts';

export const wholeLimits = {
  /** In an embedded database, which has no deadlines, a log up to this length is read at once, */
  short_rows_max: 20_000,
  /** and so are the matches of a filter with a value that at most this many entries have. */
  rare_rows_max: 2_000,
  /** Otherwise the log is read in windows of so many ids, between which the process does other work, */
  embedded_window_ids: 2_000,
  /** for at most this long. On a server, the windows are for others: between two of them it is their turn. */
  embedded_windows_ms_max: 15_000,
  window_ids: 100_000,
} as const;

/** Restricts the transaction to plans that find entries by their values in an index. */
export const byIndex = (tx: Database) =>
  tx.execute(sql`select set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'off', true)`);

/** Whether one of the terms has an index and few entries. The transaction then finds them by it. */
export async function hasRareValue(
  tx: Database,
  terms: Term[],
  { rare_rows_max }: { readonly rare_rows_max: number } = wholeLimits,
): Promise<boolean> {
  await byIndex(tx);
  for (const { key, negated, values } of terms) {
    const column = negated ? undefined : orderedColumns[key];
    if (!column) continue;
    const candidates = sql`(select from ${log} where ${inArray(column, values)} limit ${rare_rows_max + 1}) as candidates`;
    const [counted] = await tx.select({ n: sql<number>`count(*)`.mapWith(Number) }).from(candidates);
    if (counted && counted.n <= rare_rows_max) return true;
  }
  return false;
}

/** Runs what reads all matches of a filter in a log with the newest id `newest`; null where that would take too long. */
export const readWhole = <T>(
  reads: Reads,
  { terms }: Pick<Filter, 'terms'>,
  newest: number,
  run: (tx: Database) => Promise<T>,
  statement_ms_max: number = deadlineLimits.statement_ms_max,
): Promise<T | null> =>
  reads.deadline_ms !== null
    ? withTimeout(reads, run, { scans: true, statement_ms_max })
    : reads((db) =>
        db.transaction(async (tx) =>
          newest <= wholeLimits.short_rows_max || (await hasRareValue(tx, terms)) ? run(tx) : null,
        ),
      );

/** The entries of a window of ids. `offset 0`: the planner must not scan a field's index for each window. */
export const idWindow = (after: number, upto: number): SQL =>
  sql`(select * from ${log} where ${log.id} > ${after}::bigint and ${log.id} <= ${upto}::bigint offset 0)
    as ${sql.identifier(getTableName(log))}`;

/** The number of matching entries in a window of ids. */
export async function countWindow(db: Database, { where }: Filter, window: SQL): Promise<number> {
  const [counted] = await db
    .select({ n: sql<number>`count(*)`.mapWith(Number) })
    .from(window)
    .where(where);
  return counted?.n ?? 0;
}

/**
 * Reads the log in windows, the newest first, for at most `ms_max`, or as long as any read may take. Returns the id above
 * which all entries were read.
 */
export async function readWindows(
  reads: Reads,
  newest: number,
  run: (db: Database, window: SQL) => Promise<void>,
  ms_max = reads.deadline_ms ?? wholeLimits.embedded_windows_ms_max,
): Promise<number> {
  const window_ids = reads.deadline_ms === null ? wholeLimits.embedded_window_ids : wholeLimits.window_ids;
  const started = performance.now();
  let upto = newest;
  while (upto > 0 && performance.now() - started < ms_max) {
    const after = Math.max(0, upto - window_ids);
    await takingTurns(reads, () => reads((db) => run(db, idWindow(after, upto))));
    upto = after;
  }
  return upto;
}
