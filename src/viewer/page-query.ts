/**
 * What the page is params: the API's filter, and what only people use beside it: the line, "the last hour", the wall
 * clocks of a zone. Read into one canonical query, which is the page's address.
 */

import { Problem } from '../http/problem.ts';
import type { Buckets } from '../log/breakdown.ts';
import { type Filter, readFilter, type Term, writeFilter } from '../log/filter.ts';
import { isoOf, parseInstant } from '../log/instant.ts';
import { readSyntax } from '../log/syntax.ts';
import { fromWallClock, wallClock } from '../page/time-zone.ts';

const minute_ms = 60_000;
const hour_ms = 60 * minute_ms;
const day_ms = 24 * hour_ms;

/** The ranges that end now, by their name in the address. */
export const relativeRanges = {
  '15m': 15 * minute_ms,
  '1h': hour_ms,
  '24h': day_ms,
  '7d': 7 * day_ms,
  '30d': 30 * day_ms,
} as const;
export type RelativeRange = keyof typeof relativeRanges;
const isLast = (text: string): text is RelativeRange => Object.hasOwn(relativeRanges, text);

/** From and to in epoch milliseconds, both included; null is without end on that side. */
export type Range = { last: RelativeRange | null; from: number | null; to: number | null };

export type PageQuery = {
  /** With the range as times. */
  filter: Filter;
  /** All that is params but the range. */
  terms: Term[];
  range: Range;
  /** The canonical query of the page. */
  query: URLSearchParams;
};

const rangeKeys = ['start_date', 'end_date'];
const isRange = ({ key }: Term) => rangeKeys.includes(key);

/** What the page understands beside the filter and the place in it; they never stay in its address. */
const formOnlyKeys = ['q', 'show', 'from', 'to'];

/** Whether the address is one that a form made: then there is a shorter one that means the same. */
export const isFormQuery = (params: URLSearchParams): boolean =>
  formOnlyKeys.some((key) => params.has(key)) || [...params.values()].includes('');

/**
 * Reads what was params at `now_ms` by somebody whose clocks show `zone`. Throws a 400 that names the parameter, and a
 * 422 for a line that cannot be understood.
 */
export function readPageQuery(params: URLSearchParams, now_ms: number, zone: string): PageQuery {
  const query = new URLSearchParams(params);
  readRangeForm(query, zone);
  const line = query.get('q') ?? '';
  for (const key of [...formOnlyKeys, 'around']) query.delete(key);
  const meant = readLine(line, zone);
  // A time in the line is newer than the one that the form carried along.
  if (rangeKeys.some((key) => meant.has(key))) for (const key of ['last', ...rangeKeys]) query.delete(key);
  for (const [key, value] of meant) query.append(key, value);

  const last = query.get('last') ?? '';
  if (last && !isLast(last)) throw new Problem(400, `last: must be one of ${Object.keys(relativeRanges).join(', ')}`);
  const written = readFilter(query, ['limit', 'before', 'offset', 'after', 'live', 'on', 'last']);
  const terms = written.terms.filter((term) => !isRange(term));
  const range = rangeOf(written.terms);
  if (!isLast(last)) return { filter: written, terms, range, query: writeFilter(written.terms) };
  const canonical = writeFilter(terms);
  canonical.set('last', last);
  const from = now_ms - relativeRanges[last];
  const times = writeFilter(terms);
  times.set('start_date', new Date(from).toISOString());
  return { filter: readFilter(times), terms, range: { last, from, to: null }, query: canonical };
}

function readLine(line: string, zone: string): URLSearchParams {
  const { query, faults } = readSyntax(line, (text, edge) => toInstant(text, edge, zone) ?? text);
  if (faults.length === 0) return query;
  const said = faults.map(({ word, reason }) => `${word} ${reason}`).join('; ');
  throw new Problem(422, `${said}.`, { errors: faults.map(({ word, reason }) => ({ field: word, reason })) });
}

