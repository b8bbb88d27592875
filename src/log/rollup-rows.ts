/**
 * The rows that a count by label and time adds up: derived months, days and hours, the entries at their edges, and the
 * newest.
 */
import { type SQL, sql } from 'drizzle-orm';
import { aboveCursor, cursorOf, takenOff } from './derived-rows.ts';
import { writeDatabaseTime } from './instant.ts';
import type { Derivation } from './reader.ts';
import { activityLogs as log, logRollup, logRollupDay, logRollupDayType, logRollupMonth } from './schema.ts';

const hour_ms = 3_600_000;
const day_ms = 24 * hour_ms;

/** The reader that counts: the functions derive_rollup_<version> and forget_rollup of the migrations. */
export const rollup: Derivation = { name: 'rollup', version: 1 };

/**
 * How a count groups its rows in time: not at all; by less than a day; or by days, where `bounds` are the times within
 * days at which a group begins. `byTypeOnly`: it knows no label but the event type.
 */
export type Groups = 'none' | 'hours' | { bounds: string[]; byTypeOnly: boolean };

/**
 * A period: `from <= timestamp < before`, in epoch milliseconds, or infinite. Numbers and not expressions of SQL: the
 * planner then leaves out the partitions beyond them, which took longer than counting.
 */
export type Window = { from: number; before: number };

const cursor = cursorOf(rollup);

type Unit = 'hour' | 'day' | 'month';
/** The beginning of the hour, day or month (UTC), and of the next one unless it begins there. */
export function floor(unit: Unit, ms: number): number {
  if (!Number.isFinite(ms)) return ms;
  const date = new Date(ms);
  date.setUTCMinutes(0, 0, 0);
  if (unit !== 'hour') date.setUTCHours(0);
  if (unit === 'month') date.setUTCDate(1);
  return date.getTime();
}
export function ceil(unit: Unit, ms: number): number {
  const start = floor(unit, ms);
  if (start === ms) return ms;
  const next = new Date(start);
  if (unit === 'month') next.setUTCMonth(next.getUTCMonth() + 1);
  return unit === 'month' ? next.getTime() : start + (unit === 'day' ? day_ms : hour_ms);
}

const instant = (ms: number) => sql`${writeDatabaseTime(ms)}::timestamptz`;

export function within(column: SQL, { from, before }: Window): SQL {
  const conditions = [
    sql`true`,
    ...(from === Number.NEGATIVE_INFINITY ? [] : [sql`${column} >= ${instant(from)}`]),
    ...(before === Number.POSITIVE_INFINITY ? [] : [sql`${column} < ${instant(before)}`]),
  ];
  return sql.join(conditions, sql` and `);
}

const hours = (window: Window) => sql`
  select ${logRollup.hour} as at, ${logRollup.event_type} as event_type, ${logRollup.entity_type} as entity_type,
         ${logRollup.service} as service, ${logRollup.n} as n
  from ${logRollup} where ${logRollup.version} = ${rollup.version} and ${within(sql`${logRollup.hour}`, window)}`;

const days = (window: Window) => sql`
  select ${logRollupDay.day} as at, ${logRollupDay.event_type} as event_type, ${logRollupDay.entity_type} as entity_type,
         ${logRollupDay.service} as service, ${logRollupDay.n} as n
  from ${logRollupDay} where ${logRollupDay.version} = ${rollup.version} and ${within(sql`${logRollupDay.day}`, window)}`;

const daysByType = (window: Window) => sql`
  select ${logRollupDayType.day} as at, ${logRollupDayType.event_type} as event_type,
         null::varchar(255) as entity_type, null::varchar(100) as service, ${logRollupDayType.n} as n
  from ${logRollupDayType}
  where ${logRollupDayType.version} = ${rollup.version} and ${within(sql`${logRollupDayType.day}`, window)}`;

const months = (window: Window) => sql`
  select ${logRollupMonth.month} as at, ${logRollupMonth.event_type} as event_type,
         ${logRollupMonth.entity_type} as entity_type, ${logRollupMonth.service} as service, ${logRollupMonth.n} as n
  from ${logRollupMonth}
  where ${logRollupMonth.version} = ${rollup.version} and ${within(sql`${logRollupMonth.month}`, window)}`;

/**
 * The days, some of which have a bound within them (a caller's own, at a full hour, at most one a day). Such a day is
 * counted at the beginning of its longer side (`at`). The hours of its shorter side (`lo` to `hi`) are counted at their
 * own time, and taken off at `at`. For the bound of a day in Europe these are one or two hours of 24.
 */
function daysWithBounds(window: Window, bounds: string[], whole: typeof days): SQL[] {
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
    ) bounds where ${within(sql`day`, window)}
  ) as split`;
  const counted = whole(window);
  return [
    sql`select coalesce(split.at, days.at) as at, days.event_type, days.entity_type, days.service, days.n
      from (${counted}) as days left join ${split} on split.day = days.at`,
    sql`select moved.at, r.event_type, r.entity_type, r.service, moved.n
      from ${split} join ${logRollup} r on r.version = ${rollup.version} and r.hour >= split.lo and r.hour < split.hi
      cross join lateral (values (r.hour, r.n), (split.at, -r.n)) as moved (at, n)`,
  ];
}

const entries = (ids: SQL, window: Window, n: 1 | -1 = 1) => sql`
  select ${log.timestamp} as at, ${log.event_type} as event_type, ${log.entity_type} as entity_type,
         coalesce(${log.service}, '')::varchar(100) as service, ${n}::bigint as n
  from ${log} where ${ids} and ${within(sql`${log.timestamp}`, window)}`;

/**
 * A subquery with the columns at, event_type, entity_type, service, n that counts each entry of the window once. `at` is
 * the entry's time or the beginning of its hour, day or month. `groups` says how the caller groups them in time. Entries
 * above the id `upto` are not counted: those that are derived already are in the rows once more, with n = -1.
 *
 * The largest unit covers the middle of the window, the next smaller one the two edges that are left of it, and so on
 * down to the entries. Where no whole unit is in the window, its bounds have crossed: then the edge before it covers all.
 */
export function rollupRows(window: Window, groups: Groups = 'none', upto: number | null = null): SQL {
  const parts: SQL[] = [entries(aboveCursor(rollup, upto), window)];
  if (upto !== null) parts.push(entries(takenOff(rollup, upto), window, -1));
  const add = (rows: (window: Window) => SQL | SQL[], from: number, before: number) => {
    if (from < before) parts.push(...[rows({ from, before })].flat());
  };
  /** The rows of the edges between a window and the whole units within it, which it returns. */
  const addEdges = (rows: (window: Window) => SQL, { from, before }: Window, unit: Unit): Window => {
    const whole = { from: ceil(unit, from), before: floor(unit, before) };
    add(rows, from, Math.min(whole.from, before));
    add(rows, Math.max(whole.from, whole.before), before);
    return whole;
  };
  const inHours = addEdges((edge) => entries(sql`${log.id} <= ${cursor}`, edge), window, 'hour');
  if (groups === 'hours') add(hours, inHours.from, inHours.before);
  else {
    const inDays = addEdges(hours, inHours, 'day');
    if (groups === 'none') {
      const inMonths = addEdges(days, inDays, 'month');
      add(months, inMonths.from, inMonths.before);
    } else {
      const whole = groups.byTypeOnly ? daysByType : days;
      const { bounds } = groups;
      add(
        (days) => (bounds.length === 0 ? whole(days) : daysWithBounds(days, bounds, whole)),
        inDays.from,
        inDays.before,
      );
    }
  }
  return sql.join(parts, sql` union all `);
}
