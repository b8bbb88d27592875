/** The export formats: CSV (also for spreadsheets), JSON and NDJSON. Each converts pages of entries to pieces of text. */
import type { Entry } from '../log/schema.ts';

export type Format = {
  type: string;
  /** The end of the file's name, without the first dot. */
  extension: string;
  write(pages: AsyncIterable<Entry[]>): AsyncIterable<string>;
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
const guardedCell = (text: string) => (formula.test(text) ? quoted(`'${text}`) : cellOf(text));

const newline = '\r\n';

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

/** The lines of a page as one text. */
function joined(page: Entry[], lineOf: (entry: Entry) => string): string {
  let text = '';
  for (const entry of page) text += lineOf(entry);
  return text;
}

async function* writeCsv(pages: AsyncIterable<Entry[]>): AsyncGenerator<string> {
  yield csvColumns.join(',') + newline;
  for await (const page of pages) yield joined(page, (entry) => csvLine(entry, guardedCell));
}

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
async function* writeSpreadsheet(pages: AsyncIterable<Entry[]>): AsyncGenerator<string> {
  yield `\ufeff${csvColumns.map(spreadsheetText).join(',')}${newline}`;
  for await (const page of pages) yield joined(page, (entry) => csvLine(entry, spreadsheetText));
}

/** One array with one entry per line: a valid JSON text that line-based tools can read, too. */
async function* writeJson(pages: AsyncIterable<Entry[]>): AsyncGenerator<string> {
  let separator = '[\n';
  for await (const page of pages) {
    yield separator + page.map((entry) => JSON.stringify(entry)).join(',\n');
    separator = ',\n';
  }
  yield separator === '[\n' ? '[]\n' : '\n]\n';
}

async function* writeNdjson(pages: AsyncIterable<Entry[]>): AsyncGenerator<string> {
  for await (const page of pages) yield joined(page, (entry) => `${JSON.stringify(entry)}\n`);
}

export const formats: Record<'csv' | 'spreadsheet' | 'json' | 'ndjson', Format> = {
  csv: {
    type: 'text/csv; charset=utf-8',
    extension: 'csv',
    write: writeCsv,
    truncation_mark: `"${truncationText}`,
  },
  spreadsheet: {
    type: 'text/csv; charset=utf-8',
    extension: 'spreadsheet.csv',
    write: writeSpreadsheet,
    truncation_mark: `"${truncationText}`,
  },
  json: {
    type: 'application/json; charset=utf-8',
    extension: 'json',
    write: writeJson,
    truncation_mark: truncationText,
  },
  ndjson: {
    type: 'application/x-ndjson; charset=utf-8',
    extension: 'ndjson',
    write: writeNdjson,
    truncation_mark: truncationText,
  },
};
