/** Runs the count queries of a page together. A count that fails or times out is null, and the page says so. */

import { isTransient } from '../http/problem.ts';
import type { Histogram } from '../log/store.ts';
import type { DisplayOptions } from '../page/format.ts';
import type { Parts } from '../parts.ts';
import { histogramBuckets, type PageQuery } from './page-query.ts';
import type { Counts } from './views/counts.ts';

export const noCounts: Counts = { total: null, recent: null, facets: null, histogram: null };

/** Whether every count is known, so that the page need not request the counts again. */
export const isComplete = (counts: Counts | null): boolean => counts !== null && !Object.values(counts).includes(null);

/** The counts, or null after `ms_max`. Never rejects: a failed count must not break a page that has its rows. */
export function countWithin(ms_max: number, parts: Parts, ...request: CountArguments): Promise<Counts | null> {
  const counting = countAll(parts, ...request);
  parts.waitUntil?.(counting);
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(null), ms_max);
    void counting.then(resolve).finally(() => clearTimeout(timer));
  });
}

type CountArguments = [pageQuery: PageQuery, display: DisplayOptions, head?: number];

async function countAll(
  { store, report }: Parts,
  { filter, range }: PageQuery,
  { now_ms, zone }: DisplayOptions,
  head?: number,
): Promise<Counts> {
  const orNull = <T>(work: Promise<T | null>) =>
    work.catch((error) => {
      if (!isTransient(error)) report('a count failed', error);
      return null;
    });
  async function histogram(): Promise<Histogram | null> {
    const spanned = range.from === null || range.to === null ? await store.span(filter) : null;
    if (!spanned && range.from === null) return { from: 0, to: 0, bucket_ms: 1, types: [], bars: [], exact: true };
    const from = range.from ?? spanned?.oldest ?? now_ms;
    const to = range.to ?? Math.max(range.last ? now_ms : 0, spanned?.newest ?? now_ms);
    return store.histogram(filter, histogramBuckets(from, Math.max(from, to), zone));
  }
  // Scans take turns in this order. The total may take the longest, so that it comes last.
  const [chart, facets, recent, total] = await Promise.all([
    orNull(histogram()),
    orNull(store.facets(filter)),
    orNull(store.recent(filter)),
    orNull(store.totalInTime(filter, head)),
  ]);
  return { total, recent, facets, histogram: chart };
}
