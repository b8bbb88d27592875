/** How the pages of the archive's files are compressed. */
import { gunzipSync, gzipSync } from 'node:zlib';

export const archiveGzip = {
  gzip: (bytes: Uint8Array): Uint8Array => gzipSync(bytes, { level: 6 }),
  /** Of a damaged file it takes no more memory than the file says. */
  gunzip: (bytes: Uint8Array, bytes_n: number): Uint8Array =>
    gunzipSync(bytes, { maxOutputLength: Math.max(1, bytes_n) }),
};
