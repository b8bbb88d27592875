/** Addresses within the viewer: the page's own query with something changed. Every one is a plain link. */

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

/** Nothing else of this field. */
export const onlyHref = (query: Query, key: string, value: string) =>
  changed(query, (to) => {
    to.delete(`${key}!`);
    to.set(key, value);
  });

/** All but this. */
export const excludeHref = (query: Query, key: string, value: string) =>
  changed(query, (to) => {
    to.delete(key, value);
    to.delete(`${key}!`, value);
    to.append(`${key}!`, value);
  });

/** This as well as what is chosen of its field already. */
export const includeHref = (query: Query, key: string, value: string) =>
  changed(query, (to) => {
    to.delete(`${key}!`, value);
    to.append(key, value);
  });

/** One value no longer asked for. */
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
/** From and to in epoch ms, both included, as far as time goes here. */
export const timeRangeHref = (query: Query, from: number, to_ms: number) =>
  changed(query, (to) => {
    rangeless(to);
    to.set('start_date', isoWithin(from).replace('.000Z', 'Z'));
    // With its milliseconds: an end to the second would include that whole second.
    to.set('end_date', isoWithin(to_ms));
  });

/** What has these values, whatever else was asked. */
export const filterHref = (values: Record<string, string>) => changed(new URLSearchParams(values), () => {});

export const eventHref = (id: number) => `/logs/${id}`;
