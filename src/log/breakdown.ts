/**
 * Facets and histogram: the matching entries counted by field value and by time. Exact from the rollup, and from rows for
 * few; else a marked estimate.
 */
import { and, gte, inArray, lt, lte, or, sql } from 'drizzle-orm';
import { withTimeout } from './deadlines.ts';
import { type Filter, type Term, withoutField } from './filter.ts';
import { earliest_ms, latest_ms } from './instant.ts';
import type { Reads } from './reads.ts';
import { isRollupFilter, isRollupKey, rollupBars, rollupKeys, rollupLabels } from './rollup-counts.ts';
import { type Counted, type CountSource, countOrEstimate } from './sample.ts';
import { type Database, activityLogs as log } from './schema.ts';

export const breakdownLimits = {
  facet_values_max: 10,
  /** A bar is split by this many types; the other types are counted together. */
  histogram_types_max: 8,
} as const;

export const facetKeys = ['event_type', 'entity_type', 'service', 'user_id'] as const;
export type FacetKey = (typeof facetKeys)[number];

/**
 * The most frequent values of a field with their counts, counted under the filter without that field's own terms. Values
 * that the filter names are included, also with n = 0. `more`: there are other values. When not `exact`, the counts are
 * estimated from `rows_examined` entries, sampled evenly from the whole log.
 */
export type Facet = {
  key: FacetKey;
  values: { value: string; n: number }[];
  more: boolean;
  exact: boolean;
  rows_examined: number;
};

/** From and to (exclusive) in epoch milliseconds; between them a whole number of buckets. */
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

const n = sql<number>`count(*)`.mapWith(Number);

/** The facets and the histogram of a store. `head` reads the id of the newest entry. */
export function breakdownOf(reads: Reads, head: () => Promise<number>) {
  /** The facets in the order of facetKeys; null when counting took too long. */
  async function facets(filter: Filter): Promise<Facet[] | null> {
    const newest = await head();
    const named = facetKeys.flatMap((key) => [true, false].flatMap((negated) => valuesOf(filter.terms, key, negated)));
    const tallyOf = (filter: Filter, keys: readonly FacetKey[]) =>
      countOrEstimate(reads, filter, newest, (tx, source) => countFieldValues(tx, source, named, keys), rowsExamined);
    const counted = async (keys: readonly FacetKey[]): Promise<(Facet | null)[]> => {
      const isAsked = (key: FacetKey) => filter.terms.some((term) => term.key === key);
      const [all, ...others] = await Promise.all([
        tallyOf(filter, keys),
        ...keys.map((key) => (isAsked(key) ? tallyOf(withoutField(filter, key), [key]) : null)),
      ]);
      return keys.map((key, i) => {
        const other = isAsked(key) ? others[i] : all;
        return all && other ? facetFrom(key, filter.terms, all, other) : null;
      });
    };
    const rolled = async () => {
      const tallies = await withTimeout(reads, (tx) => rolledTallies(tx, filter, named));
      return tallies?.map(([key, tally]) => facetFrom(key, filter.terms, tally, tally)) ?? counted(rollupKeys);
    };
    const found = isRollupFilter(filter)
      ? (await Promise.all([rolled(), counted(facetKeys.filter((key) => !isRollupKey(key)))])).flat()
      : await counted(facetKeys);
    return found.includes(null) ? null : found.filter((facet) => facet !== null);
  }

  /** The bars of a period; null when counting took too long. */
  async function histogram(filter: Filter, buckets: Buckets): Promise<Histogram | null> {
    const rows = isRollupFilter(filter) ? await withTimeout(reads, (tx) => rollupBars(tx, filter, buckets)) : null;
    if (rows) return histogramFrom(buckets, { rows, rows_examined: 0, weight: 1, exact: true });
    const { from, to, bucket_ms } = buckets;
    const iso = (ms: number) => new Date(Math.min(latest_ms, Math.max(earliest_ms, ms))).toISOString();
    const end = to > latest_ms ? lte(log.timestamp, iso(to)) : lt(log.timestamp, iso(to));
    const within = and(gte(log.timestamp, iso(from)), end, filter.where);
    const all = await countOrEstimate(
      reads,
      { terms: filter.terms, where: within },
      await head(),
      (tx, source) =>
        tx
          .select({
            bar: sql<number>`floor((extract(epoch from ${source.timestamp}) * 1000 - ${from}::numeric) / ${bucket_ms}::numeric) as bar`.mapWith(
              Number,
            ),
            event_type: source.event_type,
            n,
          })
          .from(source)
          .groupBy(sql`bar`, source.event_type),
      (rows) => rows.reduce((sum, row) => sum + row.n, 0),
    );
    return all && histogramFrom(buckets, all);
  }

  return { facets, histogram };
}

type FieldValueCount = { key: FacetKey | null; value: string | null; n: number };

