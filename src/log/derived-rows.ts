/** What a count adds to derived rows, in one snapshot: the entries above their reader's cursor, or those it has to leave out. */
import { type SQL, sql } from 'drizzle-orm';
import type { Derivation } from './reader.ts';
import { activityLogs as log, logBatches, logIdentity, logReaders } from './schema.ts';

export const derivedLimits = {
  /** The number of entries above the reader's cursor that a count reads. A larger gap is counted from rows alone. */
  gap_ids_max: 40_000,
} as const;

const own = ({ name, version }: Derivation) => sql`from ${logReaders} where ${logReaders.name} = ${name}
  and ${logReaders.version} = ${version} and ${logReaders.log_id} = (select ${logIdentity.log_id} from ${logIdentity})`;

export const cursorOf = (derivation: Derivation) => sql`(select ${logReaders.cursor} ${own(derivation)})`;

/** The id of the newest entry. */
export const headSql = sql`coalesce((select ${logBatches.last_id} from ${logBatches} order by ${logBatches.last_id} desc limit 1), 0)`;

/**
 * How many entries are between the cursor and the last one that is counted: `upto`, or the newest one, in the snapshot of
 * the statement. Null where no reader of this version counts, negative where another log was restored.
 */
export const gapOf = (derivation: Derivation, upto: number | null = null) => {
  const gap =
    upto === null
      ? sql`${headSql} - ${logReaders.cursor}`
      : sql`case when ${headSql} >= ${logReaders.cursor} then abs(least(${upto}::bigint, ${headSql}) - ${logReaders.cursor}) end`;
  return sql<unknown>`(select ${gap} ${own(derivation)})`;
};

export const isUsableGap = (gap: unknown): boolean =>
  gap !== null && Number(gap) >= 0 && Number(gap) <= derivedLimits.gap_ids_max;

const gap_max = sql`${derivedLimits.gap_ids_max}::bigint`;

/** The ids that are counted beside the derived rows. */
export function aboveCursor(derivation: Derivation, upto: number | null): SQL {
  const cursor = cursorOf(derivation);
  const last = upto === null ? sql`` : sql` and ${log.id} <= ${upto}::bigint`;
  return sql`${log.id} > ${cursor} and ${log.id} <= ${cursor} + ${gap_max}${last}`;
}

/** The ids that are derived, and not counted because they are above `upto`. */
export function takenOff(derivation: Derivation, upto: number): SQL {
  const cursor = cursorOf(derivation);
  return sql`${log.id} > greatest(${upto}::bigint, ${cursor} - ${gap_max}) and ${log.id} <= ${cursor}`;
}
