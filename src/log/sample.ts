/** Counting with bounded cost: all matching rows where they are few, else a sample, each with a deadline. */
import { getTableName, type SQL, sql } from 'drizzle-orm';
import { withTimeout } from './deadlines.ts';
import { type Filter, isTimeKey } from './filter.ts';
import type { Reads } from './reads.ts';
import { isRollupKey } from './rollup-counts.ts';
import { type Database, activityLogs as log } from './schema.ts';
import { hasRareValue, readWhole, wholeLimits } from './whole-reads.ts';

export const sampleLimits = {
  /** A log up to this length is counted without a sample, on a server. */
  short_rows_max: 50_000,
  /** The sample of a longer log: this many ranges of ids, spread evenly over it, */
  sample_ranges: 500,
  /** each with this many ids. Ranges of ids and not of time: a burst then has its true weight. */
  sample_range_ids: 20,
  /** A sample with fewer matching rows is not used (with 400 the standard error of their number is about 5 %). */
  sample_rows_min: 400,
  /**
   * Then a larger one is taken, whose ranges have so many ids: finding a range costs more than reading it. So does a
   * filter that asks for a user, a word or the like, of which few entries are expected.
   */
  large_sample_range_ids: 100,
  /** The larger one is used from this many matching rows on (about 7 %). */
  large_sample_rows_min: 200,
  /** Where a sample without enough rows, or the larger one, suggests at most so many matches, they are counted instead. */
  few_rows_max: 20_000,
  /** Where no sample is used, all matching rows are counted, up to this number. */
  counted_rows_max: 100_000,
} as const;

/** The counts, the number of entries examined, and how many entries of the log each of them stands for. */
export type Counted<T> = { rows: T[]; rows_examined: number; weight: number; exact: boolean };

/** The subquery whose rows are counted. */
export type CountSource = ReturnType<typeof capped>;

/**
 * Counts in a sample and, when too few of its rows match, in a larger one or all matching rows: a rare value is missed by
 * a sample and found by an index, and only the database knows what is rare. `newest` is the log's newest id, `size` the
 * number of rows counted. Null when all took too long.
 *
 * Samples take no turn as scans do: what they read is bounded, and the counts of a page then need not wait for each other.
 */
export async function countOrEstimate<T>(
  reads: Reads,
  filter: Pick<Filter, 'terms' | 'where'>,
  newest: number,
  read: (tx: Database, source: CountSource) => Promise<T[]>,
  size: (rows: T[]) => number,
  few_rows_max: number = sampleLimits.few_rows_max,
): Promise<Counted<T> | null> {
  const { short_rows_max, counted_rows_max } = sampleLimits;
  const estimate = async (range_ids: number): Promise<Counted<T> | null> => {
    const rows = await withTimeout(reads, (tx) => read(tx, sampled(tx, filter.where, newest, range_ids)));
    const rows_examined = sampleLimits.sample_ranges * range_ids;
    return rows && { rows, rows_examined, weight: newest / rows_examined, exact: false };
  };
  const isServer = reads.deadline_ms !== null;
  const isLong = newest > (isServer ? short_rows_max : wholeLimits.short_rows_max);
  const isNarrow =
    isServer && filter.terms.some(({ key, negated }) => !negated && !isRollupKey(key) && !isTimeKey(key));
  // Of most users and the like there are few entries: an index says so in a fraction of a sample's time.
  const few =
    isLong && isNarrow
      ? await withTimeout(reads, async (tx) =>
          (await hasRareValue(tx, filter.terms)) ? read(tx, capped(tx, filter.where)) : null,
        )
      : null;
  if (few) return { rows: few, rows_examined: size(few), weight: 1, exact: true };
  const small = isLong && !isNarrow ? await estimate(sampleLimits.sample_range_ids) : null;
  if (small && size(small.rows) >= sampleLimits.sample_rows_min) return small;
  const areMany = (sample: Counted<T>) => size(sample.rows) * sample.weight > few_rows_max;
  // An embedded database holds the process meanwhile, so that it takes no larger one.
  const isLarge = isLong && (isNarrow || (isServer && small !== null && areMany(small)));
  const large = isLarge ? await estimate(sampleLimits.large_sample_range_ids) : null;
  if (large && areMany(large) && size(large.rows) >= sampleLimits.large_sample_rows_min) return large;
  const rows = await readWhole(reads, filter, newest, (tx) => read(tx, capped(tx, filter.where)));
  const found = rows ? size(rows) : 0;
  return rows && found <= counted_rows_max ? { rows, rows_examined: found, weight: 1, exact: true } : (large ?? small);
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
const sampled = (tx: Database, where: SQL | undefined, newest: number, range_ids: number): CountSource =>
  tx.select(fields).from(sampledRows(newest, range_ids)).where(where).as('source');

/** The sampled entries, under the name of the log. */
export function sampledRows(newest: number, range_ids: number): SQL {
  const { sample_ranges } = sampleLimits;
  const start = sql`(i * ${newest}::bigint / ${sample_ranges}::bigint)`;
  return sql`generate_series(0::bigint, ${sample_ranges - 1}::bigint) as i cross join lateral (
    select * from ${log} where ${log.id} > ${start} and ${log.id} <= ${start} + ${range_ids}::bigint offset 0
  ) as ${sql.identifier(getTableName(log))}`;
}
