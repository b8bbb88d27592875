/** Entries as CSV, JSON and NDJSON: pages of entries in, pieces of text out. */
import Papa from 'papaparse';
import type { Entry } from '../log/schema.ts';

export type Format = {
  type: string;
  write(pages: AsyncIterable<Entry[]>): AsyncIterable<string>;
  /** What a file that broke off ends with: no reader of the format takes it for whole. */
  cut: string;
};

const cutWords = 'CUT OFF: THIS FILE IS NOT WHOLE';

/** The CSV's columns, in order: the product's contract first, what was added to it after. */
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
 * What a spreadsheet may take for a formula (OWASP, CSV injection), also behind white space and in full width. Our
 * own, because PapaParse's default does not look past a line break. Such a cell gets a leading apostrophe.
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

/** One array, one entry a line: a whole JSON text, and still readable line by line. */
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
  csv: { type: 'text/csv; charset=utf-8', write: writeCsv, cut: `"${cutWords}` },
  json: { type: 'application/json; charset=utf-8', write: writeJson, cut: cutWords },
  ndjson: { type: 'application/x-ndjson; charset=utf-8', write: writeNdjson, cut: cutWords },
};
