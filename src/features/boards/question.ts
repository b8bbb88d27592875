/** What the address of a board asks: its filter and period, and the question of each panel under them. */
import { badField } from '../../http/problem.ts';
import { type Filter, filterOf, isTimeKey, periodOf, readFilter, type Term } from '../../log/filter.ts';
import { isoOf } from '../../log/instant.ts';
import { isRange, type Panel, type RangeName, ranges } from './panel.ts';

const hour_ms = 3_600_000;
const day_ms = 24 * hour_ms;
const range_default: RangeName = '7d';

/** Both ends are included, in epoch ms. */
export type Period = { from: number; to: number };

export type BoardQuery = {
  /** Without the times. */
  filter: Filter;
  range: RangeName | null;
  /** Times of the address, which are those of every panel. */
  fixed: Period | null;
  /** The hour that the ranges end with. The answer to the same question of the same log stays the same within it. */
  hour_end: number;
};

/** Reads the parameters of a board's address. Throws a 400 that names the parameter. */
export function readBoardQuery(query: URLSearchParams, now_ms: number): BoardQuery {
  const { terms } = readFilter(query, ['last']);
  const last = query.get('last') ?? '';
  if (last !== '' && !isRange(last)) throw badField('last', `must be one of ${Object.keys(ranges).join(', ')}`);
  const hour_end = (Math.floor(now_ms / hour_ms) + 1) * hour_ms - 1;
  const { first_ms, last_ms } = periodOf(terms);
  const isFixed = Number.isFinite(first_ms) || Number.isFinite(last_ms);
  const to = Number.isFinite(last_ms) ? last_ms : hour_end;
  const from = Number.isFinite(first_ms) ? first_ms : to - ranges['1y'] * day_ms + 1;
  return {
    filter: filterOf(terms.filter(({ key }) => !isTimeKey(key))),
    range: last === '' ? null : (last as RangeName),
    fixed: isFixed ? { from, to } : null,
    hour_end,
  };
}

/** The period of a panel. */
export function periodOfPanel({ range: own }: Pick<Panel, 'range'>, { range, fixed, hour_end }: BoardQuery): Period {
  if (fixed) return fixed;
  return { from: hour_end - ranges[range ?? (own || range_default)] * day_ms + 1, to: hour_end };
}

export type PanelInterval = 'hour' | 'day' | 'week' | 'month';

/** The interval that makes at most about 60 bars of a period. */
export function intervalOf({ from, to }: Period): PanelInterval {
  const days = (to - from) / day_ms;
  return days <= 2 ? 'hour' : days <= 60 ? 'day' : days <= 400 ? 'week' : 'month';
}

/** The beginning of the interval of a time, in UTC. Weeks begin on Monday. */
export function startOf(interval: PanelInterval, ms: number): number {
  const date = new Date(ms);
  date.setUTCMinutes(0, 0, 0);
  if (interval !== 'hour') date.setUTCHours(0);
  if (interval === 'week') date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7));
  if (interval === 'month') date.setUTCDate(1);
  return date.getTime();
}

/** The beginning of the next interval. */
export function next(interval: PanelInterval, start: number): number {
  if (interval !== 'month') return start + { hour: hour_ms, day: day_ms, week: 7 * day_ms }[interval];
  const date = new Date(start);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
}

/** The terms of both: what matches must match each of them. */
export function both(one: Term[], other: Term[]): Term[] {
  const terms = [...one];
  for (const term of other) {
    const i = terms.findIndex(({ key, negated }) => key === term.key && negated === term.negated);
    const same = terms[i];
    if (!same) terms.push(term);
    // Values of a search or of an exclusion all count; of the others an event has one.
    else if (term.negated || ['search', 'without'].includes(term.key))
      terms[i] = { ...term, values: [...new Set([...same.values, ...term.values])] };
    else {
      const values = term.values.filter((value) => same.values.includes(value));
      // No event has the id 0.
      if (values.length === 0) return [{ key: 'last_id', negated: false, values: ['0'] }];
      terms[i] = { ...term, values };
    }
  }
  return terms;
}

/** The filter of a panel under that of the address, within a period. */
export const panelTerms = (panel: Pick<Panel, 'filter'>, { filter }: BoardQuery, { from, to }: Period): Term[] => [
  ...both(
    readFilter(new URLSearchParams(panel.filter)).terms.filter(({ key }) => !isTimeKey(key)),
    filter.terms,
  ),
  { key: 'start_date', negated: false, values: [isoOf(from)] },
  { key: 'end_date', negated: false, values: [isoOf(to)] },
];
