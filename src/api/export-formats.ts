/** The export formats: CSV (also for spreadsheets), JSON and NDJSON. Each converts pages of entries to pieces of text. */
import Papa from 'papaparse';
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
 * characters. PapaParse's own pattern does not match after a line break. Such a cell gets a leading apostrophe.
 */
const formula = /^[\s\u00a0\ufeff]*[=+\-@\t\r\n|%\uff1d\uff0b\uff0d\uff20]/;

const csvRow = (entry: Entry) =>
  csvColumns.map((column) =>
    column === 'metadata'
      ? entry.metadata === null
        ? (entry.metadata_text ?? null)
        : JSON.stringify(entry.metadata)
      : (entry[column] ?? null),
  );

async function* writeCsv(pages: AsyncIterable<Entry[]>): AsyncGenerator<string> {
  const newline = '\r\n'; // RFC 4180
  yield csvColumns.join(',') + newline;
  for await (const page of pages) yield Papa.unparse(page.map(csvRow), { newline, escapeFormulae: formula }) + newline;
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

const spreadsheetRow = (entry: Entry) =>
  csvRow(entry).map((value) => (typeof value === 'string' ? spreadsheetCell(value) : value));

/**
 * CSV for people who open the file in a spreadsheet. The byte order mark makes Excel read it as UTF-8. The header
 * consists of constant formulas, too: the import recognizes the format by it.
 */
async function* writeSpreadsheet(pages: AsyncIterable<Entry[]>): AsyncGenerator<string> {
  const newline = '\r\n';
  yield `\ufeff${Papa.unparse([csvColumns.map(spreadsheetCell)])}${newline}`;
  for await (const page of pages) yield Papa.unparse(page.map(spreadsheetRow), { newline }) + newline;
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
  for await (const page of pages) yield page.map((entry) => `${JSON.stringify(entry)}\n`).join('');
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
