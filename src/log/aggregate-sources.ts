/** What an aggregate asks for, and where its numbers come from: the rollup, the days of users, or the entries. */
import { and, inArray, lte, notInArray, type SQL, sql } from 'drizzle-orm';
import { gapOf } from './derived-rows.ts';
import { type Filter, isTimeKey, patternKey, valueSql } from './filter.ts';
import { isRollupFilter, isRollupKey, labelsMatch, windowOf } from './rollup-counts.ts';
import { type Groups, rollup, rollupRows } from './rollup-rows.ts';
import { activityLogs as log } from './schema.ts';
import { userDayRows, userDays } from './user-days.ts';

export const groupKeys = [
  'event_type',
  'entity_type',
  'service',
  'user_id',
  'entity_id',
  'ip_address',
  'pattern',
] as const;
export type GroupKey = (typeof groupKeys)[number];

/** `hour_of_week`: 0 is Monday from midnight to one o'clock. All are in UTC. */
export const intervals = ['hour', 'day', 'week', 'month', 'hour_of_week'] as const;
export type Interval = (typeof intervals)[number];

/** The number of entries; of different users, entities (with an id) or addresses; or the sum of numbers in the metadata. */
export type Measure = { of: 'count' | 'users' | 'entities' | 'addresses' } | { of: 'sum'; path: string };

export type AggregateQuery = {
  filter: Filter;
  group_by: readonly GroupKey[];
  interval: Interval | null;
  measure: Measure;
  /** How many groups are named; the others are counted together. */
  limit: number;
  /** How long the entries are read at once, where that is not `aggregate_ms_max`. */
  ms_max?: number;
  /** The groups to name, where they are those of another period and not the largest ones. */
  named?: readonly (readonly string[])[];
};

/** Rows with a time `at`, a number `n` and the columns below; a text is '' where there is none. */
type Source = {
  from: SQL;
  where: SQL | undefined;
  at: SQL;
  n: SQL;
  column(key: GroupKey): SQL;
  /** What distinct values are counted of. */
  value: SQL;
  /** Null where every row is counted. */
  gap: SQL | null;
};

const none = sql`''::text`;

function bucket(interval: Interval | null, at: SQL): SQL {
  if (!interval) return sql`0::float8`;
  const utc = sql`${at} at time zone 'UTC'`;
  return interval === 'hour_of_week'
    ? sql`coalesce((extract(isodow from ${utc}) - 1) * 24 + extract(hour from ${utc}), 0)::float8`
    : sql`(extract(epoch from date_trunc(${sql.raw(`'${interval}'`)}, ${at}, 'UTC')) * 1000)::float8`;
}

/** The rows that are ranked: groups, interval, distinct value and number. */
export function baseOf({ group_by, interval, measure }: AggregateQuery, source: Source): SQL {
  const [k1 = none, k2 = none] = group_by.map(source.column);
  const value = measure.of === 'count' || measure.of === 'sum' ? none : source.value;
  // Derived rows may be counted and taken off again.
  return sql`select ${k1} as k1, ${k2} as k2, ${bucket(interval, source.at)} as at, ${value} as v, sum(${source.n}) as n
    from ${source.from} where ${source.where ?? sql`true`} group by 1, 2, 3, 4 ${source.gap ? sql`having sum(${source.n}) > 0` : sql``}`;
}

/** Derived rows, where they know the answer. */
export function derivedSource(query: AggregateQuery, cursor: number): Source | null {
  const { filter, group_by, measure } = query;
  const derived = { at: sql`at`, n: sql`n`, column: (key: GroupKey) => sql`${sql.identifier(key)}::text` };
  const window = windowOf(filter.terms);
  if (measure.of === 'count' && isRollupFilter(filter) && group_by.every(isRollupKey))
    return {
      ...derived,
      from: sql`(${rollupRows(window, rollupGroups(query), cursor)}) as counted`,
      where: labelsMatch(filter.terms),
      value: none,
      gap: gapOf(rollup, cursor),
    };
  if ((measure.of === 'count' || measure.of === 'users') && isUserDayQuery(query))
    return {
      ...derived,
      from: sql`(${userDayRows(window, cursor)}) as counted`,
      where: userDaysMatch(filter),
      value: sql`user_id::text`,
      gap: gapOf(userDays, cursor),
    };
  return null;
}

function rollupGroups({ filter, group_by, interval }: AggregateQuery): Groups {
  if (interval === 'hour' || interval === 'hour_of_week') return 'hours';
  if (interval === null || interval === 'month') return 'none';
  const keys = [...group_by, ...filter.terms.map(({ key }) => key)];
  return { bounds: [], byTypeOnly: keys.every((key) => key === 'event_type' || isTimeKey(key)) };
}

const isUserDayKey = (key: string) => key === 'user_id' || key === 'event_type';

const isUserDayQuery = ({ filter, group_by, interval }: AggregateQuery): boolean =>
  group_by.every(isUserDayKey) &&
  interval !== 'hour' &&
  interval !== 'hour_of_week' &&
  filter.terms.every(
    ({ key, values }) =>
      isUserDayKey(key) ||
      isTimeKey(key) ||
      key === 'last_id' ||
      (key === 'without' && values.every((value) => value === 'user_id')),
  );

const userDaysMatch = ({ terms }: Filter) =>
  and(
    ...terms.flatMap(({ key, negated, values }) => {
      const [column, texts] = key === 'without' ? [sql`user_id`, ['']] : [sql`${sql.identifier(key)}`, values];
      if (!isUserDayKey(key) && key !== 'without') return [];
      return [negated ? notInArray(column, texts) : inArray(column, texts)];
    }),
  );

const text = (column: SQL) => sql`coalesce(${column}, '')`;
const address = text(sql`host(${log.ip_address})`);
const rowColumns: Record<GroupKey, SQL> = {
  event_type: sql`${log.event_type}::text`,
  entity_type: sql`${log.entity_type}::text`,
  service: text(sql`${log.service}`),
  user_id: text(sql`${log.user_id}`),
  entity_id: text(sql`${log.entity_id}`),
  ip_address: address,
  pattern: patternKey,
};
const distinctOf = {
  users: rowColumns.user_id,
  addresses: address,
  // The length tells where the type ends and the id begins.
  entities: text(sql`length(${log.entity_type}) || ':' || ${log.entity_type} || ${log.entity_id}`),
};

/** A number as JSON writes it, of a length that PostgreSQL reads: a text of digits may be of any. */
const numberForm = sql.raw(`'^-?[0-9]{1,40}(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?$'`);

function sumOf(path: string): SQL {
  const value = valueSql(path) ?? sql`null`;
  return sql`case when ${value} ~ ${numberForm} then (${value})::numeric end`;
}

/** The matching entries up to the id `cursor`, from a table or subquery under the name of the log. */
export const rowSource = ({ filter, measure }: AggregateQuery, cursor: number, entries: SQL): Source => ({
  from: entries,
  where: and(filter.where, lte(log.id, cursor)),
  at: sql`${log.timestamp}`,
  n: measure.of === 'sum' ? sumOf(measure.path) : sql`1`,
  column: (key) => rowColumns[key],
  value: measure.of === 'count' || measure.of === 'sum' ? none : distinctOf[measure.of],
  gap: null,
});
