/**
 * Entries counted by one or two fields and by time: exact from derived rows, or from the entries where these can be read in
 * time, else estimated from a sample.
 */
import { type SQL, sql } from 'drizzle-orm';
import { badField, unavailable } from '../http/problem.ts';
import { type AggregateQuery, baseOf, derivedSource, type Measure, rowSource } from './aggregate-sources.ts';
import { withTimeout } from './deadlines.ts';
import { isUsableGap } from './derived-rows.ts';
import { lastIdOf } from './filter.ts';
import type { Reads } from './reads.ts';
import { sampledRows, sampleLimits } from './sample.ts';
import { type Database, activityLogs as log } from './schema.ts';
import { readWhole, readWindows, wholeLimits } from './whole-reads.ts';

export const aggregateLimits = {
  group_by_max: 2,
  /** Groups that are named; the others are counted together. */
  groups_default: 10,
  groups_max: 1_000,
  /** Values of a response: groups times intervals. */
  aggregate_values_max: 20_000,
  /** Different groups, intervals and distinct values that are kept between the windows of a long read. */
  aggregate_kept_max: 200_000,
  /** How long the entries are read at once, on a server, before a sample is taken. */
  aggregate_ms_max: 1_000,
  /** How long an embedded database reads them in windows. */
  aggregate_windows_ms_max: 5_000,
  /** How long an exact answer is kept while nothing is appended: a log that was replaced must not be answered from it for longer. */
  kept_ms_max: 60_000,
  /** Answers that are kept, and the values of one of them. */
  kept_max: 100,
  kept_values_max: 1_000,
  /** A question that names many groups is kept by nobody. */
  kept_question_chars_max: 2_000,
} as const;

/** `keys` is null for the groups without a name together; a key is '' where entries have no value. `at`: epoch ms, UTC. */
export type AggregateValue = { keys: string[] | null; at: number | null; value: number; groups: number };

export type Aggregate = {
  /** Entries up to this id are counted. */
  cursor: number;
  is_exact: boolean;
  /** The entries that an estimate is made of. */
  rows_examined: number | null;
  /** All matching entries. */
  total: number;
  /** The largest groups first, then the others; each over the whole period. */
  groups: AggregateValue[];
  /** Each interval, and each group in it. Empty without an interval. */
  intervals: AggregateValue[];
  intervals_by_group: AggregateValue[];
};

type Row = {
  place: number;
  at: number;
  k1: string;
  k2: string;
  value: number;
  groups: number;
  level: number;
  gap: unknown;
};

export function aggregateOf(reads: Reads, head: () => Promise<number>) {
  /** By question and newest id: whoever looks at the same board meanwhile gets the same answer. */
  const kept = new Map<string, { answer: Promise<Aggregate>; until_ms: number }>();

  async function aggregate(query: AggregateQuery): Promise<Aggregate> {
    const newest = await head();
    const { filter, ...rest } = query;
    const key = JSON.stringify([newest, filter.terms, rest]);
    if (key.length > aggregateLimits.kept_question_chars_max) return count(query, newest);
    // In the order of their ends.
    for (const [oldest, { until_ms }] of kept) {
      if (until_ms > performance.now() && kept.size < aggregateLimits.kept_max) break;
      kept.delete(oldest);
    }
    const known = kept.get(key);
    if (known) return known.answer;
    const answer = count(query, newest);
    kept.set(key, { answer, until_ms: performance.now() + aggregateLimits.kept_ms_max });
    const forget = () => {
      if (kept.get(key)?.answer === answer) kept.delete(key);
    };
    answer.then((found) => isKeepable(found) || forget(), forget);
    return answer;
  }

  async function count(query: AggregateQuery, newest: number): Promise<Aggregate> {
    const cursor = Math.min(newest, lastIdOf(query.filter.terms) ?? newest);
    const found =
      (await fromDerived(query, cursor)) ??
      (await fromRows(query, cursor, newest)) ??
      (await fromSample(query, cursor, newest));
    if (!found) throw unavailable('Counting took too long and was cancelled: narrow the filter.', 'nothing', 'timeout');
    return found;
  }

  async function fromDerived(query: AggregateQuery, cursor: number): Promise<Aggregate | null> {
    const source = derivedSource(query, cursor);
    if (!source) return null;
    const rows = await withTimeout(reads, (tx) => ranked(tx, query, baseOf(query, source), source.gap ?? undefined), {
      statement_ms_max: aggregateLimits.aggregate_ms_max,
    });
    return rows && isUsableGap(rows[0]?.gap ?? null) ? answer(query, cursor, rows) : null;
  }

  async function fromRows(query: AggregateQuery, cursor: number, newest: number): Promise<Aggregate | null> {
    const base = (entries: SQL) => baseOf(query, rowSource(query, cursor, entries));
    const { aggregate_ms_max, aggregate_windows_ms_max, aggregate_kept_max } = aggregateLimits;
    const rows = await readWhole(
      reads,
      query.filter,
      newest,
      (tx) => ranked(tx, query, base(sql`${log}`)),
      query.ms_max ?? aggregate_ms_max,
    );
    if (rows) return answer(query, cursor, rows);
    if (reads.deadline_ms !== null) return null;
    // An embedded database is read in windows, and what they have found is ranked by the same statement.
    const kept = new Map<string, number>();
    const upto = await readWindows(
      reads,
      cursor,
      async (db, window) => {
        if (kept.size > aggregate_kept_max) return;
        for (const { key, n } of await baseRows(db, base(window))) kept.set(key, (kept.get(key) ?? 0) + n);
      },
      aggregate_windows_ms_max,
    );
    if (upto > 0 || kept.size > aggregate_kept_max) return null;
    const json = `[${[...kept].map(([key, n]) => `[${key},${n}]`).join(',')}]`;
    const merged = sql`select r->0->>0 as k1, r->0->>1 as k2, (r->0->>2)::float8 as at, r->0->>3 as v, (r->>1)::numeric as n
      from jsonb_array_elements(${json}::jsonb) as r`;
    return answer(query, cursor, await reads((db) => ranked(db, query, merged)));
  }

  async function fromSample(query: AggregateQuery, cursor: number, newest: number): Promise<Aggregate | null> {
    const { sample_ranges, short_rows_max } = sampleLimits;
    const { group_by, measure } = query;
    if (newest <= (reads.deadline_ms !== null ? short_rows_max : wholeLimits.short_rows_max)) return null;
    // To mask a description takes longer than to read its entry.
    const range_ids = group_by.includes('pattern')
      ? sampleLimits.sample_range_ids
      : sampleLimits.large_sample_range_ids;
    const rows_examined = sample_ranges * range_ids;
    const base = baseOf(query, rowSource(query, cursor, sampledRows(newest, range_ids)));
    const rows = await withTimeout(reads, (tx) => ranked(tx, query, base), {
      statement_ms_max: aggregateLimits.aggregate_ms_max,
    });
    // The number of different values does not grow with the entries: that of a sample is what there is at least.
    const isSum = measure.of === 'count' || measure.of === 'sum';
    return rows && answer(query, cursor, rows, { rows_examined, weight: isSum ? newest / rows_examined : 1 });
  }

  return { aggregate };
}

