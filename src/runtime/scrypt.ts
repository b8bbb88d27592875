/** scrypt by `node:crypto`, which Node, Bun and workerd provide. */
import { scrypt as nodeScrypt } from 'node:crypto';
import type { Scrypt } from '../auth/auth.ts';

export const scrypt: Scrypt = (password, salt, { ln, r, p }, length) =>
  new Promise((resolve, reject) => {
    const N = 2 ** ln;
    // Node refuses to use more than `maxmem`. The algorithm needs 128·N·r + 128·r·p bytes; 1 MiB is overhead.
    nodeScrypt(password, salt, length, { N, r, p, maxmem: 128 * N * r + 128 * r * p + 1024 * 1024 }, (error, key) =>
      error ? reject(error) : resolve(new Uint8Array(key)),
    );
  });
