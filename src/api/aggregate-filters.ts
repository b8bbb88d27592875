/** The filter of each number of an aggregate: the list that it selects has exactly the events that were counted. */
import { Problem } from '../http/problem.ts';
import type { AggregateQuery, Interval } from '../log/aggregate-sources.ts';
import { filterLimits, isTimeKey, periodOf, readFilter, type Term, writeFilter } from '../log/filter.ts';
import { isoOf } from '../log/instant.ts';

const lengths_ms = { hour: 3_600_000, day: 86_400_000, week: 7 * 86_400_000 } as const;

/** The beginning of the next interval, in epoch ms. */
function endOf(interval: Exclude<Interval, 'hour_of_week'>, at: number): number {
  if (interval !== 'month') return at + lengths_ms[interval];
  const date = new Date(at);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
}

/** The terms with a period of their own instead of theirs; both ends are included. */
export const within = (terms: Term[], from: number, to: number): Term[] => [
  ...terms.filter(({ key }) => !isTimeKey(key)),
  ...(Number.isFinite(from) ? [{ key: 'start_date', negated: false, values: [isoOf(from)] }] : []),
  ...(Number.isFinite(to) ? [{ key: 'end_date', negated: false, values: [isoOf(to)] }] : []),
];

function narrowed(terms: Term[], interval: Interval, at: number): Term[] {
  if (interval === 'hour_of_week')
    return [...terms.filter(({ key }) => key !== interval), { key: interval, negated: false, values: [String(at)] }];
  const { first_ms, last_ms } = periodOf(terms);
  return within(terms, Math.max(first_ms, at), Math.min(last_ms, endOf(interval, at) - 1));
}

/** The terms and one more; values of the same parameter are put together. */
function added(terms: Term[], { key, negated, values }: Term): Term[] {
  const same = terms.find((term) => term.key === key && term.negated === negated);
  return [
    ...terms.filter((term) => term !== same),
    { key, negated, values: [...new Set([...(same?.values ?? []), ...values])] },
  ];
}

/** The entries with this value; '' is none. What the filter said of the field before is true of them. */
const having = (terms: Term[], key: string, value: string): Term[] =>
  value === ''
    ? added(
        terms.filter((term) => term.key !== key),
        { key: 'without', negated: false, values: [key] },
      )
    : [...terms.filter((term) => term.key !== key), { key, negated: false, values: [value] }];

const written = (terms: Term[]): string | null => {
  const query = writeFilter(terms);
  try {
    readFilter(query);
  } catch (error) {
    if (error instanceof Problem) return null;
    throw error;
  }
  return query.toString();
};

/** Which entries a number is about: one group, the groups that are not named, or all; and of which interval. */
export type Part = { of: string[] | 'others' | 'all'; at: number | null };

/**
 * Writes the filters of a query whose answer is exact up to `cursor`. `shown` are the groups that are named. Null where no
 * filter says it: all others of a count by two fields, or by more values than a filter takes.
 */
export function partFilters({ filter, group_by, interval }: AggregateQuery, cursor: number, shown: string[][]) {
  const pinned: Term[] = [
    ...filter.terms.filter(({ key }) => key !== 'last_id'),
    { key: 'last_id', negated: false, values: [String(cursor)] },
  ];
  /** Each of the groups that are named is another value of the one field. */
  function others(terms: Term[]): Term[] | null {
    const [key, second] = group_by;
    if (key === undefined || second !== undefined || shown.length > filterLimits.values_max) return null;
    const values = shown.flatMap(([value = '']) => (value === '' ? [] : [value]));
    const rest = values.length > 0 ? added(terms, { key, negated: true, values }) : terms;
    return shown.some(([value]) => value === '') ? added(rest, { key: 'without', negated: true, values: [key] }) : rest;
  }
  return ({ of, at }: Part): string | null => {
    const terms = interval && at !== null ? narrowed(pinned, interval, at) : pinned;
    if (of === 'all') return written(terms);
    const part =
      of === 'others' ? others(terms) : group_by.reduce((all, key, i) => having(all, key, of[i] ?? ''), terms);
    return part && written(part);
  };
}
