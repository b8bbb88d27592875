/** A question for an aggregate as a query string says it, and its answer: each number with the filter of its events. */
import { badField } from '../http/problem.ts';
import { type AggregateValue, aggregateLimits } from '../log/aggregate.ts';
import {
  type AggregateQuery,
  type GroupKey,
  groupKeys,
  type Interval,
  intervals,
  type Measure,
} from '../log/aggregate-sources.ts';
import { filterOf, type Paging, periodOf, readFilter, valueSql } from '../log/filter.ts';
import { isoOf } from '../log/instant.ts';
import { metadataPrefix } from '../log/metadata-path.ts';
import type { Store } from '../log/store.ts';
import { type Part, partFilters, within } from './aggregate-filters.ts';

export type Question = AggregateQuery & { compare: boolean };

/** The parameters beside the filter. */
export const aggregateParameters = [
  'group_by',
  'measure',
  'interval',
  'limit',
  'compare',
  'format',
] as const satisfies Paging[];

const isGroupKey = (text: string): text is GroupKey => (groupKeys as readonly string[]).includes(text);
const isInterval = (text: string): text is Interval => (intervals as readonly string[]).includes(text);
export const measures = ['count', 'users', 'entities', 'addresses'] as const;

/** Reads a measure; throws a 400. */
export function readMeasure(text: string): Measure {
  const of = measures.find((name) => name === text);
  if (of) return { of };
  const path = /^sum:(.+)$/.exec(text)?.[1];
  if (path?.startsWith(metadataPrefix) && valueSql(path)) return { of: 'sum', path };
  throw badField('measure', `must be one of ${measures.join(', ')}, or sum:metadata.<path>`);
}

/** Reads a question; throws a 400 that names the parameter. */
export function readQuestion(query: URLSearchParams): Question {
  const filter = readFilter(query, aggregateParameters);
  const group_by = query
    .getAll('group_by')
    .flatMap((text) => text.split(','))
    .filter((text) => text !== '');
  const { group_by_max, groups_default, groups_max } = aggregateLimits;
  if (!group_by.every(isGroupKey) || new Set(group_by).size < group_by.length || group_by.length > group_by_max)
    throw badField('group_by', `takes one or two of ${groupKeys.join(', ')}`);
  const interval = query.get('interval') || null;
  if (interval !== null && !isInterval(interval)) throw badField('interval', `must be one of ${intervals.join(', ')}`);
  const limit = Number(query.get('limit') || groups_default);
  if (!Number.isInteger(limit) || limit < 1 || limit > groups_max)
    throw badField('limit', `must be a whole number from 1 to ${groups_max}`);
  const compare = query.get('compare') || null;
  if (compare !== null && compare !== 'previous') throw badField('compare', 'must be previous');
  const { first_ms, last_ms } = periodOf(filter.terms);
  if (compare && (!Number.isFinite(first_ms) || !Number.isFinite(last_ms)))
    throw badField('compare', 'needs a start_date and an end_date');
  if (compare && interval) throw badField('compare', 'cannot be combined with an interval');
  return {
    filter,
    group_by,
    interval,
    limit,
    measure: readMeasure(query.get('measure') || 'count'),
    compare: compare !== null,
  };
}

/** A number, the filter of its events, and the same of the period before. The value of a group that has none is null. */
export type AnswerRow = { [key in GroupKey]?: string | null } & {
  /** The beginning of the interval. */
  time?: string;
  hour_of_week?: number;
  value: number;
  filter: string | null;
  previous?: { value: number; filter: string | null };
};

export type Answer = {
  measure: string;
  group_by: readonly GroupKey[];
  interval: Interval | null;
  cursor: number;
  is_exact: boolean;
  rows_examined?: number;
  total: AnswerRow;
  /** The groups, or the intervals, or the groups in each interval. */
  rows: AnswerRow[];
  /** The groups that are not named, together. */
  other: (AnswerRow & { groups: number })[];
  /** Of groups in intervals: each group over the whole period, and each interval with all groups. */
  groups?: AnswerRow[];
  intervals?: AnswerRow[];
};

export async function answerQuestion(store: Pick<Store, 'aggregate'>, question: Question): Promise<Answer> {
  const { group_by, interval, measure } = question;
  const isGrouped = group_by.length > 0;
  const found = await store.aggregate(question);
  const shown = found.groups.flatMap(({ keys }) => (keys ? [keys] : []));
  const filterOfPart = partFilters(question, found.cursor, shown);
  const before = question.compare ? await previous(store, question, found.cursor, shown) : null;
  const row = (of: Part['of'], { at, value }: Pick<AggregateValue, 'at' | 'value'>): AnswerRow => ({
    ...(at === null ? {} : interval === 'hour_of_week' ? { hour_of_week: at } : { time: isoOf(at) }),
    ...(Array.isArray(of) && Object.fromEntries(group_by.map((key, i) => [key, of[i] || null]))),
    value,
    filter: filterOfPart({ of, at }),
    ...(before && { previous: before.row(of) }),
  });
  const named = (values: AggregateValue[]) => values.flatMap((value) => (value.keys ? [row(value.keys, value)] : []));
  const whole = found.intervals.map((value) => row('all', value));
  const values = interval ? found.intervals_by_group : found.groups;
  return {
    measure: measure.of === 'sum' ? `sum:${measure.path}` : measure.of,
    group_by,
    interval,
    cursor: found.cursor,
    is_exact: found.is_exact && (before?.is_exact ?? true),
    ...(found.rows_examined !== null && { rows_examined: found.rows_examined }),
    total: row('all', { at: null, value: found.total }),
    rows: isGrouped ? named(values) : whole,
    other: isGrouped
      ? values.flatMap((value) => (value.keys ? [] : [{ ...row('others', value), groups: value.groups }]))
      : [],
    ...(interval && isGrouped && { groups: named(found.groups), intervals: whole }),
  };
}

/** The same groups in the period of the same length before. */
async function previous(store: Pick<Store, 'aggregate'>, question: Question, cursor: number, shown: string[][]) {
  const { first_ms, last_ms } = periodOf(question.filter.terms);
  const terms = [
    ...within(question.filter.terms, first_ms - (last_ms - first_ms + 1), first_ms - 1).filter(
      ({ key }) => key !== 'last_id',
    ),
    { key: 'last_id', negated: false, values: [String(cursor)] },
  ];
  const query = { ...question, filter: filterOf(terms), named: shown };
  const found = await store.aggregate(query);
  const filterOfPart = partFilters(query, cursor, shown);
  const values = new Map(found.groups.map(({ keys, value }) => [JSON.stringify(keys ?? 'others'), value]));
  return {
    is_exact: found.is_exact,
    row: (of: Part['of']) => ({
      value: of === 'all' ? found.total : (values.get(JSON.stringify(of)) ?? 0),
      filter: filterOfPart({ of, at: null }),
    }),
  };
}
