/** The oracle of the rollup: random questions, and a recount of the same answer from the rows in the same snapshot. */
import { and, gte, lt, type SQL, sql } from 'drizzle-orm';
import fc from 'fast-check';
import { type Filter, readFilter, withoutField } from '../../src/log/filter.ts';
import { rollupBars, rollupKeys, rollupLabels, rollupStats, rollupTotal } from '../../src/log/rollup-counts.ts';
import { type Database, activityLogs as log } from '../../src/log/schema.ts';

const hour_ms = 3_600_000;
const day_ms = 24 * hour_ms;
const first_day = Date.parse('2026-03-01T00:00:00Z');

/** Times around the bounds of hours, days and months, within four old days, the months around them and the last 26 hours. */
const near = fc.constantFrom(0, 0, 1, -1, 1_234_567, 59 * 60_000);
const oldTime = fc.tuple(fc.nat(4 * 24), near).map(([hours, ms]) => first_day + hours * hour_ms + ms);
const monthTime = fc
  .tuple(fc.nat(4), fc.constantFrom(0, 0, 1, 14, 27), near)
  .map(([month, days, ms]) => Date.UTC(2026, month, 1 + days) + ms);
const recentTime = fc.nat(26 * hour_ms).map((ms) => Date.now() - ms);
const time = fc.oneof(oldTime, monthTime, recentTime).map((ms) => new Date(ms).toISOString());

const values = {
  event_type: ['CREATE', 'UPDATE', 'DELETE', '__proto__', 'x'.repeat(255)],
  entity_type: ['order', 'customer', "o'"],
  service: ['shop', 'mail'],
} as const;

/** An event to write; many are late, because their time is in the past. */
export const event = fc.record({
  event_type: fc.constantFrom(...values.event_type),
  entity_type: fc.constantFrom(...values.entity_type),
  service: fc.constantFrom(null, ...values.service),
  timestamp: time,
});

const labels = fc
  .constantFrom(...rollupKeys)
  .chain((key) =>
    fc
      .tuple(fc.subarray<string>([...values[key], 'nobody'], { minLength: 1 }), fc.boolean())
      .map(([texts, negated]) => texts.map((text): [string, string] => [negated ? `${key}!` : key, text])),
  );
const bounds = fc
  .tuple(fc.constantFrom('start_date', 'end_date'), time, fc.constantFrom(10, 13, 16, 19, 24))
  .map(([key, text, chars]): [string, string][] => [
    [key, chars === 13 ? `${text.slice(0, 13)}:00` : text.slice(0, chars)],
  ]);

/** A filter that the rollup can answer, and the buckets of a histogram that begins at a full hour. */
export const question = fc.record({
  filter: fc
    .array(fc.oneof(labels, bounds), { maxLength: 4 })
    .map((terms) => readFilter(new URLSearchParams(terms.flat()))),
  buckets: fc
    .tuple(fc.integer({ min: -30, max: 100 }), fc.constantFrom(1, 2, 3, 6, 12, 24, 48, 7 * 24, 30 * 24), fc.nat(50))
    .map(([hours, width, n]) => {
      const from = first_day + hours * hour_ms;
      return { from, to: from + (n + 1) * width * hour_ms, bucket_ms: width * hour_ms };
    }),
});
export type Question = typeof question extends fc.Arbitrary<infer T> ? T : never;

const n = sql<number>`count(*)`.mapWith(Number);
const sorted = (rows: unknown[]) => rows.map((row) => JSON.stringify(row)).sort();

