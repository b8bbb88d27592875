/** Random panels of boards about the entries of a log, and their addresses. */
import fc from 'fast-check';
import type { Entry } from '../../src/log/schema.ts';

const day_ms = 86_400_000;
const ranges = { '24h': 1, '7d': 7, '30d': 30, '90d': 90, '1y': 365 } as const;
const groupKeys = ['event_type', 'entity_type', 'entity_id', 'user_id', 'service', 'ip_address'] as const;
type Key = (typeof groupKeys)[number];

/** Kinds whose marks have numbers. Those of features are narrowed by few fields. */
const counted = ['number', 'bars', 'lines', 'top', 'top', 'heat', 'patterns'] as const;
const offered = { lanes: ['user_id'], unusual: ['user_id'] } as const satisfies Record<string, readonly Key[]>;

export type RandomPanel = {
  kind: (typeof counted)[number] | keyof typeof offered | 'events';
  /** Of the panel, and of the address beside its period. */
  filter: string;
  narrowed: string;
  by: Key[];
  measure: string;
  /** As the address writes it: `last`, or both ends. */
  period: string;
};

/** The period of an address, in epoch ms with both ends, at a time of the clock. */
export function periodOf(period: string, now_ms: number): { from: number; to: number } {
  const asked = new URLSearchParams(period);
  const last = asked.get('last') as keyof typeof ranges | null;
  if (last === null) {
    const [from, to] = ['start_date', 'end_date'].map((key) => Date.parse(asked.get(key) ?? ''));
    return { from: from ?? Number.NaN, to: to ?? Number.NaN };
  }
  const to = (Math.floor(now_ms / 3_600_000) + 1) * 3_600_000 - 1;
  return { from: to - ranges[last] * day_ms + 1, to };
}

/** The values of a field, the most frequent ones first, with one that no entry has at the end. */
function valuesOf(entries: Entry[], key: Key): string[] {
  const counts = new Map<string, number>();
  for (const entry of entries) if (entry[key] !== null) counts.set(entry[key], (counts.get(entry[key]) ?? 0) + 1);
  const frequent = [...counts].sort(([, a], [, b]) => b - a).map(([value]) => value);
  return [...frequent.slice(0, 6), ...(key === 'ip_address' ? [] : ['nobody'])];
}

const query = (parts: [string, string][]) => String(new URLSearchParams(parts));

function filterArbitrary(entries: Entry[], keys: readonly Key[]): fc.Arbitrary<string> {
  const values = fc.constantFrom(...keys.filter((key) => valuesOf(entries, key).length > 0)).chain((key) =>
    fc
      .tuple(
        fc.uniqueArray(fc.constantFrom(...valuesOf(entries, key)), { minLength: 1, maxLength: 3 }),
        // What a feature offers is not narrowed by a negation.
        keys.length === 1 ? fc.constant(false) : fc.boolean(),
      )
      .map(([texts, isNegated]) => texts.map((text): [string, string] => [isNegated ? `${key}!` : key, text])),
  );
  if (keys.length === 1) return fc.option(values).map((found) => (found ? query(found) : ''));
  const words = entries.flatMap(({ description }) => description?.split(/\W+/).filter((word) => word.length > 3) ?? []);
  const others: [string, string][] = [
    ['without', 'user_id'],
    ['without!', 'service'],
    ['hour_of_week', '34'],
    ['last_id', String(Math.ceil(entries.length * 0.8))],
    ...[...new Set(words)].slice(0, 6).map((word): [string, string] => ['search', word]),
  ];
  const other = fc.constantFrom(...others).map((one) => [one]);
  return fc.oneof({ weight: 2, arbitrary: fc.constant('') }, values.map(query), other.map(query), {
    weight: 1,
    arbitrary: fc.tuple(values, other).map(([a, b]) => query([...a, ...b])),
  });
}

/** So many panels: the same seed gives the same ones of the same entries. */
export function randomPanels(entries: Entry[], n: number, seed: number): RandomPanel[] {
  const times = entries.map(({ timestamp }) => Date.parse(timestamp)).sort((a, b) => a - b);
  const [first = 0, last = 0] = [times[0], times.at(-1)];
  const moment = fc.integer({ min: first, max: last }).map((ms) => new Date(ms).toISOString());
  const ends = fc.tuple(moment, moment).map(([a, b]) =>
    query(
      a < b
        ? [
            ['start_date', a],
            ['end_date', b],
          ]
        : [
            ['start_date', b],
            ['end_date', a],
          ],
    ),
  );
  const isRecent = last > Date.now() - 7 * day_ms;
  const recent = fc.constantFrom(...Object.keys(ranges)).map((name) => query([['last', name]]));
  const period = isRecent ? fc.oneof(recent, ends) : ends;
  const filter = filterArbitrary(entries, groupKeys);
  const ofKind = (kind: RandomPanel['kind'], of: fc.Arbitrary<string>, fields: object = {}) =>
    fc.record({
      kind: fc.constant(kind),
      ...{ filter: of, narrowed: of, period },
      ...{ by: fc.constant<Key[]>([]), measure: fc.constant('count') },
      ...fields,
    });
  const measure = fc.constantFrom('count', 'count', 'count', 'users', 'entities', 'addresses', 'sum:metadata.amount');
  const by = (least: number, most: number) =>
    fc.uniqueArray(fc.constantFrom(...groupKeys), { minLength: least, maxLength: most });
  const arbitrary = fc.oneof(
    ...counted.map((kind) => {
      const [least, most] = kind === 'top' ? [1, 2] : kind === 'bars' || kind === 'lines' ? [0, 1] : [0, 0];
      return { weight: 3, arbitrary: ofKind(kind, filter, { measure, by: by(least, most) }) };
    }),
    ...Object.entries(offered).map(([kind, keys]) => ({
      weight: 2,
      arbitrary: ofKind(kind as keyof typeof offered, filterArbitrary(entries, keys)),
    })),
    { weight: 1, arbitrary: ofKind('events', filter) },
  );
  return fc.sample(arbitrary, { numRuns: n, seed }) as RandomPanel[];
}
