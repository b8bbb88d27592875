/** Proofs that are made of tiles: all of them verify, and nothing else does. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/proof/bytes.ts';
import { hashesOfTile, type ReadTile, subtreeHashes, tile_hashes } from '../../src/proof/subtree.ts';
import {
  consistencySubtrees,
  inclusionSubtrees,
  isConsistent,
  isIncluded,
  leafHash,
  rootOf,
} from '../../src/proof/tree.ts';
import { sha256 } from '../../src/runtime/sha256.ts';

/** A tile of level 1 is full, and the next one is not. */
const size_max = tile_hashes ** 2 + 700;
const leaves = Array.from({ length: size_max }, (_, i) => leafHash(sha256, utf8(`event ${i}`)));

/** The tiles of the tree of all leaves: of level 0 they are leaves, above it roots of tiles. */
const rows: Uint8Array[][] = [leaves];
for (const row of rows)
  if (row.length >= tile_hashes)
    rows.push(
      Array.from({ length: Math.floor(row.length / tile_hashes) }, (_, n) =>
        rootOf(sha256, row.slice(n * tile_hashes, (n + 1) * tile_hashes)),
      ),
    );
const read: ReadTile = async (level, n, count) => (rows[level] ?? []).slice(n * tile_hashes, n * tile_hashes + count);
const hashOf = (size: number) => subtreeHashes(sha256, read, size);
const rootAt = (size: number) => hashOf(size)({ from: 0, to: size });

type Inclusion = Parameters<typeof isIncluded>[1];
type Consistency = Parameters<typeof isConsistent>[1];

async function inclusion(index: number, size: number): Promise<Inclusion> {
  const path = await Promise.all(inclusionSubtrees(index, size).map(hashOf(size)));
  return { index, size, leaf: leaves[index] as Uint8Array, path, root: await rootAt(size) };
}
async function consistency(old: number, size: number): Promise<Consistency> {
  const path = await Promise.all(consistencySubtrees(old, size).map(hashOf(size)));
  return { old, size, oldRoot: await rootAt(old), root: await rootAt(size), path };
}

const size = fc.oneof(
  fc.integer({ min: 1, max: 300 }),
  fc.integer({ min: 1, max: size_max }),
  fc.integer({ min: 1, max: size_max >> 8 }).map((n) => n << 8),
);
const place = fc.tuple(size, fc.nat()).map(([size, n]) => ({ size, index: n % size }));
const pair = fc.tuple(size, fc.nat()).map(([size, n]) => ({ size, old: 1 + (n % size) }));

const flipped = (hash: Uint8Array, bit: number) =>
  hash.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
/** A number with one of its 53 bits changed. */
const flippedNumber = (n: number, bit: number) => Number(BigInt(n) ^ (1n << BigInt(bit)));
const bits = (n: number) => Array.from({ length: n }, (_, bit) => bit);

/** On which side of the path each hash stands, from the leaf upward: all that a verifier knows of a size. */
const sides = (index: number, size: number) =>
  inclusionSubtrees(index, size)
    .map(({ from }) => (from > index ? 'r' : 'l'))
    .join('');

describe('a tree', () => {
  it('has the root of RFC 6962 §2.1, at every size up to 600 and at the edges of tiles', async () => {
    const recursive = (hashes: readonly Uint8Array[]): Uint8Array => {
      const [only] = hashes;
      if (only && hashes.length === 1) return only;
      const k = 2 ** Math.ceil(Math.log2(hashes.length) - 1);
      return sha256(Uint8Array.of(1, ...recursive(hashes.slice(0, k)), ...recursive(hashes.slice(k))));
    };
    for (const size of [...bits(601).slice(1), 65_536, 66_000])
      expect(await rootAt(size)).toEqual(recursive(leaves.slice(0, size)));
  });

  it('has the tiles of tlog-tiles: the example of the standard, and no empty one', () => {
    expect([272, 273, 274].map((n) => hashesOfTile(0, n, 70_000))).toEqual([256, 112, 0]);
    expect([0, 1, 2].map((n) => hashesOfTile(1, n, 70_000))).toEqual([256, 17, 0]);
    expect([0, 1].map((n) => hashesOfTile(2, n, 70_000))).toEqual([1, 0]);
    expect([hashesOfTile(0, 0, 256), hashesOfTile(1, 0, 256), hashesOfTile(2, 0, 256)]).toEqual([256, 1, 0]);
  });

  it('has no proof where a tile is short', async () => {
    const short: ReadTile = async (level, n, count) => (await read(level, n, count)).slice(0, -1);
    await expect(subtreeHashes(sha256, short, 1_000)({ from: 0, to: 1_000 })).rejects.toThrow('has no hash');
  });
});

