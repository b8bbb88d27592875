/** The CSV of an export is what PapaParse writes for the same cells, which spreadsheets and readers were tested with. */
import fc from 'fast-check';
import Papa from 'papaparse';
import { expect, it } from 'vitest';
import { csvColumns, formats } from '../../src/api/export-formats.ts';
import type { Entry } from '../../src/log/schema.ts';

/** The formula guard as PapaParse takes it. */
const formula = /^[\s\u00a0\ufeff]*[=+\-@\t\r\n|%\uff1d\uff0b\uff0d\uff20]/;

const textOf = fc.option(
  fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: fc.constantFrom(' ', '"', ',', '\r', '\n', '\ufeff', '=', '-', "'", 'a', '\u00a0') }),
  ),
  { nil: null },
);
const entryOf = fc.record({
  ...Object.fromEntries(csvColumns.map((column) => [column, textOf])),
  id: fc.nat(),
  metadata: fc.option(fc.jsonValue() as fc.Arbitrary<Entry['metadata']>, { nil: null }),
}) as fc.Arbitrary<Entry>;

it('is written as PapaParse writes it', async () => {
  const asExported = async (page: Entry[]) => {
    let text = '';
    for await (const piece of formats.csv.write(
      (async function* () {
        yield page;
      })(),
    ))
      text += piece;
    return text;
  };
  const byPapaParse = (page: Entry[]) =>
    Papa.unparse(
      [
        csvColumns,
        ...page.map((entry) =>
          csvColumns.map((column) =>
            column === 'metadata' && entry.metadata !== null ? JSON.stringify(entry.metadata) : (entry[column] ?? null),
          ),
        ),
      ] as unknown[][],
      { newline: '\r\n', escapeFormulae: formula },
    );
  await fc.assert(
    fc.asyncProperty(fc.array(entryOf, { minLength: 1, maxLength: 3 }), async (page) => {
      expect(await asExported(page)).toBe(`${byPapaParse(page)}\r\n`);
    }),
    { numRuns: 1_000 },
  );
});
