/** Counting with bounded cost: all matching rows where they are few, else a sample, each with a deadline. */
import { getTableName, type SQL, sql } from 'drizzle-orm';
import { limitConcurrency } from '../http/concurrency.ts';
import { isStatementTimeout } from '../http/problem.ts';
import type { Reads } from './reads.ts';
import { type Database, activityLogs as log } from './schema.ts';

export const sampleLimits = {
  /** A log up to this length is counted without a sample. */
  short_rows_max: 50_000,
  /** The sample of a longer log: this many ranges of ids, spread evenly over it, */
  sample_ranges: 500,
  /** each with this many ids. Ranges of ids and not of time: a burst then has its true weight. */
  sample_range_ids: 20,
  /** A sample with fewer matching rows is not used (with 400 the standard error of their number is about 5 %). */
  sample_rows_min: 400,
  /** Then all matching rows are counted, up to this number. */
  counted_rows_max: 100_000,
  /** The deadline of a statement. The embedded database does not support it. */
  statement_ms_max: 300,
  /** Concurrent counts per database: counts must not use up the connections of readers. */
  running_max: 3,
  waiting_max: 60,
  /** A count that was queued for longer is not started: the page was sent without it. */
  waiting_ms_max: 2_000,
} as const;

/** The counts, the number of entries examined, and how many entries of the log each of them stands for. */
export type Counted<T> = { rows: T[]; rows_examined: number; weight: number; exact: boolean };

/** The subquery whose rows are counted. */
export type CountSource = ReturnType<typeof capped>;

type Limit = ReturnType<typeof limitConcurrency>;
const limits = new WeakMap<Reads, Limit>();
function limitOf(reads: Reads): Limit {
  const { running_max, waiting_max } = sampleLimits;
  const limit =
    limits.get(reads) ?? limitConcurrency(running_max, waiting_max, 'Too much is being counted. Try again.');
  limits.set(reads, limit);
  return limit;
}

/**
 * Runs statements with a deadline for each; null when one of them passed it. The settings are local to the transaction, so
 * that nothing stays in the session. JIT is off: the planner overestimates the sample and would compile for longer than
 * the statement runs.
 */
export async function withDeadline<T>(
  reads: Reads,
  statement_ms_max: number,
  run: (tx: Database) => Promise<T>,
): Promise<T | null> {
  const timed = reads((db) =>
    db.transaction(async (tx) => {
      await tx.execute(
        sql`select set_config('statement_timeout', ${String(statement_ms_max)}, true), set_config('jit', 'off', true)`,
      );
      return run(tx);
    }),
  );
  return timed.catch((error) => {
    if (isStatementTimeout(error)) return null;
    throw error;
  });
}

/** The same for the counts of a page: with their deadline, and only a few at once. */
export function withTimeout<T>(reads: Reads, run: (tx: Database) => Promise<T>): Promise<T | null> {
  const asked = performance.now();
  const isLate = () => performance.now() - asked > sampleLimits.waiting_ms_max;
  return limitOf(reads)(() =>
    withDeadline(reads, sampleLimits.statement_ms_max, async (tx) => (isLate() ? null : run(tx))),
  );
}

/**
 * Counts in a sample and, when too few of its rows match, counts all matching rows: a rare value is missed by a sample
 * and found by an index, and only the database knows what is rare. `newest` is the log's newest id, `size` the number of
 * rows counted. Null when both took too long.
 */
export async function countOrEstimate<T>(
  reads: Reads,
  where: SQL | undefined,
  newest: number,
  read: (tx: Database, source: CountSource) => Promise<T[]>,
  size: (rows: T[]) => number,
): Promise<Counted<T> | null> {
  const { short_rows_max, counted_rows_max, sample_ranges, sample_range_ids, sample_rows_min } = sampleLimits;
  const some = newest > short_rows_max ? await withTimeout(reads, (tx) => read(tx, sampled(tx, where, newest))) : null;
  const rows_examined = sample_ranges * sample_range_ids;
  const estimate = some && { rows: some, rows_examined, weight: newest / rows_examined, exact: false };
  if (some && size(some) >= sample_rows_min) return estimate;
  const rows = await withTimeout(reads, (tx) => read(tx, capped(tx, where)));
  const found = rows ? size(rows) : 0;
  return rows && found <= counted_rows_max ? { rows, rows_examined: found, weight: 1, exact: true } : estimate;
}

// As SQL expressions: drizzle accepts columns only of the table itself, and a sample's rows come from a subquery.
const fields = {
  timestamp: sql<string>`${log.timestamp}`.as('timestamp'),
  event_type: sql<string>`${log.event_type}`.as('event_type'),
  entity_type: sql<string>`${log.entity_type}`.as('entity_type'),
  service: sql<string | null>`${log.service}`.as('service'),
  user_id: sql<string | null>`${log.user_id}`.as('user_id'),
};

/** All matching rows, up to one more than is counted exactly. */
const capped = (tx: Database, where: SQL | undefined) =>
  tx
    .select(fields)
    .from(log)
    .where(where)
    .limit(sampleLimits.counted_rows_max + 1)
    .as('source');

/**
 * The matching rows in ranges of ids. Ids are dense, so all ranges have the same number of rows. The filter is applied
 * outside (`offset 0`): inside, the planner could scan a field's index once for every range.
 */
function sampled(tx: Database, where: SQL | undefined, newest: number): CountSource {
  const { sample_ranges, sample_range_ids } = sampleLimits;
  const start = sql`(i * ${newest}::bigint / ${sample_ranges}::bigint)`;
  const ranges = sql`generate_series(0::bigint, ${sample_ranges - 1}::bigint) as i cross join lateral (
    select * from ${log} where ${log.id} > ${start} and ${log.id} <= ${start} + ${sample_range_ids} offset 0
  ) as ${sql.identifier(getTableName(log))}`;
  return tx.select(fields).from(ranges).where(where).as('source');
}
