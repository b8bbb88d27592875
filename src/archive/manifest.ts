/** The manifest of a packed month: its files and what is in them. It is kept in log_months, and beside the files in a folder. */
import type { Month } from './month.ts';

export type ManifestFile = {
  /** Its name within the place, which begins with the log and the month and ends with its digest. */
  file: string;
  bytes: number;
  /** SHA-256 in hex. */
  sha256: string;
  rows: number;
  /** The smallest and the largest id. */
  ids: [number, number];
  /** The first and the last time, as the database prints it. */
  times: [string, string];
};

/** The proof of the events (month-proof.ts), and the checkpoint that it leads to. */
export type ManifestProof = { file: string; bytes: number; sha256: string; size: number; root: string };

export type Manifest = {
  format: number;
  /** The UUID of the log. */
  log: string;
  month: Month;
  /** The month's events up to this id are in the files. */
  upto: number;
  rows: number;
  /** How many values of the month's events had been erased, and how many of the same events had stayed. */
  erased: number;
  /** The keys of metadata that have a column. */
  keys: string[];
  files: ManifestFile[];
  /** Absent where the month's events were not all sealed when it was packed. */
  proof?: ManifestProof;
};

/** The names of a month's files begin with this: folders of the form that DuckDB and others read as columns. */
export const prefixOf = (log_id: string, month: Month): string => `log=${log_id}/month=${month}/`;

export async function sha256Hex(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

const digest_chars = 16;

/** A file is named by its content: whoever packs the same events again finds it there. */
export const fileName = (prefix: string, n: number, sha256: string): string =>
  `${prefix}${String(n).padStart(3, '0')}-${sha256.slice(0, digest_chars)}.parquet`;
export const proofName = (prefix: string, sha256: string): string =>
  `${prefix}events-${sha256.slice(0, digest_chars)}.proof`;
export const manifestName = (prefix: string): string => `${prefix}manifest.json`;
