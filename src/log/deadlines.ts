/** Reads with a deadline for each statement, on a server; an embedded database does not support them. */
import { sql } from 'drizzle-orm';
import { limitConcurrency } from '../http/concurrency.ts';
import { isStatementTimeout } from '../http/problem.ts';
import type { Reads } from './reads.ts';
import type { Database } from './schema.ts';

export const deadlineLimits = {
  /** The deadline of a statement that counts for a page. */
  statement_ms_max: 300,
  /** Concurrent counts per database: counts must not use up the connections of readers, */
  running_max: 3,
  /**
   * and concurrent scans not its processors: eight guests whose searches and counts find no index took 85 % of the
   * writers' throughput.
   */
  scans_running_max: 1,
  waiting_max: 60,
  /** A count that was queued for longer is not started: the page was sent without it. */
  waiting_ms_max: 2_000,
} as const;

type Limit = ReturnType<typeof limitConcurrency>;
/** A limit for each database. */
function limitOf(running_max: number, refusal: string): (reads: Reads) => Limit {
  const limits = new WeakMap<Reads, Limit>();
  return (reads) => {
    const limit = limits.get(reads) ?? limitConcurrency(running_max, deadlineLimits.waiting_max, refusal);
    limits.set(reads, limit);
    return limit;
  };
}
const countLimit = limitOf(deadlineLimits.running_max, 'Too much is being counted. Try again.');
const scanLimit = limitOf(deadlineLimits.scans_running_max, 'Too many slow searches and counts. Try again.');

/** Runs what may read many entries, when it is its turn. Keep it short: a long scan takes a turn for each of its parts. */
export const takingTurns = <T>(reads: Reads, run: () => Promise<T>): Promise<T> => scanLimit(reads)(run);

/**
 * Runs statements with a deadline for each; null when one of them passed it. The settings are local to the transaction, so
 * that nothing stays in the session. JIT is off: the planner overestimates the sample and would compile for longer than
 * the statement runs. Parallel workers are off: a reader must not take several processors from the writers.
 */
export async function withDeadline<T>(
  reads: Reads,
  statement_ms_max: number,
  run: (tx: Database) => Promise<T>,
): Promise<T | null> {
  const timed = reads((db) =>
    db.transaction(async (tx) => {
      if (reads.deadline_ms === null) return run(tx);
      // Not sent together: the driver gives no order to statements that start in one turn.
      await tx.execute(
        sql`select set_config('statement_timeout', ${String(statement_ms_max)}, true), set_config('jit', 'off', true),
          set_config('max_parallel_workers_per_gather', '0', true)`,
      );
      return run(tx);
    }),
  );
  return timed.catch((error) => {
    if (isStatementTimeout(error)) return null;
    throw error;
  });
}

/**
 * The same for the counts of a page: with their deadline, or a shorter one, and only a few at once; of those that `scan`,
 * one at a time.
 */
export function withTimeout<T>(
  reads: Reads,
  run: (tx: Database) => Promise<T>,
  { scans = false, statement_ms_max = deadlineLimits.statement_ms_max as number } = {},
): Promise<T | null> {
  const asked = performance.now();
  const isLate = () => performance.now() - asked > deadlineLimits.waiting_ms_max;
  const limit = scans ? scanLimit(reads) : countLimit(reads);
  return limit(() => withDeadline(reads, statement_ms_max, async (tx) => (isLate() ? null : run(tx))));
}
