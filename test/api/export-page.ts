/** Rows as the pages of an export bring them, and the file that a format makes of them. */
import { formats } from '../../src/api/export-formats.ts';
import { exportColumns, newMarks, pageReader } from '../../src/log/export-rows.ts';
import type { StoredRow } from '../../src/log/stored-row.ts';

export const blankRow = {
  ...(Object.fromEntries(exportColumns.map((name) => [name, null])) as unknown as StoredRow),
  id: 7,
  timestamp: '2026-03-01 12:30:00+00',
  created_at: '2026-03-01 12:30:00.5+00',
} satisfies StoredRow;

/** The file of one page with these rows. */
export async function fileOf(format: keyof typeof formats, rows: StoredRow[]): Promise<string> {
  const marks = newMarks();
  const lineOf = (row: StoredRow) => exportColumns.map((name) => row[name] ?? marks.absent).join(marks.separator);
  async function* pages() {
    if (rows.length > 0) yield pageReader(marks)(rows.map(lineOf).join(marks.row), rows.length);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of formats[format].write(pages())) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
