/**
 * Parses the page's query: the API's filter, and the parameters that only the page has (the search line, relative
 * ranges, times in the reader's time zone). The result is one canonical query, which is the page's URL.
 */

import { Problem } from '../http/problem.ts';
import type { Buckets } from '../log/breakdown.ts';
import { type Filter, isTimeKey, readFilter, type Term, writeFilter } from '../log/filter.ts';
import { isoOf, parseInstant } from '../log/instant.ts';
import { readSyntax } from '../log/syntax.ts';
import { fromWallClock, wallClock } from '../page/time-zone.ts';

const minute_ms = 60_000;
const hour_ms = 60 * minute_ms;
const day_ms = 24 * hour_ms;

/** The ranges that end now, by their name in the URL. */
export const relativeRanges = {
  '15m': 15 * minute_ms,
  '1h': hour_ms,
  '24h': day_ms,
  '7d': 7 * day_ms,
  '30d': 30 * day_ms,
} as const;
export type RelativeRange = keyof typeof relativeRanges;
const isLast = (text: string): text is RelativeRange => Object.hasOwn(relativeRanges, text);

/** From and to in epoch milliseconds, both inclusive; null means unbounded on that side. */
export type Range = { last: RelativeRange | null; from: number | null; to: number | null };

export type PageQuery = {
  /** The complete filter, with the range as timestamps. */
  filter: Filter;
  /** The terms of the filter without the range. */
  terms: Term[];
  range: Range;
  /** The canonical query of the page. */
  query: URLSearchParams;
};

const rangeKeys = ['start_date', 'end_date'];
const isRange = ({ key }: Term) => isTimeKey(key);

/** Parameters that forms send. They are converted to filter parameters and do not stay in the URL. */
const formOnlyKeys = ['q', 'show', 'from', 'to'];

/** Whether a form made this query: then a shorter URL with the same meaning exists. */
export const isFormQuery = (params: URLSearchParams): boolean =>
  formOnlyKeys.some((key) => params.has(key)) || [...params.values()].includes('');

/**
 * Parses a page's query at `now_ms` for a reader in the time zone `zone`. Throws a 400 that names the parameter, and a
 * 422 for a search line that cannot be parsed.
 */
export function readPageQuery(params: URLSearchParams, now_ms: number, zone: string): PageQuery {
  const query = new URLSearchParams(params);
  readRangeForm(query, zone);
  const line = query.get('q') ?? '';
  for (const key of [...formOnlyKeys, 'around']) query.delete(key);
  const lineQuery = readLine(line, zone);
  // A time in the search line overrides the range that the form sends in hidden fields.
  if (rangeKeys.some((key) => lineQuery.has(key))) for (const key of ['last', ...rangeKeys]) query.delete(key);
  for (const [key, value] of lineQuery) query.append(key, value);

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
  const message = faults.map(({ word, reason }) => `${word} ${reason}`).join('; ');
  throw new Problem(422, `${message}.`, { errors: faults.map(({ word, reason }) => ({ field: word, reason })) });
}

/**
 * Reads the custom range form: `from` and `to` in the reader's time zone, to the second, and the times of the range
 * that was shown. An unchanged field keeps that time with its milliseconds; an empty field removes the bound.
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

/** A time as the value of a datetime-local field in the zone, to the second. */
export const clockFieldValue = (ms: number, zone: string): string => wallClock(ms, zone).slice(0, 19);

/**
 * Converts a time in the reader's time zone (`2026-11-23T09:30`) or with an explicit zone to UTC. An end is the last
 * millisecond of the given day, minute or second; `before` is exclusive. Null when the text is not a time.
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

/** The widths of a histogram's bars: round units of clock and calendar. */
const widths_ms = [
  ...[1, 2, 5, 10, 30].map((s) => s * 1_000),
  ...[1, 2, 5, 10, 30].map((minutes) => minutes * minute_ms),
  ...[1, 2, 3, 6, 12].map((hours) => hours * hour_ms),
  ...[1, 2, 7, 14, 30, 90, 365, 3_650].map((days) => days * day_ms),
];
const bars_max = 50;

/** The buckets of a histogram over a period, at most 50. Each begins at a multiple of its width in local time. */
export function histogramBuckets(from: number, to: number, zone: string): Buckets {
  // All buckets have one width, so a clock change within the period shifts the bars before it by an hour.
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
