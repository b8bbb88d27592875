/** The rows that a count by user, event type and day adds up: derived days, the entries at their edges, and the newest. */
import { type SQL, sql } from 'drizzle-orm';
import { aboveCursor, cursorOf, takenOff } from './derived-rows.ts';
import type { Derivation } from './reader.ts';
import { ceil, floor, type Window, within } from './rollup-rows.ts';
import { activityLogs as log, logUserDay } from './schema.ts';

/**
 * The reader that counts by user. It is none of the rollup's levels: it has a row for each user and day, and a log that
 * existed before it is derived anew without leaving the rollup's counts behind meanwhile.
 */
export const userDays: Derivation = { name: 'user_days', version: 1 };

const entries = (ids: SQL, window: Window, n: 1 | -1 = 1) => sql`
  select ${log.timestamp} as at, ${log.event_type} as event_type, coalesce(${log.user_id}, '') as user_id, ${n}::bigint as n
  from ${log} where ${ids} and ${within(sql`${log.timestamp}`, window)}`;

const days = (window: Window) => sql`
  select ${logUserDay.day} as at, ${logUserDay.event_type} as event_type, ${logUserDay.user_id} as user_id,
         ${logUserDay.n} as n
  from ${logUserDay} where ${logUserDay.version} = ${userDays.version} and ${within(sql`${logUserDay.day}`, window)}`;

/**
 * A subquery with the columns at, event_type, user_id, n that counts each entry of the window up to the id `upto` once.
 * `at` is the entry's time or the beginning of its day (UTC). Derived entries above `upto` are in it twice, once with n = -1.
 */
export function userDayRows(window: Window, upto: number): SQL {
  const { from, before } = window;
  const whole = { from: ceil('day', from), before: floor('day', before) };
  const isDerived = sql`${log.id} <= ${cursorOf(userDays)}`;
  const parts = [entries(aboveCursor(userDays, upto), window), entries(takenOff(userDays, upto), window, -1)];
  const add = (rows: (window: Window) => SQL, from: number, before: number) => {
    if (from < before) parts.push(rows({ from, before }));
  };
  add((edge) => entries(isDerived, edge), from, Math.min(whole.from, before));
  add((edge) => entries(isDerived, edge), Math.max(whole.from, whole.before), before);
  add(days, whole.from, whole.before);
  return sql.join(parts, sql` union all `);
}
