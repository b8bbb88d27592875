/** scrypt as `node:crypto` has it, on Node, Bun and workerd alike. */
import { scrypt as nodeScrypt } from 'node:crypto';
import type { Scrypt } from '../auth/auth.ts';

export const scrypt: Scrypt = (password, salt, { ln, r, p }, length) =>
  new Promise((resolve, reject) => {
    const N = 2 ** ln;
    // Node refuses above `maxmem`; 128·N·r is what the algorithm needs, and a little more for itself.
    nodeScrypt(password, salt, length, { N, r, p, maxmem: 128 * N * r + 128 * r * p + 1024 * 1024 }, (error, key) =>
      error ? reject(error) : resolve(new Uint8Array(key)),
    );
  });
