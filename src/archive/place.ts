/** Where the files of the archive are: the log's own database, or what the runtime has. */
import type { Reads } from '../log/reads.ts';
import type { Database } from '../log/schema.ts';
import type { FileBytes } from './read-file.ts';
import { partsFiles, partsLength, readParts, removeParts, storeParts } from './tables.ts';

export type Place = {
  /** For people. */
  name: string;
  /** Stores a file as a whole or not at all; one of the same name is replaced. */
  put(file: string, bytes: Uint8Array): Promise<void>;
  /** The file for reading, or null when there is none. */
  open(file: string): Promise<FileBytes | null>;
  /** The names of the files that begin with a text. */
  files(prefix: string): Promise<string[]>;
  remove(file: string): Promise<void>;
  /** Whether manifests are stored beside the files: not where log_months has them. */
  keeps_manifests: boolean;
};

export const databasePlace = (db: Database, reads: Reads): Place => ({
  name: 'the database',
  keeps_manifests: false,
  put: (file, bytes) => storeParts(db, file, bytes),
  open: async (file) => {
    const byteLength = await partsLength(reads, file);
    if (byteLength === null) return null;
    return {
      byteLength,
      slice: async (start, end = byteLength) => (await readParts(reads, file, start, end)).buffer as ArrayBuffer,
    };
  },
  files: (prefix) => partsFiles(reads, prefix),
  remove: (file) => removeParts(db, file),
});

/** The bytes of a whole file, or null when there is none. */
export async function readWhole(place: Place, file: string): Promise<Uint8Array | null> {
  const found = await place.open(file);
  return found && new Uint8Array(await found.slice(0, found.byteLength));
}
