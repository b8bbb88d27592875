/** Facets, histogram, span and the last 24 hours: equal to plain JavaScript when exact, close to it when estimated. */
import { type SQL, sql } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { breakdownLimits, type Facet, facetKeys } from '../../src/log/breakdown.ts';
import { readEntry } from '../../src/log/entry.ts';
import { type Filter, readFilter } from '../../src/log/filter.ts';
import { countOrEstimate, sampleLimits } from '../../src/log/sample.ts';
import type { Entry } from '../../src/log/schema.ts';
import { createStore, type Store } from '../../src/log/store.ts';
import { wholeLimits } from '../../src/log/whole-reads.ts';
import { openPglite } from '../../src/runtime/pglite.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { databases, freshDatabase, freshPostgres, sqlClient } from '../support/harness.ts';

const ask = (text: string) => readFilter(new URLSearchParams(text));
const hour_ms = 3_600_000;
const start = Date.parse('2026-03-01T00:00:00Z');

async function openStore(name: (typeof databases)[number]) {
  const place = await freshDatabase(name);
  const open = 'DATA_DIR' in place ? await openPglite(place.DATA_DIR) : openPostgres(place.DATABASE_URL, 2);
  afterAll(open.close);
  return { db: open.db, reads: open.reads, store: createStore(open.db) };
}

const checked = (event: object) => {
  const read = readEntry(event);
  if ('faults' in read) throw new Error(JSON.stringify(read.faults));
  return read.entry;
};
const write = async (store: Store, events: object[]): Promise<Entry[]> =>
  (await store.append(events.map(checked))).map(({ entry }) => entry);

const user = fc.nat(14).map((n) => (n === 0 ? null : `u${n < 5 ? 1 : n}`));
const event = fc.record({
  event_type: fc.constantFrom('CREATE', 'UPDATE', 'UPDATE', ...'abcdefghi'),
  entity_type: fc.constantFrom('order', 'customer', '__proto__'),
  service: fc.constantFrom(null, 'shop', 'mail'),
  user_id: user,
  timestamp: fc.nat(5 * hour_ms).map((ms) => new Date(start + ms).toISOString()),
});

/** True for an entry that matches every term. The filters of these tests have only columns and times. */
const matches = ({ terms }: Filter, entry: Entry) =>
  terms.every(({ key, negated, values: [value = '', ...more] }) => {
    if (key === 'start_date') return entry.timestamp >= value;
    if (key === 'end_date') return entry.timestamp <= value;
    return [value, ...more].includes(String(entry[key as keyof Entry])) !== negated;
  });

function tallied(entries: Entry[], key: Facet['key']): [string, number][] {
  const by = new Map<string, number>();
  for (const { [key]: value } of entries) if (value !== null) by.set(value, (by.get(value) ?? 0) + 1);
  return [...by];
}

const near = (n: number | undefined, expected: number, share: number) => {
  expect(Math.abs((n ?? 0) - expected) / expected).toBeLessThan(share);
};

const questions = [
  '',
  'event_type=UPDATE',
  'event_type=UPDATE&event_type=nobody&user_id=u1',
  'event_type!=UPDATE&event_type!=nobody',
  'user_id!=u1&service=shop',
  'entity_type=__proto__&start_date=2026-03-01T01:00:00.000Z&end_date=2026-03-01T02:00:00.000Z',
  'service=mail&service!=mail',
  'user_id=u9&user_id=u14',
];

