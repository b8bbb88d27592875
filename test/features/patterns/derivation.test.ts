/** The derived patterns equal a recount of the events, whatever the steps, and a page of them leads to exactly their events. */
import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { countsByPattern, patternLimits } from '../../../src/features/patterns/tables.ts';
import { readFilter } from '../../../src/log/filter.ts';
import { patternGap, patterns, patternTotal } from '../../../src/log/pattern-counts.ts';
import { createStore } from '../../../src/log/store.ts';
import { openPglite } from '../../../src/runtime/pglite.ts';
import { openPostgres } from '../../../src/runtime/postgres.ts';
import { databases, freshDatabase } from '../../support/harness.ts';

async function openStore(name: (typeof databases)[number]) {
  const place = await freshDatabase(name);
  const open = 'DATA_DIR' in place ? await openPglite(place.DATA_DIR) : openPostgres(place.DATABASE_URL, 3);
  afterAll(open.close);
  return { db: open.db, store: createStore(open.db) };
}
type Open = Awaited<ReturnType<typeof openStore>>;

const event = fc.record({
  event_type: fc.constant('A'),
  entity_type: fc.constant('x'),
  service: fc.option(fc.constantFrom('s', 't', 'edgetrail')),
  description: fc.option(
    fc
      .tuple(fc.constantFrom('paid', 'order-', '{"a":', 'ü '), fc.nat(99), fc.constantFrom('', ' EUR', '}'))
      .map((parts) => parts.join('')),
  ),
});

/** The counts by key as a recount of the rows up to an id has them. */
async function recount({ db }: Open, upto: number) {
  const counted = db
    .select({
      key: sql<string>`pattern_key(service, description)`.as('key'),
      n: sql`count(*)`.mapWith(Number).as('n'),
      first_id: sql`min(id)`.mapWith(Number).as('first_id'),
      last_id: sql`max(id)`.mapWith(Number).as('last_id'),
    })
    .from(sql`activity_logs`)
    .where(sql`id <= ${upto}::bigint`)
    .groupBy(sql`1`);
  return new Map((await counted).map((row) => [row.key, row]));
}
const filterOf = (keys: string[]) => readFilter(new URLSearchParams(keys.map((key) => ['pattern', key])));
const rowsOf = async ({ db }: Open) =>
  (await db.select({ row: sql<string>`p::text` }).from(sql`log_pattern p`).orderBy(sql`1`)).map(({ row }) => row);

describe.each(databases)('the patterns on %s', async (name) => {
  const one = await openStore(name);
  const other = await openStore(name);

  it('are the recount of the events at any cursor, and the same rows for any steps', async () => {
    const check = async (events: object[], ids_max: number) => {
      for (const { store } of [one, other]) if (events.length > 0) await store.append(structuredClone(events) as never);
      await one.store.stepDerivation(patterns, ids_max + 1);
      const counts = await countsByPattern(one.store, null);
      const expected = await recount(one, counts.upto);
      // The totals of filters come from the same counts.
      const [first, second] = expected.keys();
      for (const keys of [[first], [first, second], ['0123456789abcdef']].map((some) =>
        some.filter((key) => key !== undefined),
      )) {
        const n = keys.reduce((sum, key) => sum + (expected.get(key)?.n ?? 0), 0);
        if (keys.length > 0) expect(await patternTotal(one.db, filterOf(keys))).toBe(n);
      }
      expect(counts.upto).toBe(counts.head);
      expect(counts.n).toBe(counts.head);
      expect(new Map(counts.rows.map(({ key, n, first_id, last_id }) => [key, { key, n, first_id, last_id }]))).toEqual(
        expected,
      );
    };
    await fc.assert(fc.asyncProperty(fc.array(event, { maxLength: 30 }), fc.nat(20), check), {
      numRuns: 40,
      endOnFailure: true,
    });
    while ((await one.store.stepDerivation(patterns, 7)).remaining > 0);
    while ((await other.store.stepDerivation(patterns)).remaining > 0);
    expect(await rowsOf(one)).toEqual(await rowsOf(other));
    const [derived] = await one.db.select({ n: sql`sum(n)`.mapWith(Number) }).from(sql`log_pattern`);
    expect(derived?.n).toBe(await one.store.newest().then(({ id }) => id));
  });

  it('are those of one service, and a filter by their keys finds exactly their events', async () => {
    const { store } = one;
    const { rows, head } = await countsByPattern(store, 's');
    expect(rows.length).toBeGreaterThan(2);
    for (const { key, n, service } of rows) {
      const asked = (text: string) => store.total(readFilter(new URLSearchParams(text)), head, 'exact');
      expect(service).toBe('s');
      expect(await asked(`pattern=${key}`)).toMatchObject({ total: n });
      expect(await asked(`pattern=${key}&service!=s`)).toMatchObject({ total: 0 });
    }
  });
});

