/**
 * What the page is params: the API's filter, and what only people use beside it: the line, "the last hour", the wall
 * clocks of a zone. Read into one canonical query, which is the page's address.
 */

import { Problem } from '../http/problem.ts';
import { type Filter, readFilter, type Term, writeFilter } from '../log/filter.ts';
import { parseInstant } from '../log/instant.ts';
import { readSyntax } from '../log/syntax.ts';
import { fromWallClock } from '../page/time-zone.ts';

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
  for (const [name, key] of [
    ['from', 'start_date'],
    ['to', 'end_date'],
  ] as const)
    if (query.get(name)) query.set(key, toInstant(name, query.get(name) ?? '', zone));
  if (query.get('from') || query.get('to')) query.delete('last');
  const line = query.get('q') ?? '';
  for (const key of formOnlyKeys) query.delete(key);
  const meant = readLine(line);
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

function readLine(line: string): URLSearchParams {
  const { query, faults } = readSyntax(line);
  if (faults.length === 0) return query;
  const said = faults.map(({ word, reason }) => `${word} ${reason}`).join('; ');
  throw new Problem(422, `${said}.`, { errors: faults.map(({ word, reason }) => ({ field: word, reason })) });
}

/** What a form's clock shows (`2026-11-23T09:30`, or with a zone of its own) as a moment in UTC. */
function toInstant(name: string, text: string, zone: string): string {
  const read = parseInstant(text);
  if (!read) throw new Problem(400, `${name}: must be a date, or a date and time, such as 2026-11-23T09:30`);
  const hasZone = !read.dateOnly && /(Z|[+-]\d\d(:?\d\d)?)$/i.test(text.trim());
  const ms = hasZone ? read.ms : fromWallClock(read.ms, zone);
  if (name === 'to' && read.dateOnly) return new Date(fromWallClock(read.ms + day_ms, zone) - 1).toISOString();
  return new Date(ms).toISOString();
}

function rangeOf(terms: Term[]): Range {
  const at = (key: string, pick: (...ms: number[]) => number, wholeDay_ms: number) => {
    const values = terms.find((term) => term.key === key)?.values ?? [];
    const moments = values.flatMap((value) => {
      const read = parseInstant(value);
      return read ? [read.ms + (read.dateOnly ? wholeDay_ms : 0)] : [];
    });
    return moments.length === 0 ? null : pick(...moments);
  };
  return { last: null, from: at('start_date', Math.min, 0), to: at('end_date', Math.max, day_ms - 1) };
}

/** The widths of a histogram's bars: what a clock or a calendar has. */
const widths_ms = [
  ...[1, 2, 5, 10, 30].map((s) => s * 1_000),
  ...[1, 2, 5, 10, 30].map((minutes) => minutes * minute_ms),
  ...[1, 2, 3, 6, 12].map((hours) => hours * hour_ms),
  ...[1, 2, 7, 14, 30, 90, 365, 3_650].map((days) => days * day_ms),
];
const bars_max = 50;

/** The bars over a stretch of time, at most 50, each a whole number of its widths since 1970. */
export function histogramBuckets(from: number, to: number): { from: number; to: number; bucket_ms: number } {
  const fits = (width_ms: number) => Math.floor(to / width_ms) - Math.floor(from / width_ms) < bars_max;
  const bucket_ms = widths_ms.find(fits) ?? Math.ceil((to - from) / bars_max / day_ms) * day_ms;
  return {
    from: Math.floor(from / bucket_ms) * bucket_ms,
    to: (Math.floor(to / bucket_ms) + 1) * bucket_ms,
    bucket_ms,
  };
}
