/** The events of the archive as the pages of an export: every format of the API writes them. */
import { type ExportPage, newMarks, pageReader } from '../log/export-rows.ts';
import type { Rows } from './file-format.ts';

const page_rows = 2_000;

export async function* archivedPages(groups: AsyncIterable<Rows>): AsyncGenerator<ExportPage> {
  const marks = newMarks();
  const pageOf = pageReader(marks);
  for await (const { n, texts } of groups)
    for (let from = 0; from < n; from += page_rows) {
      const upto = Math.min(n, from + page_rows);
      const lines: string[] = [];
      for (let i = from; i < upto; i++)
        lines.push(texts.map((values) => values[i] ?? marks.absent).join(marks.separator));
      yield pageOf(lines.join(marks.row), lines.length);
    }
}