describe.each(databases)('a short log on %s', async (name) => {
  const { store } = await openStore(name);
  const all = await write(store, fc.sample(event, 400));

  it.each(questions)('facets count under the filter without their own field: %s', async (text) => {
    const filter = ask(text);
    const facets = await store.facets(filter);
    expect(facets?.map(({ key }) => key)).toEqual([...facetKeys]);
    for (const { key, values, more, exact } of facets ?? []) {
      const others = { ...filter, terms: filter.terms.filter((term) => term.key !== key) };
      const expected = tallied(
        all.filter((entry) => matches(others, entry)),
        key,
      );
      const selected = filter.terms.filter((term) => term.key === key).flatMap((term) => term.values);
      const numbers = new Map([...selected.map((value): [string, number] => [value, 0]), ...expected]);
      expect(exact).toBe(true);
      expect(values.map(({ value, n }) => [value, n, numbers.get(value)])).toEqual(
        values.map(({ value, n }) => [value, n, n]),
      );
      const counts = values.map(({ n }) => n);
      expect(counts).toEqual(counts.toSorted((a, b) => b - a));
      const top = [...numbers.values()].sort((a, b) => b - a).slice(0, breakdownLimits.facet_values_max);
      expect(counts.slice(0, top.length)).toEqual(top);
      expect(selected.filter((value) => !values.some((one) => one.value === value))).toEqual([]);
      expect(more).toBe(numbers.size > values.length);
    }
  });

  it.each(questions)('a histogram counts each bar by type, including empty bars: %s', async (text) => {
    const filter = ask(text);
    const bucket_ms = hour_ms / 2;
    const [from, to] = [start - hour_ms, start + 4 * hour_ms];
    const histogram = await store.histogram(filter, { from, to, bucket_ms });
    expect(histogram).toMatchObject({ from, to, bucket_ms, exact: true });
    const { types = [], bars = [] } = histogram ?? {};
    const inside = all.filter((entry) => matches(filter, entry) && Date.parse(entry.timestamp) < to);
    const most = tallied(inside, 'event_type').toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
    expect(types).toEqual(most.map(([type]) => type).slice(0, breakdownLimits.histogram_types_max));
    expect(bars).toEqual(
      Array.from({ length: 10 }, (_, i) => {
        const here = inside.filter((entry) => Math.floor((Date.parse(entry.timestamp) - from) / bucket_ms) === i);
        const by = types.map((type) => here.filter((entry) => entry.event_type === type).length);
        return { from: from + i * bucket_ms, n: here.length, by };
      }),
    );
  });

  it('has a span from the oldest to the newest match, and a total', async () => {
    const times = all.filter(({ user_id }) => user_id === 'u1').map(({ timestamp }) => Date.parse(timestamp));
    expect(await store.span(ask('user_id=u1'))).toEqual({ oldest: Math.min(...times), newest: Math.max(...times) });
    expect(await store.span(ask('user_id=nobody'))).toBeNull();
    const total = { total: times.length, total_is_exact: true };
    expect(await store.totalInTime(ask('user_id=u1'))).toEqual(total);
    for (const mode of ['fast', 'exact'] as const)
      expect(await store.total(ask('user_id=u1'), 400, mode)).toEqual(total);
    expect(await store.totalInTime(ask(''))).toEqual({ total: 400, total_is_exact: true });
  });
});

describe.each(databases)('times on %s', async (name) => {
  const { store } = await openStore(name);

  it('of an empty log have no span', async () => {
    expect(await store.span(ask(''))).toBeNull();
    expect(await store.recent(ask(''))).toEqual({ recent_24h: 0, recent_is_exact: true });
    expect((await store.facets(ask('')))?.map(({ values, exact }) => [values, exact])).toEqual(
      facetKeys.map(() => [[], true]),
    );
    expect(await store.histogram(ask(''), { from: 0, to: 20, bucket_ms: 10 })).toMatchObject({
      types: [],
      bars: [
        { from: 0, n: 0, by: [] },
        { from: 10, n: 0, by: [] },
      ],
    });
  });

  it('of the last 24 hours are counted by timestamp, without future events', async () => {
    const ago = (hours: number) => new Date(Date.now() - hours * hour_ms).toISOString();
    const base = { event_type: 'A', entity_type: 'x' };
    await write(
      store,
      [25, 23, 1, -1].map((hours) => ({ ...base, timestamp: ago(hours) })),
    );
    await write(store, [{ ...base, event_type: 'B', timestamp: ago(2) }]);
    expect(await store.recent(ask(''))).toEqual({ recent_24h: 3, recent_is_exact: true });
    expect(await store.recent(ask('event_type=A'))).toEqual({ recent_24h: 2, recent_is_exact: true });
  });

  it('may be in the year 1', async () => {
    const timestamp = '0001-01-01T00:00:00.000Z';
    await write(store, [{ event_type: 'OLD', entity_type: 'x', timestamp }]);
    const bucket_ms = 365 * 24 * hour_ms;
    const from = Date.parse(timestamp) - bucket_ms;
    const histogram = await store.histogram(ask('event_type=OLD'), { from, to: from + 3 * bucket_ms, bucket_ms });
    expect(histogram?.bars.map(({ n }) => n)).toEqual([0, 1, 0]);
  });
});

