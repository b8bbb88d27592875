/** URLs of the viewer: the page's query with one change each. */

import type { Term } from '../log/filter.ts';
import { earliest_ms, latest_ms } from '../log/instant.ts';

export type Query = URLSearchParams;

const changed = (query: Query, change: (to: Query) => void): string => {
  const to = new URLSearchParams(query);
  change(to);
  to.sort();
  const text = to.toString();
  return text === '' ? '/logs' : `/logs?${text}`;
};

export const logHref = (query: Query): string => changed(query, () => {});

/** Filters a field by this value only. */
export const onlyHref = (query: Query, key: string, value: string) =>
  changed(query, (to) => {
    to.delete(`${key}!`);
    to.set(key, value);
  });

/** Excludes this value. */
export const excludeHref = (query: Query, key: string, value: string) =>
  changed(query, (to) => {
    to.delete(key, value);
    to.delete(`${key}!`, value);
    to.append(`${key}!`, value);
  });

/** Adds this value to those that the field is already filtered by. */
export const includeHref = (query: Query, key: string, value: string) =>
  changed(query, (to) => {
    to.delete(`${key}!`, value);
    to.append(key, value);
  });

/** Removes one value from the filter. */
export const removeHref = (query: Query, { key, negated }: Pick<Term, 'key' | 'negated'>, value: string) =>
  changed(query, (to) => to.delete(negated ? `${key}!` : key, value));

const rangeless = (to: Query) => {
  for (const key of ['last', 'start_date', 'end_date']) to.delete(key);
};
export const allTimeHref = (query: Query) => changed(query, rangeless);
export const relativeRangeHref = (query: Query, last: string) =>
  changed(query, (to) => {
    rangeless(to);
    to.set('last', last);
  });
const isoWithin = (ms: number) => new Date(Math.min(latest_ms, Math.max(earliest_ms, ms))).toISOString();
/** From and to in epoch ms, both inclusive, clamped to the times that the log accepts. */
export const timeRangeHref = (query: Query, from: number, to_ms: number) =>
  changed(query, (to) => {
    rangeless(to);
    to.set('start_date', isoWithin(from).replace('.000Z', 'Z'));
    // The end keeps its milliseconds: an end to the second would include that whole second.
    to.set('end_date', isoWithin(to_ms));
  });

/** Filters by these values only, without the current query. */
export const filterHref = (values: Record<string, string> | string[][]) =>
  changed(new URLSearchParams(values), () => {});

export const eventHref = (id: number) => `/logs/${id}`;

/** A text as one step of a path; null for the steps that browsers take out of an address, also where they are escaped. */
export const addressPart = (text: string): string | null => (/^\.{0,2}$/.test(text) ? null : encodeURIComponent(text));