/**
 * The custom range form: `from` and `to` as the reader's clocks show them, to the second, beside the times of the range
 * that was shown. An unchanged field keeps that time with its milliseconds; an empty one removes the bound.
 */
function readRangeForm(query: URLSearchParams, zone: string): void {
  const shown = rangeOf([...query].map(([key, value]) => ({ key, negated: false, values: [value] })));
  for (const [name, key, edge, shown_ms] of [
    ['from', 'start_date', 'start', shown.from],
    ['to', 'end_date', 'end', shown.to],
  ] as const) {
    const typed = query.get(name);
    if (typed === null) continue;
    const withSeconds = /T\d\d:\d\d$/.test(typed) ? `${typed}:00` : typed;
    if (shown_ms !== null && withSeconds === clockFieldValue(shown_ms, zone)) continue;
    query.delete(key);
    if (typed === '') continue;
    const instant = toInstant(typed, edge, zone);
    if (!instant) throw new Problem(400, `${name}: must be a date, or a date and time, such as 2026-11-23T09:30`);
    query.set(key, instant);
  }
  if (query.get('from') || query.get('to')) query.delete('last');
}

/** A moment as the value of a datetime-local field, by the clocks of the zone, to the second. */
export const clockFieldValue = (ms: number, zone: string): string => wallClock(ms, zone).slice(0, 19);

/**
 * A time as the reader's clocks show it (`2026-11-23T09:30`, or with a zone of its own), in UTC. An end is the last
 * millisecond of the day, minute or second that was given; `before` excludes what was given. Null when it is no time.
 */
function toInstant(text: string, edge: 'start' | 'end' | 'before', zone: string): string | null {
  const read = parseInstant(text);
  if (!read) return null;
  const hasZone = !read.dateOnly && /(Z|[+-]\d\d(:?\d\d)?)$/i.test(text.trim());
  const clock = hasZone ? 'UTC' : zone;
  const ms = {
    start: () => fromWallClock(read.ms, clock),
    before: () => fromWallClock(read.ms, clock) - 1,
    end: () => fromWallClock(read.ms + read.unit_ms - 1, clock, 'last'),
  }[edge]();
  return isoOf(ms);
}

function rangeOf(terms: Term[]): Range {
  const at = (key: string, pick: (...ms: number[]) => number) => {
    const moments = terms
      .filter((term) => term.key === key)
      .flatMap(({ values }) => values.map(parseInstant))
      .flatMap((read) => (read ? [read.ms + (key === 'end_date' ? read.unit_ms - 1 : 0)] : []));
    return moments.length === 0 ? null : pick(...moments);
  };
  return { last: null, from: at('start_date', Math.min), to: at('end_date', Math.max) };
}

/** The widths of a histogram's bars: what a clock or a calendar has. */
const widths_ms = [
  ...[1, 2, 5, 10, 30].map((s) => s * 1_000),
  ...[1, 2, 5, 10, 30].map((minutes) => minutes * minute_ms),
  ...[1, 2, 3, 6, 12].map((hours) => hours * hour_ms),
  ...[1, 2, 7, 14, 30, 90, 365, 3_650].map((days) => days * day_ms),
];
const bars_max = 50;

/** The buckets of a histogram over a period, at most 50, each beginning where the clocks of the zone are at a whole width. */
export function histogramBuckets(from: number, to: number, zone: string): Buckets {
  // A change of the clocks within the period moves the bars before it by an hour: all buckets have one width.
  const offset = Date.parse(`${wallClock(to, zone)}Z`) - to;
  const [start, end] = [from + offset, to + offset];
  const fits = (width_ms: number) => Math.floor(end / width_ms) - Math.floor(start / width_ms) < bars_max;
  const bucket_ms = widths_ms.find(fits) ?? Math.ceil((to - from) / bars_max / day_ms) * day_ms;
  return {
    from: Math.floor(start / bucket_ms) * bucket_ms - offset,
    to: (Math.floor(end / bucket_ms) + 1) * bucket_ms - offset,
    bucket_ms,
  };
}
