/** Decompression of request bodies, on every runtime. */
import { gunzip as inflate } from 'node:zlib';

/**
 * The content of gzip data (RFC 1952) of any number of members; null when it is longer than `bytes_max`, which is noticed
 * while it is inflated. Rejects when the data is not gzip, is cut off, or has another checksum.
 *
 * Not DecompressionStream: workerd inflates all that was written to it before anything is read, 100 MB from 97 kB.
 */
export function gunzip(bytes: Uint8Array, bytes_max: number): Promise<Uint8Array | null> {
  return new Promise((resolve, reject) =>
    inflate(bytes, { maxOutputLength: bytes_max }, (error, content) => {
      if (!error) resolve(content);
      // The three runtimes have no code in common for it, and no other RangeError.
      else if (error instanceof RangeError) resolve(null);
      else reject(error);
    }),
  );
}
