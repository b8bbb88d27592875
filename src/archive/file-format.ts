/** The archive's file, version 1: Parquet, one row for each event, with the texts that the database prints. */
import type { SchemaElement } from 'hyparquet';
import { exportColumns } from '../log/export-rows.ts';
import { readDatabaseTime } from '../log/instant.ts';

export const file_format = 1;

export const fileLimits = {
  /** A reader keeps a group in memory, and reads one column of it at a time. */
  group_rows: 25_000,
  /** A file that somebody reads whole stays small. */
  file_rows: 250_000,
  /** With pages of a megabyte, one row costs ten times as much. */
  page_bytes: 64 * 1024,
} as const;

/** The texts of some rows by column, in the order of exportColumns; null is the database's null. */
export type Rows = { n: number; texts: (string | null)[][] };

export const emptyRows = (): Rows => ({ n: 0, texts: exportColumns.map(() => []) });

/** The columns that hold times: the number of milliseconds, and in a second column the text of what is no such number. */
export const timeColumns = ['timestamp', 'created_at'] as const;
/** By which events are looked for one by one: a filter that says that a value is not there is worth its bytes. */
export const bloomColumns: readonly string[] = ['entity_id', 'user_id', 'trace_id', 'session_id', 'event_uid'];

export const textOfTime = (name: string) => `${name}_text`;
export const columnOfKey = (key: string) => `metadata.${key}`;

const text = (name: string): SchemaElement => ({
  name,
  type: 'BYTE_ARRAY',
  converted_type: 'UTF8',
  logical_type: { type: 'STRING' },
  repetition_type: 'OPTIONAL',
});
const time = (name: string): SchemaElement => ({
  name,
  type: 'INT64',
  converted_type: 'TIMESTAMP_MILLIS',
  logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' },
  repetition_type: 'OPTIONAL',
});

/** The columns of a file with these keys of metadata. */
export function fileSchema(keys: readonly string[]): SchemaElement[] {
  const columns = exportColumns.flatMap((name): SchemaElement[] => {
    if (name === 'id') return [{ name, type: 'INT64', repetition_type: 'REQUIRED' }];
    if (name === 'timestamp' || name === 'created_at') return [time(name)];
    return name === 'metadata' ? [text(name), ...keys.map((key) => text(columnOfKey(key)))] : [text(name)];
  });
  columns.push(...timeColumns.map((name) => text(textOfTime(name))));
  return [{ name: 'event', num_children: columns.length }, ...columns];
}

/** A time as PostgreSQL prints it in UTC, of milliseconds that a Date can hold. */
export function databaseText(ms: number): string {
  const iso = new Date(ms).toISOString();
  const at = iso.indexOf('T');
  const year = Number(iso.slice(0, at - 6));
  const [whole = '', fraction = ''] = iso.slice(at + 1, -1).split('.');
  const decimals = fraction.replace(/0+$/, '');
  const years = String(year > 0 ? year : 1 - year).padStart(4, '0');
  return `${years}${iso.slice(at - 6, at)} ${whole}${decimals && `.${decimals}`}+00${year > 0 ? '' : ' BC'}`;
}

/** The milliseconds of a time's text; null when they would not give the same text again, as for `infinity`. */
export function exactTime(value: string): number | null {
  const ms = readDatabaseTime(value);
  return Number.isFinite(ms) && databaseText(ms) === value ? ms : null;
}