describe('1,000 proofs of inclusion', () => {
  it('verify; with another bit of a hash, or of the index, they do not', async () => {
    await fc.assert(
      fc.asyncProperty(place, fc.nat(255), async ({ index, size }, bit) => {
        const proof = await inclusion(index, size);
        expect(isIncluded(sha256, proof)).toBe(true);
        expect(isIncluded(sha256, { ...proof, leaf: flipped(proof.leaf, bit) })).toBe(false);
        expect(isIncluded(sha256, { ...proof, root: flipped(proof.root, bit) })).toBe(false);
        for (const [i, hash] of proof.path.entries())
          expect(isIncluded(sha256, { ...proof, path: proof.path.with(i, flipped(hash, bit)) })).toBe(false);
        for (const bit of bits(53))
          expect(isIncluded(sha256, { ...proof, index: flippedNumber(index, bit) })).toBe(false);
        if (size > 1) expect(isIncluded(sha256, { ...proof, path: proof.path.slice(1) })).toBe(false);
        expect(isIncluded(sha256, { ...proof, path: [...proof.path, proof.root] })).toBe(false);
      }),
      { numRuns: 1_000 },
    );
  });

  it('fail with every single bit of every hash changed, at sizes of each shape', async () => {
    for (const [index, size] of [
      [0, 1],
      [1, 2],
      [2, 3],
      [4, 7],
      [255, 257],
      [256, 257],
      [300, 513],
    ] as const) {
      const proof = await inclusion(index, size);
      for (const bit of bits(256)) {
        expect(isIncluded(sha256, { ...proof, leaf: flipped(proof.leaf, bit) })).toBe(false);
        expect(isIncluded(sha256, { ...proof, root: flipped(proof.root, bit) })).toBe(false);
        for (const [i, hash] of proof.path.entries())
          expect(isIncluded(sha256, { ...proof, path: proof.path.with(i, flipped(hash, bit)) })).toBe(false);
      }
    }
  });

  // Not every other size is refused: leaf 0 has the same path in trees of 3 and 4 leaves. A size is what its checkpoint says.
  it('verify with another size exactly where the path has the same sides', async () => {
    await fc.assert(
      fc.asyncProperty(place, fc.nat(16), async ({ index, size }, bit) => {
        const other = flippedNumber(size, bit);
        const proof = { ...(await inclusion(index, size)), size: other };
        expect(isIncluded(sha256, proof)).toBe(index < other && sides(index, other) === sides(index, size));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('1,000 proofs of consistency', () => {
  it('verify; with another bit of a hash, or another number of hashes, they do not', async () => {
    await fc.assert(
      fc.asyncProperty(pair, fc.nat(255), async ({ old, size }, bit) => {
        const proof = await consistency(old, size);
        expect(isConsistent(sha256, proof)).toBe(true);
        expect(isConsistent(sha256, { ...proof, oldRoot: flipped(proof.oldRoot, bit) })).toBe(false);
        expect(isConsistent(sha256, { ...proof, root: flipped(proof.root, bit) })).toBe(false);
        for (const [i, hash] of proof.path.entries())
          expect(isConsistent(sha256, { ...proof, path: proof.path.with(i, flipped(hash, bit)) })).toBe(false);
        expect(isConsistent(sha256, { ...proof, path: [...proof.path, proof.root] })).toBe(false);
        if (proof.path.length > 0)
          expect(isConsistent(sha256, { ...proof, path: proof.path.slice(0, -1) })).toBe(false);
      }),
      { numRuns: 1_000 },
    );
  });

  it('of a tree with one other leaf among the old ones do not verify', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 600 }), fc.nat(600), fc.nat(), async (old, more, n) => {
        const size = old + more;
        const other = leaves.slice(0, old).with(n % old, leafHash(sha256, utf8('another event')));
        const proof = { ...(await consistency(old, size)), oldRoot: rootOf(sha256, other) };
        expect(isConsistent(sha256, proof)).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  it('fail with every single bit changed, at sizes of each shape', async () => {
    for (const [old, size] of [
      [1, 2],
      [2, 3],
      [3, 7],
      [4, 8],
      [255, 257],
      [256, 600],
    ] as const) {
      const proof = await consistency(old, size);
      for (const bit of bits(256)) {
        expect(isConsistent(sha256, { ...proof, oldRoot: flipped(proof.oldRoot, bit) })).toBe(false);
        expect(isConsistent(sha256, { ...proof, root: flipped(proof.root, bit) })).toBe(false);
        for (const [i, hash] of proof.path.entries())
          expect(isConsistent(sha256, { ...proof, path: proof.path.with(i, flipped(hash, bit)) })).toBe(false);
      }
    }
  });

  it('with a size that is not a number of leaves do not verify', async () => {
    const proof = await consistency(3, 7);
    for (const size of [0, -1, 2, 7.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY])
      expect(isConsistent(sha256, { ...proof, size })).toBe(false);
    for (const old of [0, -1, 3.5, 8, 2 ** 53, Number.NaN]) expect(isConsistent(sha256, { ...proof, old })).toBe(false);
  });
});
