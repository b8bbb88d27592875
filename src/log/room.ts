/** Room: whether a write fits on the disk. An embedded database asks before each write, because it must not meet a full disk. */
import type { NewEntry } from './entry.ts';

/** Both throw a 503 that says why when a write might fill the disk. */
export type Room = {
  /** Before events are stored. `bytes_max` is an upper estimate of what they and their index entries take. */
  forEvents(bytes_max: number): void;
  /** Before a write of a few rows. It needs less room, so that people can still sign in and read when events are refused. */
  forFewRows(): void;
};

/** For a server, which has a disk of its own and reports a full one as an error. */
export const serverRoom: Room = { forEvents() {}, forFewRows() {} };

/**
 * Measured: a character of random base64 in `description` took 52 to 72 bytes on the disk (rows, trigram index, and both
 * again in the WAL), English text less. Other fields took 1 to 6 bytes for each byte of JSON.
 */
const bytes_per_description_char = 64;
const bytes_per_json_char = 6;

/** An upper estimate of the bytes on the disk that a batch takes. `json` is the batch as it is sent. */
export function diskBytesOf(batch: NewEntry[], json: string): number {
  const description_chars = batch.reduce((sum, { description }) => sum + (description?.length ?? 0), 0);
  return json.length * bytes_per_json_char + description_chars * bytes_per_description_char;
}
