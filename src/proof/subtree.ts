/** Hashes of subtrees from the hashes of tiles (C2SP tlog-tiles): whoever has the tiles can prove. */

import type { Sha256 } from './bytes.ts';
import { nodeHash, rootOf, type Subtree } from './tree.ts';

/** The hashes of a tile are this many, and its height is its logarithm. */
export const tile_hashes = 256;
const tile_height = 8;

/**
 * The hashes of a tile from its beginning: those of level 0 are hashes of leaves, those of the levels above are roots of the
 * tiles below. `count` is how many of them the tree has: all 256, or fewer at its right edge.
 */
export type ReadTile = (level: number, n: number, count: number) => Promise<Uint8Array[]>;

/** The hashes that a tile has in a tree of `size` leaves. */
export const hashesOfTile = (level: number, n: number, size: number): number =>
  Math.max(0, Math.min(tile_hashes, Math.floor(size / tile_hashes ** level) - n * tile_hashes));

/**
 * The hash of a subtree of a tree of `size` leaves: of a perfect one, or of one at the right edge, which is made of perfect
 * ones. `read` is asked once for each tile.
 */
export function subtreeHashes(sha256: Sha256, read: ReadTile, size: number) {
  const tiles = new Map<string, Promise<Uint8Array[]>>();
  const tile = (level: number, n: number) => {
    const key = `${level}/${n}`;
    const known = tiles.get(key) ?? read(level, n, hashesOfTile(level, n, size));
    tiles.set(key, known);
    return known;
  };

  /** Of 2^height leaves, of which the first is a multiple of that. */
  async function perfect(from: number, height: number): Promise<Uint8Array> {
    const level = Math.floor(height / tile_height);
    const first = Math.floor(from / tile_hashes ** level);
    const n = Math.floor(first / tile_hashes);
    const place = first - n * tile_hashes;
    const count = 2 ** (height % tile_height);
    const hashes = (await tile(level, n)).slice(place, place + count);
    if (hashes.length < count) throw new Error(`tile ${level}/${n} has no hash ${place + hashes.length}`);
    return rootOf(sha256, hashes);
  }

  return async function hashOf({ from, to }: Subtree): Promise<Uint8Array> {
    const hashes: Uint8Array[] = [];
    for (let at = from; at < to; ) {
      let height = 0;
      while (at % 2 ** (height + 1) === 0 && at + 2 ** (height + 1) <= to) height += 1;
      hashes.push(await perfect(at, height));
      at += 2 ** height;
    }
    const last = hashes.pop();
    if (!last) throw new Error('a subtree has at least one leaf');
    return hashes.reduceRight((right, left) => nodeHash(sha256, left, right), last);
  };
}