describe.each(databases)('a long log that the rollup has not counted yet, on %s', async (name) => {
  const { db, reads, store } = await openStore(name);
  const rows = 80_000;
  const burst = 8_000;
  // One week with a tenth of the rows in one second. Every fifth row is a DELETE, one row in 20,000 has the rare user.
  const fill = (from: number): SQL => sql`select count(*) from append_logs((
    select jsonb_agg(jsonb_build_object(
      'event_type', case when n % 5 = 0 then 'DELETE' else 'UPDATE' end, 'entity_type', 'order',
      'user_id', case when n % 20000 = 0 then 'rare' else 'u' || n % 40 end,
      'timestamp', ${new Date(start).toISOString()}::timestamptz + case
        when n between 36001 and 44000 then interval '84 hours' else n * interval '7 days' / ${rows}::int end))
    from generate_series(${from}::int + 1, ${from}::int + 4000) n))`;
  for (let from = 0; from < rows; from += 4_000) await db.execute(fill(from));
  const week = { from: start, to: start + 174 * hour_ms, bucket_ms: 6 * hour_ms };

  it('is estimated for many matches, and marked as not exact', async () => {
    const facets = await store.facets(ask(''));
    const [types, , services, users] = facets ?? [];
    expect(facets?.map(({ exact }) => exact)).toEqual([false, false, false, false]);
    expect(types?.rows_examined).toBe(sampleLimits.sample_ranges * sampleLimits.sample_range_ids);
    near(types?.values.find(({ value }) => value === 'DELETE')?.n, rows / 5, 0.05);
    near(types?.values.find(({ value }) => value === 'UPDATE')?.n, (rows * 4) / 5, 0.05);
    expect(services?.values).toEqual([]);
    expect(users?.more).toBe(true);
  });

  it('shows a burst in its bar', async () => {
    const histogram = await store.histogram(ask(''), week);
    expect(histogram?.exact).toBe(false);
    near(histogram?.bars[14]?.n, burst, 0.15);
    expect(histogram?.bars[13]?.n).toBe(0);
    near(histogram?.bars[4]?.n, rows / 28, 0.15);
    expect(histogram?.bars.every(({ n, by }) => by.reduce((sum, m) => sum + m, 0) === n)).toBe(true);
  });

  it('is estimated from a larger sample for more matches than are counted at once, on a server', async () => {
    const n = sql<number>`count(*)`.mapWith(Number);
    const estimate = (text: string, few_rows_max?: number) =>
      countOrEstimate(
        reads,
        ask(text),
        rows,
        (tx, source) => tx.select({ n }).from(source),
        ([counted]) => counted?.n ?? 0,
        few_rows_max,
      );
    // Four hours of seven days: about 240 in the small sample, which is too few.
    const at = (hours: number) => new Date(start + hours * hour_ms).toISOString();
    const hours = `start_date=${at(24)}&end_date=${at(28)}`;
    const matching = Math.floor((28 * rows) / 168) - Math.ceil((24 * rows) / 168) + 1;
    const { sample_ranges, sample_range_ids, large_sample_range_ids } = sampleLimits;
    const small = { rows_examined: sample_ranges * sample_range_ids, exact: false };
    const large = { rows_examined: sample_ranges * large_sample_range_ids, exact: false };
    const isServer = reads.deadline_ms !== null;
    expect(await estimate(hours)).toMatchObject(isServer ? { rows: [{ n: matching }], exact: true } : small);
    const found = await estimate(hours, 100);
    expect(found).toMatchObject(isServer ? large : small);
    near((found?.rows[0]?.n ?? 0) * (found?.weight ?? 0), matching, 0.15);
    // Users are expected to be rare: then an index finds all their entries.
    const exact = (n: number) => (isServer ? { rows: [{ n }], exact: true } : small);
    expect(await estimate('user_id=u7', 100)).toMatchObject(exact(rows / 40));
    expect(await estimate('user_id=u7&user_id=u8')).toMatchObject(exact(rows / 20));
    expect(await estimate('user_id=u7&user_id=u8', 100)).toMatchObject(isServer ? large : small);
  });

  it('is exact for few matches', async () => {
    const [types, , , users] = (await store.facets(ask('user_id=rare'))) ?? [];
    expect(types).toMatchObject({ values: [{ value: 'DELETE', n: rows / 20_000 }], exact: true });
    expect(users?.values.find(({ value }) => value === 'rare')?.n).toBe(rows / 20_000);
    const histogram = await store.histogram(ask('user_id=rare'), week);
    expect([histogram?.exact, histogram?.bars.reduce((sum, { n }) => sum + n, 0)]).toEqual([true, rows / 20_000]);
  });

  it('gives no exact number that it did not count: a total within its deadline, or a lower bound', async () => {
    const total = await store.total(ask('event_type=UPDATE'), rows, 'fast', 51);
    if (total.total_is_exact) expect(total.total).toBe(64_000);
    else expect(total.total).toBeGreaterThanOrEqual(51);
    expect(total.total).toBeLessThanOrEqual(64_000);
    expect(await store.total(ask('event_type=UPDATE'), rows, 'exact')).toEqual({ total: 64_000, total_is_exact: true });
  });

  it('lists a value of the filter that no sampled row has', async () => {
    const [types] = (await store.facets(ask('event_type=NEVER'))) ?? [];
    expect(types?.values.find(({ value }) => value === 'NEVER')?.n).toBe(0);
  });
});

