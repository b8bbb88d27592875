/** The proof of a month: its events lead to the root of the tree that they were sealed in, and nothing else does. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MonthProof, monthTree, readMonthProof, writeMonthProof } from '../../src/archive/month-proof.ts';
import type { Entry } from '../../src/log/schema.ts';
import { toEntry } from '../../src/log/stored-row.ts';
import { isEqual } from '../../src/proof/bytes.ts';
import { eventDigest } from '../../src/proof/leaf.ts';
import { rangesOf } from '../../src/proof/ranges.ts';
import { tile_hashes } from '../../src/proof/subtree.ts';
import { keysOfTile, newTileKey, nodesOfRange, readNodes } from '../../src/proof/tile-keys.ts';
import { leafHash, nodeHash, splitOf } from '../../src/proof/tree.ts';
import { sha256 } from '../../src/runtime/sha256.ts';
import { blankRow } from '../api/export-page.ts';

const size = 1_100;
const entryOf = (id: number, more: object = {}): Entry =>
  toEntry({ ...blankRow, id, event_type: 'A', entity_type: 'b', description: `event ${id}`, ...more });
const seeds = Array.from({ length: Math.ceil(size / tile_hashes) }, () => readNodes(newTileKey()));
const keys = seeds.flatMap((nodes) => keysOfTile(sha256, nodes));
const leaves = Array.from({ length: size }, (_, i) => {
  const digest = eventDigest(sha256, entryOf(i + 1), { key: keys[i] as Uint8Array });
  if (!digest) throw new Error('an event without a digest');
  return leafHash(sha256, digest);
});

/** RFC 6962 §2.1, as it is written there. */
function hashOf(from: number, to: number): Uint8Array {
  if (to - from === 1) return leaves[from] as Uint8Array;
  const middle = from + splitOf(to - from);
  return nodeHash(sha256, hashOf(from, middle), hashOf(middle, to));
}
const whole = hashOf(0, size);

const proofOf = async (ids: number[]): Promise<MonthProof> =>
  readMonthProof(
    await writeMonthProof(rangesOf(ids), size, 'a checkpoint\n', {
      hashOf: async ({ from, to }) => hashOf(from, to),
      keysOf: async (n, ranges) => ({
        nodes: ranges.flatMap(({ first, last }) =>
          nodesOfRange(sha256, seeds[n] ?? [], first - n * tile_hashes - 1, last - n * tile_hashes - 1),
        ),
        secrets: new Map(),
      }),
    }),
  );

/** Some ids: runs with gaps, as of a month, from anywhere in the log. */
const someIds = fc
  .array(fc.tuple(fc.integer({ min: 1, max: size }), fc.integer({ min: 1, max: 600 })), { minLength: 1, maxLength: 4 })
  .map((runs) => [
    ...new Set(
      runs.flatMap(([first, n]) => Array.from({ length: Math.min(n, size + 1 - first) }, (_, i) => first + i)),
    ),
  ])
  .map((ids) => ids.sort((a, b) => a - b));

const treeOf = (proof: MonthProof, entries: Entry[]) => {
  const tree = monthTree(sha256, proof);
  return { isTaken: entries.map(tree.add), root: tree.root(size) };
};

describe('the proof of a month', () => {
  it('leads from its events, in any order, to the root, and not from others', async () => {
    await fc.assert(
      fc.asyncProperty(someIds, fc.nat(), async (ids, nat) => {
        const proof = await proofOf(ids);
        expect(proof.note).toBe('a checkpoint\n');
        const one = nat % ids.length;
        const shuffled = ids.map((id, i) => [(i * 7919 + nat) % 1_000, id] as const).sort((a, b) => a[0] - b[0]);
        const { root, isTaken } = treeOf(
          proof,
          shuffled.map(([, id]) => entryOf(id)),
        );
        expect(isTaken.every(Boolean)).toBe(true);
        expect(root && isEqual(root, whole)).toBe(true);
        const changed = ids.map((id, i) => entryOf(id, i === one ? { description: 'forged' } : {}));
        const other = treeOf(proof, changed).root;
        expect(other && isEqual(other, whole)).toBe(false);
        const missing = ids.filter((_, i) => i !== one).map((id) => entryOf(id));
        expect(treeOf(proof, missing).root).toBeNull();
      }),
      { numRuns: 25 },
    );
  });

  it('takes no event twice, and none that it is not about', async () => {
    const tree = monthTree(sha256, await proofOf([1, 2, 700]));
    expect([1, 1, 3, 2, 2, 700, 700].map((id) => tree.add(entryOf(id)))).toEqual([
      true,
      false,
      false,
      true,
      false,
      true,
      false,
    ]);
  });

  it('is refused when a line of it has no meaning', () => {
    expect(() => readMonthProof('edgetrail-proof/1\n\nnote')).toThrow('does not begin with edgetrail-month-proof/1');
    expect(() => readMonthProof('edgetrail-month-proof/1\nids 1-3\nnode x\n\nnote')).toThrow(
      'has no meaning in line 3',
    );
  });
});
