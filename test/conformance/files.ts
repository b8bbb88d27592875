/** Parsers for exported files. */
import Papa from 'papaparse';
import { expect } from 'vitest';
import type { formats } from '../../src/api/export-formats.ts';
import type { Entry } from '../../src/log/schema.ts';
import type { TestService } from '../support/harness.ts';

export type Format = keyof typeof formats;
export const formatNames = ['csv', 'spreadsheet', 'json', 'ndjson'] as const satisfies Format[];
export const exported = async (service: TestService, query: string) => {
  const answer = await service.request(`/api/logs/export?${query}`);
  expect(answer.status).toBe(200);
  return answer.text();
};

type Row = Record<string, string>;

/** Parses CSV (RFC 4180) with PapaParse; throws on a malformed file. */
export function readCsv(text: string): { rows: Row[]; columns: string[] } {
  const { data, errors, meta } = Papa.parse<Row>(text, {
    header: true,
    newline: '\r\n',
    delimiter: ',',
    skipEmptyLines: true,
  });
  expect(errors).toEqual([]);
  return { rows: data, columns: meta.fields ?? [] };
}

export const readLines = (text: string) =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Entry);

export const idsIn: Record<Format, (text: string) => number[]> = {
  csv: (text) => readCsv(text).rows.map((row) => Number(row.id)),
  spreadsheet: (text) => readCsv(text).rows.map((row) => Number(row['="id"'])),
  json: (text) => (JSON.parse(text) as Entry[]).map(({ id }) => id),
  ndjson: (text) => readLines(text).map(({ id }) => id),
};
