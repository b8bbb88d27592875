/**
 * Totals, statistics, facets and histograms from the rollup: exact, for filters of event type, entity type, service, time
 * and a last id that is near the newest one.
 */
import { and, asc, desc, inArray, lte, notInArray, or, type SQL, sql } from 'drizzle-orm';
import { gapOf, isUsableGap } from './derived-rows.ts';
import { type Filter, isTimeKey, lastIdOf, periodOf, type Term } from './filter.ts';
import { earliest_ms, latest_ms, writeDatabaseTime } from './instant.ts';
import { type Groups, rollup, rollupRows, type Window } from './rollup-rows.ts';
import type { Database } from './schema.ts';

export const rollupKeys = ['event_type', 'entity_type', 'service'] as const;
export type RollupKey = (typeof rollupKeys)[number];
export const isRollupKey = (key: string): key is RollupKey => (rollupKeys as readonly string[]).includes(key);

const hour_ms = 3_600_000;
const day_ms = 24 * hour_ms;

/** Whether every term of the filter is about what the rollup counts by. */
export const isRollupFilter = ({ terms }: Filter): boolean =>
  terms.every(
    ({ key, values }) =>
      isRollupKey(key) ||
      isTimeKey(key) ||
      key === 'last_id' ||
      (key === 'without' && values.every((value) => value === 'service')),
  );

/** The terms about labels, but for one key, as a condition on rollupRows. A missing service is ''. */
export function labelsMatch(terms: Term[], without?: RollupKey): SQL | undefined {
  const conditions = terms.flatMap(({ key, negated, values }) => {
    if (key === 'without' && without !== 'service') return [negated ? sql`service <> ''` : sql`service = ''`];
    if (!isRollupKey(key) || key === without) return [];
    const column = sql.identifier(key);
    return [negated ? notInArray(sql`${column}`, values) : inArray(sql`${column}`, values)];
  });
  return and(...conditions);
}

/** The window of the terms, and within it of a period in epoch milliseconds. */
export function windowOf(terms: Term[], { from = -Infinity, to = Infinity } = {}): Window {
  const { first_ms, last_ms } = periodOf(terms);
  const first = Math.max(first_ms, from);
  const before = Math.min(last_ms + 1, to);
  return {
    from: first === -Infinity ? first : Math.max(first, earliest_ms),
    before: before === Infinity ? before : Math.min(before, latest_ms + 1),
  };
}

/** The last 24 hours by the database's clock, within the window. Times of the log are whole milliseconds. */
async function lastDayOf(tx: Database, { from, before }: Window): Promise<Window> {
  const ms = sql`extract(epoch from now()) * 1000`;
  const [now] = await tx
    .select({ up: sql`ceil(${ms})`.mapWith(Number), down: sql`floor(${ms})`.mapWith(Number) })
    .from(sql`(select) as nothing`);
  if (!now) throw new Error('the database has no clock');
  return { from: Math.max(from, now.up - day_ms), before: Math.min(before, now.down + 1) };
}

const sum = sql<number>`coalesce(sum(n), 0)`.mapWith(Number);
const counted = (terms: Term[], window: Window, groups?: Groups) =>
  sql`(${rollupRows(window, groups, lastIdOf(terms))}) as counted`;
const gapFor = (terms: Term[]) => gapOf(rollup, lastIdOf(terms));
/** As hours alone: a day has at most 24, and the statement is planned for fewer parts. */
const countedLastDay = async (tx: Database, terms: Term[]) =>
  counted(terms, await lastDayOf(tx, windowOf(terms)), 'hours');

/** The number of matching entries; null where the rollup cannot say: another filter, or a reader that is behind. */
export async function rollupTotal(
  tx: Database,
  filter: Filter,
  of: 'all' | 'last day' = 'all',
): Promise<number | null> {
  if (!isRollupFilter(filter)) return null;
  const { terms } = filter;
  const [row] = await tx
    .select({ n: sum, gap: gapFor(terms) })
    .from(of === 'all' ? counted(terms, windowOf(terms)) : await countedLastDay(tx, terms))
    .where(labelsMatch(terms));
  return row && isUsableGap(row.gap) ? row.n : null;
}

export type StatsRow = { event_type: string | null; entity_type: string | null; n: number; recent: number };

