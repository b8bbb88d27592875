/** The export formats: CSV (also for spreadsheets), JSON and NDJSON. Each converts pages of rows to chunks of bytes. */
import { type ExportPage, exportColumns } from '../log/export-rows.ts';
import type { Entry } from '../log/schema.ts';
import type { StoredRow } from '../log/stored-row.ts';
import {
  type Copy,
  copyCell,
  copyId,
  copyMetadata,
  copyMetadataCell,
  copyString,
  copyTime,
  copyTimeString,
} from './export-bytes.ts';
import { type Field, type RowStyle, rowCopy, writeRows } from './export-writer.ts';

export type Format = {
  type: string;
  /** The end of the file's name, without the first dot. */
  extension: string;
  write(pages: AsyncIterable<ExportPage>): AsyncIterable<Uint8Array>;
  /** Written at the end of an export that failed midway. It is invalid in the format, so that no reader accepts the file as complete. */
  truncation_mark: string;
};

const truncationText = 'TRUNCATED: THIS FILE IS INCOMPLETE';

/** The columns of the CSV, in order. The first eleven are a fixed contract; later fields are appended. */
export const csvColumns = [
  'id',
  'timestamp',
  'event_type',
  'entity_type',
  'entity_id',
  'user_id',
  'description',
  'metadata',
  'ip_address',
  'user_agent',
  'created_at',
  'service',
  'trace_id',
  'session_id',
  'event_uid',
  'unreadable',
  'span_id',
  'parent_span_id',
  'caused_by',
] as const satisfies (keyof Entry)[];

/**
 * Text that a spreadsheet may evaluate as a formula (OWASP, CSV injection), also after white space and in full-width
 * characters. Such a cell gets a leading apostrophe.
 */
const formula = /^[\s\u00a0\ufeff]*[=+\-@\t\r\n|%\uff1d\uff0b\uff0d\uff20]/;

/** The value of a cell: null where it is empty, text that the formula guard must see, or a number. */
const cellValue = (entry: Entry, column: (typeof csvColumns)[number]): string | number | null => {
  if (column !== 'metadata') return entry[column] ?? null;
  return entry.metadata === null ? (entry.metadata_text ?? null) : JSON.stringify(entry.metadata);
};