describe('the total of a long log in the embedded database', async () => {
  const { db, store } = await openStore('pglite');
  const rows = 60_000;
  await db.transaction(async (tx) => {
    await tx.execute(sql`select set_config('edgetrail.append', 'on', true)`);
    await tx.execute(sql`insert into activity_logs (id, timestamp, event_type, entity_type, user_id, description, created_at)
      select n, now(), 'A', 'x', case when n % 20000 = 1 then 'rare' else 'often' end, 'text ' || n % 3, now()
      from generate_series(1, ${rows}::int) n`);
    await tx.execute(
      sql`insert into log_batches (last_id, n, committed_at) values (${rows}::int, ${rows}::int, now())`,
    );
  });

  it('is exact for a rare value, wherever it is', async () => {
    expect(await store.total(ask('user_id=rare'), rows, 'fast', 2)).toEqual({ total: 3, total_is_exact: true });
  });

  it.each([
    ['user_id=often', rows - 3],
    ['search=text 1', rows / 3],
    ['search=absent', 0],
  ])('is exact or a lower bound for %s, and does not hold the process for long', async (text, n) => {
    const started = performance.now();
    const { total, total_is_exact } = await store.total(ask(text), rows, 'fast', 0);
    // Fifty milliseconds and one window, with what a busy machine adds.
    expect(performance.now() - started).toBeLessThan(5_000);
    if (total_is_exact) expect(total).toBe(n);
    else expect(total).toBeLessThanOrEqual(n);
    expect(await store.total(ask(text), rows, 'exact')).toEqual({ total: n, total_is_exact: true });
  });
});

describe('the counts of a log in the embedded database that is too long to be read at once', async () => {
  const { db, store } = await openStore('pglite');
  // Shorter than a log that a server samples.
  const rows = wholeLimits.short_rows_max + 10_000;
  await db.transaction(async (tx) => {
    await tx.execute(sql`select set_config('edgetrail.append', 'on', true)`);
    await tx.execute(sql`insert into activity_logs (id, timestamp, event_type, entity_type, user_id, created_at)
      select n, ${new Date(start).toISOString()}::timestamptz + n * interval '1 second', 'A', 'x', 'u' || n % 2, now()
      from generate_series(1, ${rows}::int) n`);
    await tx.execute(
      sql`insert into log_batches (last_id, n, committed_at) values (${rows}::int, ${rows}::int, now())`,
    );
  });

  it.each([
    ['', rows],
    ['user_id=u1', rows / 2],
    ['user_id!=u1&event_type=A', rows / 2],
  ])('are estimates for the filter "%s"', async (text, n) => {
    const users = (await store.facets(ask(text)))?.find(({ key }) => key === 'user_id');
    expect(users?.exact).toBe(false);
    expect(users?.values.map(({ value }) => value).toSorted()).toEqual(['u0', 'u1']);
    const histogram = await store.histogram(ask(`user_id!=nobody&${text}`), {
      from: start,
      to: start + rows * 1_000 + 1_000,
      bucket_ms: rows * 1_000 + 1_000,
    });
    near(histogram?.bars[0]?.n, n, 0.1);
  });
});

