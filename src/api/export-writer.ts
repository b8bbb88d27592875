/** Writes the rows of an export as chunks of bytes: by copying where a row allows it, else by way of its entry. */
import { columnText, type ExportPage, type ExportRow, exportColumns } from '../log/export-rows.ts';
import type { Entry } from '../log/schema.ts';
import { readLimits } from '../log/stored-row.ts';
import { type Copy, growth_max } from './export-bytes.ts';

/** How a format writes rows. */
export type RowStyle = {
  /** At the beginning of the file. */
  head: string;
  /** Before the first row, and before every other. */
  separators: [first: string, other: string];
  /** At the end of a file with rows, and of one without. */
  tails: [rows: string, none: string];
  /** Writes a row as RowCopy does. Without it, every row is written by way of its entry. */
  copyRow?: RowCopy;
  /** A row that cannot be copied. */
  lineOf(entry: Entry): string;
};

/** Writes a row at an index of the target, and returns the index after it, or -1 when its entry must be made. */
export type RowCopy = (target: Uint8Array, at: number, row: ExportRow) => number;

/** A value within a row: what stands before it, how it is copied, and what is written where it cannot be. */
export type Field = {
  /** Its place in exportColumns. */
  column: number;
  before: Uint8Array;
  copy: Copy;
  /** The text of a value that cannot be copied; null when only the whole row can be written. */
  textOf: ((text: string) => string) | null;
};

/** Each chunk costs a system call and a gzip call. */
const chunk_bytes = 64 * 1024;
const encoder = new TextEncoder();

/** The names of the columns with the rest of each line take less. */
const line_bytes_more = 1024;

export async function* writeRows(pages: AsyncIterable<ExportPage>, style: RowStyle): AsyncGenerator<Uint8Array> {
  const { head, tails, copyRow, lineOf } = style;
  const [first, other] = style.separators.map((text) => encoder.encode(text)) as [Uint8Array, Uint8Array];
  let chunk = new Uint8Array(chunk_bytes);
  let at = encoder.encodeInto(head, chunk).written;
  let separator = first;
  for await (const page of pages)
    for (const row of page.rows()) {
      const bytes_max = growth_max * row.n_bytes + line_bytes_more;
      if (at + bytes_max > chunk.length) {
        if (at > 0) yield chunk.subarray(0, at);
        chunk = new Uint8Array(Math.max(chunk_bytes, bytes_max));
        at = 0;
      }
      chunk.set(separator, at);
      at += separator.length;
      separator = other;
      const end = copyRow ? copyRow(chunk, at, row) : -1;
      if (end >= 0) at = end;
      else {
        // `unreadable` may be longer than all that is in the row.
        const line = encoder.encode(lineOf(row.entry()));
        if (at + line.length > chunk.length) {
          yield chunk.subarray(0, at);
          chunk = new Uint8Array(Math.max(chunk_bytes, line.length));
          at = 0;
        }
        chunk.set(line, at);
        at += line.length;
      }
    }
  const tail = encoder.encode(separator === first ? tails[1] : tails[0]);
  yield chunk.subarray(0, at);
  yield tail;
}

const bounded = new Set(
  ['description', 'metadata', 'user_agent'].map((name) => exportColumns.indexOf(name as 'metadata')),
);

/** Copies a row field by field. */
export function rowCopy(fields: Field[], absent: string, end: string): RowCopy {
  const absentBytes = encoder.encode(absent);
  const endBytes = encoder.encode(end);
  return (target, start, row) => {
    let at = start;
    for (const { column, before, copy, textOf } of fields) {
      at = put(target, at, before);
      const from = row.starts[column] as number;
      if (from < 0) {
        at = put(target, at, absentBytes);
        continue;
      }
      const to = row.ends[column] as number;
      // It may have been cut off: a character is at least a byte.
      if (to - from > readLimits.text_chars_max && bounded.has(column)) return -1;
      const next = copy(target, at, row.bytes, from, to);
      if (next >= 0) at = next;
      else if (textOf) at += encoder.encodeInto(textOf(columnText(row, column)), target.subarray(at)).written;
      else return -1;
    }
    return put(target, at, endBytes);
  };
}

/** A call of `set` costs more than these few bytes. */
function put(target: Uint8Array, at: number, bytes: Uint8Array): number {
  for (let i = 0; i < bytes.length; i++) target[at + i] = bytes[i] as number;
  return at + bytes.length;
}