/** The tallies of the fields that the rollup knows; null when its reader is behind. */
async function rolledTallies(
  tx: Database,
  filter: Filter,
  named: string[],
): Promise<[FacetKey, Counted<FieldValueCount>][] | null> {
  const labels = await rollupLabels(tx, filter, named, breakdownLimits.facet_values_max + 1);
  if (!labels) return null;
  const tallyOf = (key: FacetKey): Counted<FieldValueCount> => {
    const rows = labels.filter((label) => label.key === key);
    return { rows, rows_examined: 0, weight: 1, exact: true };
  };
  return rollupKeys.map((key) => [key, tallyOf(key)]);
}

/** The most frequent values of each of these fields, the values in `named`, and (without a key) the number of rows. */
function countFieldValues(
  tx: Database,
  source: CountSource,
  named: string[],
  keys: readonly FacetKey[],
): Promise<FieldValueCount[]> {
  const columns = keys.map((key) => source[key]);
  const list = sql.join(columns, sql`, `);
  const sets = sql.join(
    columns.map((column) => sql`(${column})`),
    sql`, `,
  );
  // A bit for each column, the last one being the lowest: 0 for the one that is grouped by.
  const cases = keys.map((key, i) => {
    const bits = 2 ** keys.length - 1 - 2 ** (keys.length - 1 - i);
    return sql.raw(`when ${bits} then '${key}'`);
  });
  const key = sql<FacetKey | null>`case grouping(${list}) ${sql.join(cases, sql` `)} end`;
  const value = sql<string | null>`coalesce(${list})`;
  const ranked = tx
    .select({
      key: key.as('key'),
      value: value.as('value'),
      n: n.as('n'),
      place:
        sql<number>`row_number() over (partition by grouping(${list}) order by coalesce(${list}) is null, count(*) desc, coalesce(${list}))`
          .mapWith(Number)
          .as('place'),
    })
    .from(source)
    .groupBy(sql`grouping sets (${sets}, ())`)
    .as('ranked');
  const known = named.length > 0 ? inArray(ranked.value, named) : undefined;
  return tx
    .select({ key: ranked.key, value: ranked.value, n: ranked.n })
    .from(ranked)
    .where(or(lte(ranked.place, breakdownLimits.facet_values_max + 1), known))
    .orderBy(ranked.place);
}

const rowsExamined = (rows: FieldValueCount[]) => rows.find(({ key }) => key === null)?.n ?? 0;

const valuesOf = (terms: Term[], key: string, negated: boolean) =>
  terms.flatMap((term) => (term.key === key && term.negated === negated ? term.values : []));

/** An estimate is rounded to its two significant digits. */
const roundEstimate = (n: number, weight: number) => (weight === 1 ? n : Number((n * weight).toPrecision(2)));

/**
 * `all` is counted under the whole filter, `others` without this field's own terms. The count of a chosen value is taken
 * from `all`: it is the same number, and a rare value may be exact there and missing in the sample of `others`.
 */
function facetFrom(
  key: FacetKey,
  terms: Term[],
  all: Counted<FieldValueCount>,
  others: Counted<FieldValueCount>,
): Facet {
  const numbersIn = ({ rows, weight }: Counted<FieldValueCount>) =>
    new Map(
      rows.flatMap((row) => (row.key === key && row.value !== null ? [[row.value, roundEstimate(row.n, weight)]] : [])),
    );
  const numbers = numbersIn(others);
  const under = numbersIn(all);
  const refused = new Set(valuesOf(terms, key, true));
  const chosen = valuesOf(terms, key, false);
  for (const value of refused) numbers.set(value, numbers.get(value) ?? 0);
  for (const value of chosen) if (!refused.has(value)) numbers.set(value, under.get(value) ?? 0);
  const named = new Set([...refused, ...chosen]);
  const values = [...numbers]
    .map(([value, n]) => ({ value, n }))
    .toSorted((a, b) => b.n - a.n || (a.value < b.value ? -1 : 1));
  const shown = values.filter(({ value }, i) => i < breakdownLimits.facet_values_max || named.has(value));
  const { exact, rows_examined } = others;
  return { key, values: shown, more: values.length > shown.length, exact, rows_examined };
}

function histogramFrom(
  { from, to, bucket_ms }: Buckets,
  { rows, weight, exact }: Counted<{ bar: number; event_type: string; n: number }>,
): Histogram {
  const totals = new Map<string, number>();
  for (const { event_type, n } of rows) totals.set(event_type, (totals.get(event_type) ?? 0) + n);
  const types = [...totals]
    .toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .slice(0, breakdownLimits.histogram_types_max)
    .map(([type]) => type);
  const place = new Map(types.map((type, i) => [type, i]));
  const bars = Array.from({ length: Math.ceil((to - from) / bucket_ms) }, (_, i) => ({
    from: from + i * bucket_ms,
    n: 0,
    by: types.map(() => 0),
  }));
  for (const row of rows) {
    const bar = bars[row.bar];
    const i = place.get(row.event_type);
    const n = Math.round(row.n * weight);
    if (bar) bar.n += n;
    if (bar && i !== undefined) bar.by[i] = n;
  }
  return { from, to, bucket_ms, types, bars, exact };
}