describe.each(databases)('a long log that the rollup has counted, on %s', async (name) => {
  const { db, store } = await openStore(name);
  const rows = 60_000;
  const fill = (from: number): SQL => sql`select count(*) from append_logs((
    select jsonb_agg(jsonb_build_object(
      'event_type', case when n % 5 = 0 then 'DELETE' else 'UPDATE' end, 'entity_type', 'order',
      'timestamp', ${new Date(start).toISOString()}::timestamptz + n * interval '1 minute'))
    from generate_series(${from}::int + 1, ${from}::int + 4000) n))`;
  for (let from = 0; from < rows; from += 4_000) await db.execute(fill(from));
  while ((await store.rollUp()).remaining > 0);

  it('has exact facets, bars and totals', async () => {
    const [types, entities, services] = (await store.facets(ask(''))) ?? [];
    expect(types).toMatchObject({
      exact: true,
      values: [
        { value: 'UPDATE', n: rows * 0.8 },
        { value: 'DELETE', n: rows * 0.2 },
      ],
    });
    expect(entities).toMatchObject({ exact: true, values: [{ value: 'order', n: rows }] });
    expect(services).toMatchObject({ exact: true, values: [] });
    const day_ms = 24 * hour_ms;
    const histogram = await store.histogram(ask(''), { from: start, to: start + 42 * day_ms, bucket_ms: day_ms });
    expect(histogram?.exact).toBe(true);
    // The first event is a minute after midnight, so that the first day lacks one.
    expect(histogram?.bars.slice(0, 3).map(({ n }) => n)).toEqual([1_439, 1_440, 1_440]);
    expect(await store.totalInTime(ask('event_type=DELETE'))).toEqual({ total: rows / 5, total_is_exact: true });
  });
});

describe('a query that exceeds its deadline', async () => {
  const url = await freshPostgres();
  // Longer than the test may take: only a deadline of the counts' own ends them.
  const read_ms_max = 600_000;
  const database = openPostgres(url, 2, read_ms_max);
  const impatient = openPostgres(url, 1, 400);
  afterAll(() => Promise.all([database.close(), impatient.close()]));
  const store = createStore(database.db, database.reads);

  it('is cancelled, and the database session keeps its settings', async () => {
    const locks = sqlClient(url, 1);
    await locks.begin(async (held) => {
      await held`lock table activity_logs in access exclusive mode`;
      expect(await store.facets(ask(''))).toBeNull();
      expect(await store.histogram(ask(''), { from: 0, to: 10, bucket_ms: 10 })).toBeNull();
      expect(await store.recent(ask(''))).toBeNull();
      expect(await store.totalInTime(ask('user_id=x'))).toBeNull();
      for (const text of ['user_id=x', 'event_type=x'])
        expect(await store.total(ask(text), 100, 'fast', 51)).toEqual({ total: 51, total_is_exact: false });
      const exact = createStore(impatient.db, impatient.reads).total(ask('user_id=x'), 100, 'exact');
      await expect(exact).rejects.toThrow(/^The exact count took too long and was cancelled/);
      expect(await store.span(ask('user_id=x'))).toBeNull();
      const page = { limit: 1, offset: 0, before: null, after: null };
      await expect(createStore(impatient.db, impatient.reads).page(ask('search=x'), page)).rejects.toThrow();
    });
    const shown = sql<string>`current_setting('statement_timeout')`;
    const settings = await database.reads((db) => db.select({ shown }).from(sql`(select) as nothing`));
    expect(settings).toEqual([{ shown: '10min' }]);
    expect(await store.facets(ask(''))).toHaveLength(4);
  });
});
