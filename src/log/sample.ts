/** Counting within bounds: all that matches where that is little, else a sample; nothing that takes too long. */
import { getTableName, type SQL, sql } from 'drizzle-orm';
import { limitConcurrency } from '../http/concurrency.ts';
import { isStatementTimeout } from '../http/problem.ts';
import { type Database, activityLogs as log } from './schema.ts';

export const sampleLimits = {
  /** A log no longer than this is counted without a sample. */
  short_rows_max: 50_000,
  /** In a longer one these many stretches of ids are looked at, spread evenly over it, */
  sample_stretches: 500,
  /** each of so many ids. Stretches of ids and not of time: a burst then weighs what it should. */
  sample_stretch_ids: 20,
  /** A sample with fewer rows that match says too little (with 400, the error of their number is about 5 %). */
  sample_rows_min: 400,
  /** Then all that matches is counted, up to here. */
  counted_rows_max: 100_000,
  /** What a statement may take. The embedded database has no clock for it. */
  statement_ms_max: 300,
  /** Of a pool's connections: neither writers nor readers wait behind numbers. */
  running_max: 3,
  waiting_max: 60,
  /** Who has waited longer for a turn has gone on without the number. */
  waiting_ms_max: 2_000,
} as const;

/** What was counted, in how many entries, and how many of the log one of these stands for. */
export type Counted<T> = { rows: T[]; rows_examined: number; weight: number; exact: boolean };

/** Entries to count, as a part of a statement. */
export type CountSource = ReturnType<typeof capped>;

type Gate = ReturnType<typeof limitConcurrency>;
const gates = new WeakMap<Database, Gate>();
function gateOf(db: Database): Gate {
  const { running_max, waiting_max } = sampleLimits;
  const gate = gates.get(db) ?? limitConcurrency(running_max, waiting_max, 'Too much is being counted. Try again.');
  gates.set(db, gate);
  return gate;
}

/**
 * Runs statements that may be given up: null then. The limit is the transaction's, and leaves nothing in a session. The
 * planner takes a sample for larger than it is, and would compile its statement for longer than it runs.
 */
export async function withTimeout<T>(db: Database, run: (tx: Database) => Promise<T>): Promise<T | null> {
  const asked = Date.now();
  const limited = gateOf(db)(() =>
    db.transaction(async (tx) => {
      await tx.execute(
        sql`select set_config('statement_timeout', ${String(sampleLimits.statement_ms_max)}, true), set_config('jit', 'off', true)`,
      );
      return Date.now() - asked > sampleLimits.waiting_ms_max ? null : run(tx);
    }),
  );
  return limited.catch((error) => {
    if (isStatementTimeout(error)) return null;
    throw error;
  });
}

/**
 * Counts in a sample and, when too little of it matches, all that does: a rare user is missed by a sample and found by
 * an index, and only the database knows what is rare. `newest` is the log's newest id, `size` how many entries were
 * counted. Null when both took too long.
 */
export async function countOrEstimate<T>(
  db: Database,
  where: SQL | undefined,
  newest: number,
  read: (tx: Database, source: CountSource) => Promise<T[]>,
  size: (rows: T[]) => number,
): Promise<Counted<T> | null> {
  const { short_rows_max, counted_rows_max, sample_stretches, sample_stretch_ids, sample_rows_min } = sampleLimits;
  const some = newest > short_rows_max ? await withTimeout(db, (tx) => read(tx, sampled(tx, where, newest))) : null;
  const rows_examined = sample_stretches * sample_stretch_ids;
  const estimate = some && { rows: some, rows_examined, weight: newest / rows_examined, exact: false };
  if (some && size(some) >= sample_rows_min) return estimate;
  const rows = await withTimeout(db, (tx) => read(tx, capped(tx, where)));
  const found = rows ? size(rows) : 0;
  return rows && found <= counted_rows_max ? { rows, rows_examined: found, weight: 1, exact: true } : estimate;
}

// As SQL: drizzle takes columns only from the table itself, and a sample's rows come from a part of it.
const fields = {
  timestamp: sql<string>`${log.timestamp}`.as('timestamp'),
  event_type: sql<string>`${log.event_type}`.as('event_type'),
  entity_type: sql<string>`${log.entity_type}`.as('entity_type'),
  service: sql<string | null>`${log.service}`.as('service'),
  user_id: sql<string | null>`${log.user_id}`.as('user_id'),
};

/** All that matches, up to one more than is counted exactly. */
const capped = (tx: Database, where: SQL | undefined) =>
  tx
    .select(fields)
    .from(log)
    .where(where)
    .limit(sampleLimits.counted_rows_max + 1)
    .as('source');

/**
 * What matches in stretches of ids. Ids are dense, so each stretch is as long as the others. The filter comes after
 * (`offset 0`): inside, the planner could go through a field's index anew for every stretch.
 */
function sampled(tx: Database, where: SQL | undefined, newest: number): CountSource {
  const { sample_stretches, sample_stretch_ids } = sampleLimits;
  const start = sql`(i * ${newest}::bigint / ${sample_stretches}::bigint)`;
  const stretches = sql`generate_series(0::bigint, ${sample_stretches - 1}::bigint) as i cross join lateral (
    select * from ${log} where ${log.id} > ${start} and ${log.id} <= ${start} + ${sample_stretch_ids} offset 0
  ) as ${sql.identifier(getTableName(log))}`;
  return tx.select(fields).from(stretches).where(where).as('source');
}