describe('a service with too many patterns', async () => {
  const letters = (n: number) => [...String(n)].map((digit) => 'ghijklmnop'[Number(digit)]).join('');
  const write = async ({ store }: Open, texts: string[], service: string | null) => {
    for (let i = 0; i < texts.length; i += 1_000)
      await store.append(
        texts
          .slice(i, i + 1_000)
          .map((description) => ({ event_type: 'A', entity_type: 'x', service, description })) as never,
      );
  };

  it('keeps the first ones, whatever the steps, and its other events add up', async () => {
    const { service_keys_max } = patternLimits;
    const [one, other] = [await openStore('postgres'), await openStore('postgres')];
    const texts = Array.from({ length: service_keys_max + 30 }, (_, i) => letters(i));
    for (const open of [one, other]) {
      await write(open, texts.slice(0, -35), 's');
      if (open === one) while ((await one.store.stepDerivation(patterns, 997)).remaining > 0);
      // Of a full service in the same range: what is known is counted, what is new is not, and another service has room.
      await write(open, [...texts.slice(-35), ...texts.slice(-40)], 's');
      await write(open, texts.slice(-3), null);
      // The rows above the cursor, and the same ones when they are derived.
      const { rows, n } = await countsByPattern(open.store, null);
      const before = rows.length > 0 ? { n, rows } : null;
      while ((await open.store.stepDerivation(patterns, open === one ? 3 : 20_000)).remaining > 0);
      const after = await countsByPattern(open.store, null);
      if (open === one) expect(after).toMatchObject(before ?? {});
      expect(after.n).toBe(after.head);
    }
    expect(await rowsOf(one)).toEqual(await rowsOf(other));
    const [counted] = await one.db
      .select({
        own: sql`count(*) filter (where key <> 'other')`.mapWith(Number),
        other: sql`sum(n) filter (where key = 'other')`.mapWith(Number),
      })
      .from(sql`log_pattern`)
      .where(sql`service = 's'`);
    expect(counted).toEqual({ own: service_keys_max, other: 60 });
    // A filter by a pattern of `other` is answered from the rows.
    const [row] = await one.db
      .select({
        key: sql<string>`pattern_key('s', ${texts.at(-1)})`,
        known: sql<string>`pattern_key('s', ${texts[0]})`,
      })
      .from(sql`(select) as nothing`);
    expect(await patternTotal(one.db, filterOf([row?.key ?? '']))).toBeNull();
    expect(await patternTotal(one.db, filterOf([row?.known ?? '']))).toBe(1);
    expect(await one.store.total(filterOf([row?.key ?? '']), (await one.store.newest()).id, 'exact')).toMatchObject({
      total: 2,
    });
  });

  it('is said: events that are not counted yet are named, and not left out of the sum', async () => {
    const open = await openStore('postgres');
    await write(
      open,
      Array.from({ length: patternGap.ids_max + 1 }, () => 'a'),
      null,
    );
    expect(await countsByPattern(open.store, null)).toMatchObject({
      upto: 0,
      n: 0,
      head: patternGap.ids_max + 1,
    });
    await open.store.stepDerivation(patterns, 1);
    expect(await countsByPattern(open.store, null)).toMatchObject({
      upto: patternGap.ids_max + 1,
      n: patternGap.ids_max + 1,
    });
  });
});

describe('a stream of compact JSON', async () => {
  const open = await openStore('postgres');
  it('has a pattern for its keys, not for its values', async () => {
    const line = (i: number) =>
      JSON.stringify({
        level: ['info', 'warn'][i % 2],
        msg: `request ${i} of ${Math.random()}`,
        tags: Array.from({ length: i % 7 }, (_, j) => `t${j}`),
        items: Array.from({ length: 1 + (i % 5) }, (_, j) => ({ sku: `s-${i}-${j}`, n: j })),
        ...(i % 3 === 0 && { error: { code: i, text: 'x'.repeat(i % 50) } }),
        user: { id: crypto.randomUUID(), ok: i % 2 === 0, at: null },
      });
    await open.store.append(
      Array.from({ length: 1_000 }, (_, i) => ({ event_type: 'A', entity_type: 'x', description: line(i) })) as never,
    );
    expect((await countsByPattern(open.store, null)).rows).toHaveLength(2);
  });
});
