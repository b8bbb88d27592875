/** The CSV of an export is what PapaParse writes for the same cells, which spreadsheets and readers were tested with. */
import fc from 'fast-check';
import Papa from 'papaparse';
import { expect, it } from 'vitest';
import { csvColumns } from '../../src/api/export-formats.ts';
import { type StoredRow, toEntry } from '../../src/log/stored-row.ts';
import { fileOf } from './export-page.ts';
import { storedRows } from './stored-rows.ts';

/** The formula guard as PapaParse takes it. */
const formula = /^[\s\u00a0\ufeff]*[=+\-@\t\r\n|%\uff1d\uff0b\uff0d\uff20]/;

/** The cells of a row, by way of its entry. */
function cellsOf(row: StoredRow): (string | number | null)[] {
  const entry = toEntry(row);
  return csvColumns.map((column) => {
    if (column !== 'metadata') return entry[column] ?? null;
    return entry.metadata === null ? (entry.metadata_text ?? null) : JSON.stringify(entry.metadata);
  });
}

it('is written as PapaParse writes it', async () => {
  const byPapaParse = (page: StoredRow[]) =>
    Papa.unparse([csvColumns, ...page.map(cellsOf)] as unknown[][], { newline: '\r\n', escapeFormulae: formula });
  await fc.assert(
    fc.asyncProperty(storedRows, async (page) => {
      expect(await fileOf('csv', page)).toBe(`${byPapaParse(page)}\r\n`);
    }),
    { numRuns: 1_000 },
  );
});