/** RFC 4180, and quotes around what some readers would trim or take for the mark of an encoding. */
const needsQuotes = /[",\r\n\ufeff]|^ | $/;
const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
const cellOf = (text: string) => (needsQuotes.test(text) ? quoted(text) : text);
/** A text as a cell of CSV that no spreadsheet takes for a formula. */
export const guardedCell = (text: string) => (formula.test(text) ? quoted(`'${text}`) : cellOf(text));

export const newline = '\r\n';

/** A line of a CSV whose texts are written by `cell`. */
function csvLine(entry: Entry, cell: (text: string) => string): string {
  let line = '';
  let separator = '';
  for (const column of csvColumns) {
    const value = cellValue(entry, column);
    line += value === null ? separator : separator + (typeof value === 'number' ? value : cell(value));
    separator = ',';
  }
  return line + newline;
}

const encoder = new TextEncoder();

/** The fields of a row; `copyText` is for texts, and `before` is what stands before a field. */
const fieldsOf = (
  columns: readonly (keyof StoredRow)[],
  before: (name: keyof StoredRow, i: number) => string,
  {
    copyText,
    textOf,
    copyJson,
    copyInstant,
  }: { copyText: Copy; textOf(text: string): string; copyJson: Copy; copyInstant: Copy },
): Field[] =>
  columns.map((name, i) => {
    const field = { column: exportColumns.indexOf(name), before: encoder.encode(before(name, i)) };
    if (name === 'id') return { ...field, copy: copyId, textOf: null };
    if (name === 'timestamp' || name === 'created_at') return { ...field, copy: copyInstant, textOf: null };
    if (name === 'metadata') return { ...field, copy: copyJson, textOf: null };
    return { ...field, copy: copyText, textOf };
  });

/** Of a row that is copied: such a row is readable, so that the column `unreadable` is empty. */
const separator = (name: string, i: number) => (i === 0 ? '' : name === afterUnreadable ? ',,' : ',');
const afterUnreadable = csvColumns[csvColumns.indexOf('unreadable') + 1];

const csv: RowStyle = {
  head: csvColumns.join(',') + newline,
  separators: ['', ''],
  tails: ['', ''],
  copyRow: rowCopy(
    fieldsOf(
      csvColumns.filter((name) => name !== 'unreadable'),
      separator,
      {
        copyText: copyCell,
        textOf: guardedCell,
        copyJson: copyMetadataCell,
        copyInstant: copyTime,
      },
    ),
    '',
    newline,
  ),
  lineOf: (entry) => csvLine(entry, guardedCell),
};

/** Excel's limit for a text in a formula. */
const constant_chars_max = 255;
const controls = /\p{Cc}/u;

/**
 * A text as a spreadsheet keeps it: the constant formula `="007"`. A plain cell 007, 1E5, 1.10 or `March 5` becomes a
 * number or a date, also in quotes. A text that is too long for a formula, or has line breaks, is written as it is when it
 * begins like text, else with an apostrophe, so that it is no number and no formula. The import reverses both.
 */
function spreadsheetCell(text: string): string {
  const constant = text.replaceAll('"', '""');
  if (constant.length <= constant_chars_max && !controls.test(text)) return `="${constant}"`;
  return /^[\p{L}{]/u.test(text) ? text : `'${text}`;
}

const spreadsheetText = (text: string) => cellOf(spreadsheetCell(text));

/**
 * CSV for people who open the file in a spreadsheet. The byte order mark makes Excel read it as UTF-8. The header
 * consists of constant formulas, too: the import recognizes the format by it.
 */
const spreadsheet: RowStyle = {
  head: `\ufeff${csvColumns.map(spreadsheetText).join(',')}${newline}`,
  separators: ['', ''],
  tails: ['', ''],
  lineOf: (entry) => csvLine(entry, spreadsheetText),
};

const jsonFields = fieldsOf(exportColumns, (name, i) => `${i === 0 ? '{' : ','}${JSON.stringify(name)}:`, {
  copyText: copyString,
  textOf: JSON.stringify,
  copyJson: copyMetadata,
  copyInstant: copyTimeString,
});

/** One array with one entry per line: a valid JSON text that line-based tools can read, too. */
const json: RowStyle = {
  head: '[',
  separators: ['\n', ',\n'],
  tails: ['\n]\n', ']\n'],
  copyRow: rowCopy(jsonFields, 'null', '}'),
  lineOf: (entry) => JSON.stringify(entry),
};

const ndjson: RowStyle = {
  head: '',
  separators: ['', ''],
  tails: ['', ''],
  copyRow: rowCopy(jsonFields, 'null', '}\n'),
  lineOf: (entry) => `${JSON.stringify(entry)}\n`,
};

const writer = (style: RowStyle) => (pages: AsyncIterable<ExportPage>) => writeRows(pages, style);

export const formats: Record<'csv' | 'spreadsheet' | 'json' | 'ndjson', Format> = {
  csv: {
    type: 'text/csv; charset=utf-8',
    extension: 'csv',
    write: writer(csv),
    truncation_mark: `"${truncationText}`,
  },
  spreadsheet: {
    type: 'text/csv; charset=utf-8',
    extension: 'spreadsheet.csv',
    write: writer(spreadsheet),
    truncation_mark: `"${truncationText}`,
  },
  json: {
    type: 'application/json; charset=utf-8',
    extension: 'json',
    write: writer(json),
    truncation_mark: truncationText,
  },
  ndjson: {
    type: 'application/x-ndjson; charset=utf-8',
    extension: 'ndjson',
    write: writer(ndjson),
    truncation_mark: truncationText,
  },
};