/** The rows of the statistics as countsOf reads them from entries: by event type, by entity type, and of all. */
export async function rollupStats(tx: Database, filter: Filter): Promise<StatsRow[] | null> {
  if (!isRollupFilter(filter)) return null;
  const { terms } = filter;
  const labels = labelsMatch(terms);
  const lastDay = tx
    .select({ n: sum })
    .from(await countedLastDay(tx, terms))
    .where(labels);
  const rows = await tx
    .select({
      event_type: sql<string | null>`event_type`,
      entity_type: sql<string | null>`entity_type`,
      n: sum,
      recent: sql<number>`(${lastDay})`.mapWith(Number),
      gap: gapFor(terms),
    })
    .from(counted(terms, windowOf(terms)))
    .where(labels)
    .groupBy(sql`grouping sets ((event_type), (entity_type), ())`)
    .orderBy(desc(sum), asc(sql`event_type`), asc(sql`entity_type`));
  // Of a label whose entries were all taken off again, nothing is left to be told.
  const isCounted = (row: StatsRow) => row.n > 0 || (row.event_type === null && row.entity_type === null);
  return isUsableGap(rows[0]?.gap ?? null) ? rows.filter(isCounted) : null;
}

export type LabelCount = { key: RollupKey | null; value: string | null; n: number };

/**
 * The most frequent values of each label, at most `values_max`, and the values in `named`, each counted under the filter
 * without the terms of that label.
 */
export async function rollupLabels(
  tx: Database,
  { terms }: Filter,
  named: string[],
  values_max: number,
): Promise<LabelCount[] | null> {
  const byLabel = rollupKeys.map((key) => {
    const column = sql.identifier(key);
    return sql`select ${sql.raw(`'${key}'`)} as key, ${column} as value, sum(n) as n,
        row_number() over (order by ${column} = '' and ${key === 'service'}, sum(n) desc, ${column}) as place
      from cube where ${labelsMatch(terms, key) ?? sql`true`} group by ${column}`;
  });
  // One row without a key has the gap, also where nothing matches.
  const ranked = sql`(
    with cube as materialized (
      select event_type, entity_type, service, sum(n) as n from ${counted(terms, windowOf(terms))} group by 1, 2, 3 having sum(n) > 0
    )
    ${sql.join(byLabel, sql` union all `)} union all select null, null, ${gapFor(terms)}, 0) as ranked`;
  const rows = await tx
    .select({
      key: sql<RollupKey | null>`key`,
      value: sql<string | null>`value`,
      n: sql<unknown>`n`,
    })
    .from(ranked)
    .where(or(lte(sql`place`, values_max), named.length > 0 ? inArray(sql`value`, named) : undefined))
    .orderBy(sql`place`);
  if (!isUsableGap(rows.find(({ key }) => key === null)?.n ?? null)) return null;
  return rows.flatMap((row) =>
    row.key === null || (row.key === 'service' && row.value === '') ? [] : [{ ...row, n: Number(row.n) }],
  );
}

export type BarCount = { bar: number; event_type: string; n: number };

/** The entries of each bar by event type; null also where bars do not begin at full hours of UTC. */
export async function rollupBars(
  tx: Database,
  filter: Filter,
  { from, to, bucket_ms }: { from: number; to: number; bucket_ms: number },
): Promise<BarCount[] | null> {
  if (!isRollupFilter(filter) || from % hour_ms !== 0 || bucket_ms % hour_ms !== 0) return null;
  const bar = sql`floor((date_part('epoch', at) * 1000 - ${from}::float8) / ${bucket_ms}::float8)`;
  const rows = await tx
    .select({
      bar: sql<number>`${bar} as bar`.mapWith(Number),
      event_type: sql<string>`event_type`,
      n: sum,
      is_all: sql<number>`grouping(event_type)`.mapWith(Number),
      gap: gapFor(filter.terms),
    })
    .from(counted(filter.terms, windowOf(filter.terms, { from, to }), groupsOf(filter.terms, { from, to, bucket_ms })))
    .where(labelsMatch(filter.terms))
    .groupBy(sql`grouping sets ((bar, event_type), ())`)
    // A day with a bound within it may be counted and taken off again.
    .having(sql`sum(n) <> 0 or grouping(event_type) = 1`);
  const all = rows.find(({ is_all }) => is_all === 1);
  return isUsableGap(all?.gap ?? null) ? rows.filter((row) => row !== all) : null;
}

function groupsOf(terms: Term[], { from, to, bucket_ms }: { from: number; to: number; bucket_ms: number }): Groups {
  if (bucket_ms < day_ms) return 'hours';
  const bounds: string[] = [];
  for (let at = from; at <= to; at += bucket_ms) if (at % day_ms !== 0) bounds.push(writeDatabaseTime(at));
  return { bounds, byTypeOnly: terms.every(({ key }) => key === 'event_type' || isTimeKey(key)) };
}