/** An estimate may be exact at the next attempt. */
const isKeepable = ({ is_exact, groups, intervals, intervals_by_group }: Aggregate): boolean =>
  is_exact && groups.length + intervals.length + intervals_by_group.length <= aggregateLimits.kept_values_max;

/** The values of the base, as JSON of the group, and the sum of each. */
const baseRows = (db: Database, base: SQL): Promise<{ key: string; n: number }[]> =>
  db
    .select({ key: sql<string>`jsonb_build_array(k1, k2, at, v)::text`, n: sql<number>`n`.mapWith(Number) })
    .from(sql`(${base}) as base`);

const measured = ({ of }: Measure): SQL =>
  of === 'count' || of === 'sum' ? sql`coalesce(sum(n), 0)` : sql`count(distinct nullif(v, ''))`;

/** The groups in their order, the others together, the intervals, and all: one row each. */
async function ranked(tx: Database, query: AggregateQuery, base: SQL, gap: SQL = sql`null`): Promise<Row[]> {
  const { interval, measure, limit, named } = query;
  const value = measured(measure);
  const places = named
    ? sql`select r->>0 as k1, r->>1 as k2, ordinality as place
        from jsonb_array_elements(${JSON.stringify(named.map(([a = '', b = '']) => [a, b]))}::jsonb) with ordinality as t (r, ordinality)`
    : sql`select k1, k2, row_number() over (order by ${value} desc, k1, k2) as place from base group by k1, k2`;
  // A bit for each of them, which is 1 where the rows are not grouped by it.
  const level = interval ? sql`grouping(place, at)` : sql`grouping(place) * 2 + 1`;
  const sets = interval ? sql`(), (place), (at), (place, at)` : sql`(), (place)`;
  const rows = await tx
    .select({
      place: sql`coalesce(place, 0)`.mapWith(Number),
      at: interval ? sql`coalesce(at, 0)`.mapWith(Number) : sql`0`.mapWith(Number),
      k1: sql<string>`min(k1)`,
      k2: sql<string>`min(k2)`,
      value: sql`${value}`.mapWith(Number),
      groups: sql`count(distinct (k1, k2)) filter (where place = 0)`.mapWith(Number),
      level: sql`${level}`.mapWith(Number),
      gap: sql<unknown>`${gap}`,
    })
    .from(
      sql`(with base as materialized (${base}), places as (${places})
        select base.*, case when places.place <= ${limit}::bigint then places.place else 0 end as place
        from base left join places on places.k1 = base.k1 and places.k2 = base.k2) as named`,
    )
    .groupBy(sql`grouping sets (${sets})`)
    .orderBy(sql`${level} desc`, sql`coalesce(place, 0) = 0`, sql`place`, ...(interval ? [sql`at`] : []))
    .limit(aggregateLimits.aggregate_values_max + 1);
  if (rows.length > aggregateLimits.aggregate_values_max)
    throw badField('interval', 'makes too many values: narrow the range, name fewer groups, or take a longer interval');
  return rows;
}

/** Levels of grouping(place, at): a bit is 1 where the rows are not grouped by it. */
const level = { each: 0, group: 1, interval: 2, all: 3 } as const;

function answer(
  { group_by }: AggregateQuery,
  cursor: number,
  rows: Row[],
  sample: { rows_examined: number; weight: number } | null = null,
): Aggregate {
  const weight = sample?.weight ?? 1;
  const at = (wanted: number) =>
    rows
      .filter(({ level }) => level === wanted)
      .map((row) => ({
        keys: row.place === 0 ? null : [row.k1, row.k2].slice(0, group_by.length),
        at: wanted === level.group || wanted === level.all ? null : row.at,
        value: weight === 1 ? row.value : Number((row.value * weight).toPrecision(2)),
        groups: row.groups,
      }));
  return {
    cursor,
    is_exact: sample === null,
    rows_examined: sample?.rows_examined ?? null,
    total: at(level.all)[0]?.value ?? 0,
    groups: at(level.group),
    intervals: at(level.interval),
    intervals_by_group: at(level.each),
  };
}
