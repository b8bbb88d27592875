/** The quick check of an event accepts nothing that the schema refuses, and makes the same event of it. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readEntry } from '../../src/log/entry.ts';
import { quickEntry } from '../../src/log/quick-entry.ts';

const ordinary = {
  event_type: 'CREATE',
  entity_type: 'order',
  entity_id: 17,
  user_id: 'ana',
  description: 'He said "yes" 🧾',
  metadata: { a: [1, { b: null }] },
  ip_address: '10.0.0.1',
  user_agent: 'Mozilla/5.0',
  timestamp: '2026-03-01T12:30:00.000Z',
  service: '',
  trace_id: null,
};

it('answers for an ordinary event', () => {
  const quick = quickEntry(ordinary);
  expect(quick).not.toBeNull();
  expect({ entry: quick }).toEqual(readEntry(ordinary));
});

const soon = (ms: number) => new Date(Date.now() + ms).toISOString();
const day_ms = 86_400_000;
const value = fc.oneof(
  fc.constantFrom<unknown>(
    ...['', ' ', '\t', 'a', '\0', 'a\0', '\ud800', '\ufeff', '\ufeffa', 'a\ufeff', '🧾', '🧾'.repeat(200), undefined],
    ...[null, true, 0, -0, 1, 1.5, 2 ** 53, -(2 ** 53) + 1, Number.NaN, {}, [], { a: '\0' }, { a: 2 ** 53 }, [1]],
    ...['10.0.0.1', '10.0.0.256', '010.0.0.1', '10.0.0.1/8', '::1', '10.0.0.1\n', ' 10.0.0.1'],
    ...['2026-03-01', '2026-03-01T12:30:00.000Z', '2026-02-30T12:30:00.000Z', '2026-03-01T24:00:00.000Z'],
    ...['0000-01-01T00:00:00.000Z', '0001-01-01T00:00:00.000Z', '9999-12-31T23:59:59.999Z', '+010000-01-01T00:00:00Z'],
    ...[soon(day_ms / 2), soon(2 * day_ms), '2026-03-01T12:30:00.0001', '2026-03-01 12:30:00.000Z', 'infinity'],
  ),
  fc.constantFrom(99, 100, 101, 255, 256, 2_000, 2_001, 10_000, 10_001).map((chars) => 'x'.repeat(chars)),
  fc.anything({ maxDepth: 2 }),
);
const unusual = fc.dictionary(
  fc.constantFrom(
    ...Object.keys(ordinary),
    'session_id',
    'event_uid',
    'span_id',
    'caused_by',
    'unknown',
    'id',
    '__proto__',
    'constructor',
  ),
  value,
  { maxKeys: 3, noNullPrototype: true },
);

it('makes of any event what the schema makes of it, or leaves it to the schema', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        unusual.map((fields) => ({ ...ordinary, ...fields })),
        unusual,
        value,
      ),
      (item) => {
        const quick = quickEntry(item);
        if (quick) expect(readEntry(item)).toEqual({ entry: quick });
      },
    ),
    { numRuns: 5_000 },
  );
});
