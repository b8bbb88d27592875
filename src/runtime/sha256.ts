/** SHA-256 by `node:crypto`, which Node, Bun and workerd provide. */
import { createHash, hash } from 'node:crypto';
import type { Sha256 } from '../proof/bytes.ts';

/** `hash` takes two thirds of the time of an object for each hash, and workerd does not have it. */
export const sha256: Sha256 =
  typeof hash === 'function'
    ? (bytes) => new Uint8Array(hash('sha256', bytes, 'buffer'))
    : (bytes) => new Uint8Array(createHash('sha256').update(bytes).digest());