async function recount(tx: Database, { filter, buckets }: Question) {
  const count = async (where: SQL | undefined) => (await tx.select({ n }).from(log).where(where))[0]?.n ?? 0;
  const by = (column: (typeof log)['service' | 'event_type' | 'entity_type'], { where }: Filter) =>
    tx
      .select({ value: sql<string | null>`${column}`, n })
      .from(log)
      .where(where)
      .groupBy(column);
  const lastDay = and(filter.where, sql`${log.timestamp} >= now() - interval '24 hours' and ${log.timestamp} <= now()`);
  const facets = [];
  for (const key of rollupKeys)
    for (const { value, n } of await by(log[key], withoutField(filter, key)))
      if (value !== null) facets.push([key, value, n]);
  const inside = and(
    filter.where,
    gte(log.timestamp, new Date(buckets.from).toISOString()),
    lt(log.timestamp, new Date(buckets.to).toISOString()),
  );
  const ms = sql<number>`extract(epoch from ${log.timestamp}) * 1000`.mapWith(Number);
  const bars = new Map<string, number>();
  for (const { at, type } of await tx.select({ at: ms, type: log.event_type }).from(log).where(inside)) {
    const bar = `${Math.floor((at - buckets.from) / buckets.bucket_ms)} ${type}`;
    bars.set(bar, (bars.get(bar) ?? 0) + 1);
  }
  return {
    total: await count(filter.where),
    recent: await count(lastDay),
    by_event_type: sorted((await by(log.event_type, filter)).map(({ value, n }) => [value, n])),
    by_entity_type: sorted((await by(log.entity_type, filter)).map(({ value, n }) => [value, n])),
    facets: sorted(facets),
    bars: sorted([...bars]),
  };
}

/** The same from the rollup; null when the reader is too far behind. */
async function fromRollup(tx: Database, { filter, buckets }: Question) {
  const total = await rollupTotal(tx, filter);
  const recent = await rollupTotal(tx, filter, 'last day');
  const stats = await rollupStats(tx, filter);
  const facets = await rollupLabels(tx, filter, [], 1_000);
  const bars = await rollupBars(tx, filter, buckets);
  if (total === null || recent === null || !stats || !facets || !bars) return null;
  const [all] = stats.filter((row) => row.event_type === null && row.entity_type === null);
  if (all?.n !== total || all.recent !== recent) throw new Error(`the statistics differ from the total ${total}`);
  return {
    total,
    recent,
    by_event_type: sorted(stats.flatMap((row) => (row.event_type === null ? [] : [[row.event_type, row.n]]))),
    by_entity_type: sorted(stats.flatMap((row) => (row.entity_type === null ? [] : [[row.entity_type, row.n]]))),
    facets: sorted(facets.map(({ key, value, n }) => [key, value, n])),
    bars: sorted(bars.map(({ bar, event_type, n }) => [`${bar} ${event_type}`, n])),
  };
}

/** Both answers, from one snapshot. */
export const answers = (db: Database, question: Question) =>
  db.transaction(async (tx) => ({ rolled: await fromRollup(tx, question), counted: await recount(tx, question) }), {
    isolationLevel: 'repeatable read',
  });

export const describeQuestion = ({ filter, buckets }: Question) =>
  `${filter.key || '(all)'} from ${new Date(buckets.from).toISOString()} by ${buckets.bucket_ms / hour_ms} h, ${(buckets.to - buckets.from) / day_ms} days`;

/** The rows that are only in the rollup or only in a count of the log, at each of its levels. */
export const wrongRows = sql<number>`(
  with hours as (
    select date_trunc('hour', timestamp, 'UTC') as hour, event_type, entity_type, coalesce(service, '') as service,
           count(*) as n, min(id) as first_id, max(id) as last_id
    from activity_logs group by 1, 2, 3, 4
  ), days as (
    select date_trunc('day', hour, 'UTC') as day, event_type, entity_type, service, sum(n)::bigint as n
    from hours group by 1, 2, 3, 4
  ), months as (
    select date_trunc('month', day, 'UTC') as month, event_type, entity_type, service, sum(n)::bigint as n
    from days group by 1, 2, 3, 4
  ), types as (
    select day, event_type, sum(n)::bigint as n from days group by 1, 2
  ), rolled_hours as (
    select hour, event_type, entity_type, service, n, first_id, last_id from log_rollup
  ), rolled_days as (
    select day, event_type, entity_type, service, n from log_rollup_day
  ), rolled_months as (
    select month, event_type, entity_type, service, n from log_rollup_month
  ), rolled_types as (
    select day, event_type, n from log_rollup_day_type
  )
  select (select count(*) from (select * from hours except select * from rolled_hours) a)
       + (select count(*) from (select * from rolled_hours except select * from hours) b)
       + (select count(*) from (select * from days except select * from rolled_days) c)
       + (select count(*) from (select * from rolled_days except select * from days) d)
       + (select count(*) from (select * from months except select * from rolled_months) e)
       + (select count(*) from (select * from rolled_months except select * from months) f)
       + (select count(*) from (select * from types except select * from rolled_types) g)
       + (select count(*) from (select * from rolled_types except select * from types) h)
)`.mapWith(Number);
