/** The rows of a page of an export: as bytes that a format copies, and as entries where bytes are not enough. */
import { getTableColumns } from 'drizzle-orm';
import { type Entry, activityLogs as log } from './schema.ts';
import { type StoredRow, toEntry } from './stored-row.ts';

/** The columns of a row, in the order of the table. */
export const exportColumns = Object.keys(getTableColumns(log)) as (keyof StoredRow)[];

/**
 * What stands between two rows, between two values and for a null in the text of a page. Random, so that no writer can
 * put them into a value; a page with one too many is refused.
 */
export type Marks = { row: string; separator: string; absent: string };

export function newMarks(): Marks {
  const secret = (chars: number) => crypto.randomUUID().replaceAll('-', '').slice(0, chars);
  return { row: `\u001e${secret(6)}`, separator: `\u001f${secret(4)}`, absent: `\u0001${secret(12)}` };
}

/** A row, valid until the next one is asked for: an object for each row costs more than all that is done with it. */
export type ExportRow = {
  /** The values in UTF-8, among other bytes. */
  bytes: Uint8Array;
  /** Where the value of each column begins; -1 for a null. */
  starts: Int32Array;
  ends: Int32Array;
  /** The length of the whole row. */
  n_bytes: number;
  entry(): Entry;
};

/** A page, valid until the next one is asked for. */
export type ExportPage = { n: number; rows(): Iterable<ExportRow> };

const encoder = new TextEncoder();
/** A byte order mark at the start of a value is a character of it. */
const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });

/** Makes the pages of one export from their texts; iterating a page throws when its text does not consist of `n` rows. */
export function pageReader(marks: Marks): (text: string, n: number) => ExportPage {
  // One buffer for all pages: memory of a megabyte for each would wait for the garbage collection.
  let buffer = new Uint8Array(0);
  return (text, n) => ({
    n,
    rows: () => {
      const bytes_max = utf8_bytes_max * text.length;
      if (buffer.length < bytes_max) buffer = new Uint8Array(bytes_max);
      return rowsOf(buffer.subarray(0, encoder.encodeInto(text, buffer).written), n, marks);
    },
  });
}
/** Of a UTF-16 code unit. */
const utf8_bytes_max = 3;

function* rowsOf(bytes: Uint8Array, n: number, marks: Marks): Generator<ExportRow> {
  const [between, separator, absent] = [marks.row, marks.separator, marks.absent].map((mark) =>
    encoder.encode(mark),
  ) as [Uint8Array, Uint8Array, Uint8Array];
  const starts = new Int32Array(exportColumns.length);
  const ends = new Int32Array(exportColumns.length);
  const row: ExportRow = { bytes, starts, ends, n_bytes: 0, entry: () => toEntry(storedRow(row)) };
  let n_rows = 0;
  for (let from = 0; from < bytes.length; n_rows++) {
    const end = findValues(row, from, between, separator);
    for (let column = 0; column < starts.length; column++) {
      const start = starts[column] as number;
      if ((ends[column] as number) - start === absent.length && isAt(bytes, start, absent)) starts[column] = -1;
    }
    row.n_bytes = end - from;
    yield row;
    from = end + between.length;
  }
  if (n_rows !== n) throw new Error('a row of the export holds the mark between two rows');
}

const last_control = 0x1f;

/** Finds the values of the row that begins at `from`, and returns its end. Not in the generator, which runs it half as fast. */
function findValues(
  { bytes, starts, ends }: ExportRow,
  from: number,
  between: Uint8Array,
  separator: Uint8Array,
): number {
  const { length } = bytes;
  let column = 0;
  starts[0] = from;
  let i = from;
  for (; i < length; i++) {
    // A row is some hundred bytes, and this is done with each of them.
    if ((bytes[i] as number) > last_control) continue;
    if (isAt(bytes, i, separator)) {
      ends[column] = i;
      column += 1;
      i += separator.length - 1;
      starts[column] = i + 1;
    } else if (isAt(bytes, i, between)) break;
  }
  ends[column] = i;
  if (column + 1 !== starts.length) throw new Error('a row of the export holds the mark between two values');
  return i;
}

function isAt(bytes: Uint8Array, at: number, mark: Uint8Array): boolean {
  for (let i = 0; i < mark.length; i++) if (bytes[at + i] !== mark[i]) return false;
  return true;
}

/** The value of a column as text. */
export const columnText = ({ bytes, starts, ends }: ExportRow, column: number): string =>
  decoder.decode(bytes.subarray(starts[column], ends[column]));

function storedRow(row: ExportRow): StoredRow {
  const stored: Record<string, string | number | null> = {};
  for (const [column, name] of exportColumns.entries()) {
    const value = row.starts[column] === -1 ? null : columnText(row, column);
    stored[name] = name === 'id' && value !== null ? Number(value) : value;
  }
  return stored as StoredRow;
}
