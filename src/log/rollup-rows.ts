/** The rows that a count by label and time adds up: derived days and hours, the entries at their edges, and the newest. */
import { type SQL, sql } from 'drizzle-orm';
import type { Derivation } from './reader.ts';
import { activityLogs as log, logBatches, logIdentity, logReaders, logRollup, logRollupDay } from './schema.ts';

export const rollupLimits = {
  /** The number of entries above the reader's cursor that a count reads. A larger gap is counted from rows alone. */
  gap_ids_max: 40_000,
} as const;

/** The reader that counts: the functions derive_rollup_<version> and forget_rollup of the migrations. */
export const rollup: Derivation = { name: 'rollup', version: 1 };

/** A period: `from <= timestamp < before`, as expressions of timestamptz; null has no bound. */
export type Window = { from: SQL | null; before: SQL | null };

const own = sql`from ${logReaders} where ${logReaders.name} = ${rollup.name} and ${logReaders.version} = ${rollup.version}
  and ${logReaders.log_id} = (select ${logIdentity.log_id} from ${logIdentity})`;
const cursor = sql`(select ${logReaders.cursor} ${own})`;

const head = sql`coalesce((select ${logBatches.last_id} from ${logBatches} order by ${logBatches.last_id} desc limit 1), 0)`;

/** How many entries are above the cursor, in the snapshot of the statement; null where no reader of this version counts. */
export const gapSql = sql<unknown>`(select ${head} - ${logReaders.cursor} ${own})`;

export const isUsableGap = (gap: unknown): boolean =>
  gap !== null && Number(gap) >= 0 && Number(gap) <= rollupLimits.gap_ids_max;

type Unit = 'hour' | 'day';
const unit_us: Record<Unit, string> = { hour: '3599999999 microseconds', day: '86399999999 microseconds' };
const floor = (unit: Unit, at: SQL) => sql`date_trunc(${sql.raw(`'${unit}'`)}, ${at}, 'UTC')`;
const ceil = (unit: Unit, at: SQL) => floor(unit, sql`${at} + ${sql.raw(`interval '${unit_us[unit]}'`)}`);

/** Both or the one that is there. `least` and `greatest` of SQL, where a null would also be ignored. */
const least = (a: SQL, b: SQL | null) => (b ? sql`least(${a}, ${b})` : a);
const greatest = (a: SQL, b: SQL | null) => (b ? sql`greatest(${a}, ${b})` : a);

const within = (column: SQL | { name: string }, from: SQL | null, before: SQL | null): SQL => {
  const conditions = [
    sql`true`,
    ...(from ? [sql`${column} >= ${from}`] : []),
    ...(before ? [sql`${column} < ${before}`] : []),
  ];
  return sql.join(conditions, sql` and `);
};

const hours = (from: SQL | null, before: SQL | null) => sql`
  select ${logRollup.hour} as at, ${logRollup.event_type} as event_type, ${logRollup.entity_type} as entity_type,
         ${logRollup.service} as service, ${logRollup.n} as n
  from ${logRollup} where ${logRollup.version} = ${rollup.version} and ${within(sql`${logRollup.hour}`, from, before)}`;

const days = (from: SQL | null, before: SQL | null) => sql`
  select ${logRollupDay.day} as at, ${logRollupDay.event_type} as event_type, ${logRollupDay.entity_type} as entity_type,
         ${logRollupDay.service} as service, ${logRollupDay.n} as n
  from ${logRollupDay} where ${logRollupDay.version} = ${rollup.version} and ${within(sql`${logRollupDay.day}`, from, before)}`;

/**
 * The days, some of which have a bound within them (a caller's own, at a full hour, at most one a day). Such a day is
 * counted at the beginning of its longer side (`at`). The hours of its shorter side (`lo` to `hi`) are counted at their
 * own time, and taken off at `at`. For the bound of a day in Europe these are one or two hours of 24.
 */
function daysWithBounds(from: SQL | null, before: SQL | null, bounds: string[]): SQL[] {
  const list = sql.join(
    bounds.map((bound) => sql`${bound}`),
    sql`, `,
  );
  const split = sql`(
    select day, case when early then bound else day end as at, case when early then day else bound end as lo,
           case when early then bound else day + interval '24 hours' end as hi
    from (
      select bound, day, bound - day <= interval '12 hours' as early
      from unnest(array[${list}]::timestamptz[]) bound, date_trunc('day', bound, 'UTC') day
    ) bounds where ${within(sql`day`, from, before)}
  ) as split`;
  const counted = days(from, before);
  return [
    sql`select coalesce(split.at, days.at) as at, days.event_type, days.entity_type, days.service, days.n
      from (${counted}) as days left join ${split} on split.day = days.at`,
    sql`select moved.at, r.event_type, r.entity_type, r.service, moved.n
      from ${split} join ${logRollup} r on r.version = ${rollup.version} and r.hour >= split.lo and r.hour < split.hi
      cross join lateral (values (r.hour, r.n), (split.at, -r.n)) as moved (at, n)`,
  ];
}

const entries = (ids: SQL, from: SQL | null, before: SQL | null) => sql`
  select ${log.timestamp} as at, ${log.event_type} as event_type, ${log.entity_type} as entity_type,
         coalesce(${log.service}, '')::varchar(100) as service, 1::bigint as n
  from ${log} where ${ids} and ${within(sql`${log.timestamp}`, from, before)}`;

/**
 * A subquery with the columns at, event_type, entity_type, service, n that counts each entry of the window once. `at` is
 * the entry's time or the beginning of its hour or day. The parts meet at bounds that are computed from the same
 * expressions, and a part whose bounds have crossed is empty: then the part before it covers the rest.
 *
 * `bounds` are times within days at which the caller's own groups begin; 'hours' when they are shorter than a day.
 */
export function rollupRows({ from, before }: Window, bounds: string[] | 'hours' = []): SQL {
  const h0 = from && ceil('hour', from);
  const h1 = before && floor('hour', before);
  const d0 = from && ceil('day', from);
  const d1 = before && floor('day', before);
  const derived = sql`${log.id} <= ${cursor}`;
  const parts: SQL[] = [
    entries(sql`${log.id} > ${cursor} and ${log.id} <= ${cursor} + ${rollupLimits.gap_ids_max}::bigint`, from, before),
  ];
  if (from && h0) parts.push(entries(derived, from, least(h0, before)));
  if (before && h1) parts.push(entries(derived, greatest(h1, h0), before));
  if (bounds === 'hours') parts.push(hours(h0, h1));
  else {
    if (h0 && d0) parts.push(hours(h0, least(d0, h1)));
    if (h1 && d1) parts.push(hours(greatest(d1, d0), h1));
    parts.push(...(bounds.length === 0 ? [days(d0, d1)] : daysWithBounds(d0, d1, bounds)));
  }
  return sql.join(parts, sql` union all `);
}
