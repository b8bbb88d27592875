/** Generated rows of the log, among them rows that no writer may store, as the database prints their values. */
import fc from 'fast-check';
import { exportColumns } from '../../src/log/export-rows.ts';
import { readLimits, type StoredRow } from '../../src/log/stored-row.ts';
import { blankRow } from './export-page.ts';

/** Well formed, and without NUL: no other text can be stored. */
const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 6 }).map((value) => value.toWellFormed().replaceAll('\0', '')),
  fc.string({
    unit: fc.constantFrom(...' ",\r\n\t\ufeff=-\'a\u00a0\u3000\uff1d\u0001\u001e\u001f\\é中🧾1'),
    maxLength: 5,
  }),
);

const times = [
  '2026-03-01 12:30:00+00',
  '2026-03-01 12:30:00.1+00',
  '2026-03-01 12:30:00.12+00',
  '2026-03-01 12:30:00.123+00',
  '0001-01-01 00:00:00+00',
  '10000-01-01 00:00:00+00',
  '99999-12-31 23:59:59.999+00',
  '0044-03-15 12:00:00+00 BC',
  'infinity',
  '-infinity',
];

const numbers = [
  ...['0', '7', '-1', '1.5', '-0.5', '0.05', '0.005', '12.34', '123456789012345', '1234567890.1234'],
  // JavaScript writes these in another way, or cannot hold them.
  ...['1.50', '1.0', '0.0', '0.0000001', '0.0001', '1234567890123456', '100000000000000000000000', '9007199254740993'],
  '0.1234567890123456789',
];

const key = fc.constantFrom('a', 'b', '"', '\\', '\n', '10', '1b', '0', '__proto__', ':', ', ', 'ü', '');
const string = fc.oneof(text, fc.constantFrom('{', ']', '": ', '1: ', '\\"', '1234567890123456'));

/** A jsonb value as PostgreSQL prints it. */
const { json } = fc.letrec<{ json: string }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom('null', 'true', 'false', ...numbers),
    string.map((value) => JSON.stringify(value)),
    fc.array(tie('json'), { maxLength: 3 }).map((items) => `[${items.join(', ')}]`),
    fc
      .uniqueArray(fc.tuple(key, tie('json')), { selector: ([name]) => name, maxLength: 4 })
      .map((members) => `{${members.map(([name, value]) => `${JSON.stringify(name)}: ${value}`).join(', ')}}`),
  ),
}));

const { metadata_depth_max: depth, text_chars_max } = readLimits;
const metadata = fc.oneof(
  { weight: 20, arbitrary: json },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      `${'{"a": '.repeat(depth)}1${'}'.repeat(depth)}`,
      `${'{"a": '.repeat(depth - 1)}{}${'}'.repeat(depth - 1)}`,
      `${'['.repeat(depth + 1)}${']'.repeat(depth + 1)}`,
    ),
  },
);
const boundedText = fc.oneof(
  { weight: 40, arbitrary: text },
  { weight: 1, arbitrary: fc.constantFrom('x', 'é').map((char) => char.repeat(text_chars_max)) },
  { weight: 1, arbitrary: fc.constant('x'.repeat(text_chars_max + 1)) },
);

const generated: Partial<Record<keyof StoredRow, fc.Arbitrary<unknown>>> = {
  id: fc.oneof(fc.nat(), fc.constantFrom(Number.MAX_SAFE_INTEGER, 1e15)),
  timestamp: fc.constantFrom(...times),
  created_at: fc.constantFrom(...times),
  metadata: fc.option(metadata),
  description: fc.option(boundedText),
  user_agent: fc.option(boundedText),
};

export const storedRow = fc
  .record(Object.fromEntries(exportColumns.map((name) => [name, generated[name] ?? fc.option(text)])))
  .map((row) => ({ ...blankRow, ...row }) as StoredRow);

export const storedRows = fc.array(storedRow, { maxLength: 3 });
