/** The export formats CSV, JSON and NDJSON: each converts pages of entries to pieces of text. */
import Papa from 'papaparse';
import type { Entry } from '../log/schema.ts';

export type Format = {
  type: string;
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
] as const satisfies (keyof Entry)[];

/**
 * Text that a spreadsheet may evaluate as a formula (OWASP, CSV injection), also after white space and in full-width
 * characters. PapaParse's own pattern does not match after a line break. Such a cell gets a leading apostrophe.
 */
const formula = /^[\s\u00a0\ufeff]*[=+\-@\t\r\n|%\uff1d\uff0b\uff0d\uff20]/;

const csvRow = (entry: Entry) =>
  csvColumns.map((column) =>
    column === 'metadata' && entry.metadata !== null ? JSON.stringify(entry.metadata) : entry[column],
  );

async function* writeCsv(pages: AsyncIterable<Entry[]>): AsyncGenerator<string> {
  const newline = '\r\n'; // RFC 4180
  yield csvColumns.join(',') + newline;
  for await (const page of pages) yield Papa.unparse(page.map(csvRow), { newline, escapeFormulae: formula }) + newline;
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

export const formats: Record<'csv' | 'json' | 'ndjson', Format> = {
  csv: { type: 'text/csv; charset=utf-8', write: writeCsv, truncation_mark: `"${truncationText}` },
  json: { type: 'application/json; charset=utf-8', write: writeJson, truncation_mark: truncationText },
  ndjson: { type: 'application/x-ndjson; charset=utf-8', write: writeNdjson, truncation_mark: truncationText },
};
