/** The keys of a tile: who has some nodes can derive the keys that they are for, the same ones, and no others. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../src/http/digest.ts';
import {
  type KeyNode,
  keysOfTile,
  newTileKey,
  nodesOfRange,
  puncture,
  readNodes,
  tile_events,
  writeNodes,
} from '../../src/proof/tile-keys.ts';
import { sha256 } from '../../src/runtime/sha256.ts';

const seed = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((key): KeyNode[] => [{ depth: 0, index: 0, key }]);
const place = fc.nat(tile_events - 1);
const range = fc.tuple(place, place).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));
const hexOf = (keys: readonly (Uint8Array | undefined)[]) => keys.map((key) => key && toHex(key));
const keysOf = (nodes: readonly KeyNode[], first?: number, last?: number) =>
  hexOf(keysOfTile(sha256, nodes, first, last));

describe('the keys of a tile', () => {
  it('are 256 different ones, and those of another seed are others', () => {
    const keys = [...keysOf(readNodes(newTileKey())), ...keysOf(readNodes(newTileKey()))];
    expect(new Set(keys).size).toBe(2 * tile_events);
    expect(keys).not.toContain(undefined);
  });

  it('are halves of halves: the bits of a place, from the first, choose 0 or 1 behind the node', () => {
    const [node] = readNodes(newTileKey());
    if (!node) throw new Error('no node');
    const keys = keysOf([node]);
    for (const place of [0, 1, 2, 100, 254, 255]) {
      let key = node.key;
      for (let bit = 7; bit >= 0; bit -= 1) key = sha256(Uint8Array.of(...key, (place >> bit) & 1));
      expect(keys[place]).toBe(toHex(key));
    }
  });

  it('of places that were punctured cannot be derived, and all others are as before', () => {
    fc.assert(
      fc.property(seed, fc.uniqueArray(place, { maxLength: 40 }), (nodes, gone) => {
        const before = keysOf(nodes);
        const left = gone.reduce((nodes, place) => puncture(sha256, nodes, place), nodes);
        expect(keysOf(left)).toEqual(before.map((key, i) => (gone.includes(i) ? undefined : key)));
        // A node above a place that is gone would give its key away.
        for (const { depth, index } of left) expect(gone.some((place) => place >> (8 - depth) === index)).toBe(false);
      }),
      { numRuns: 100 },
    );
  });

  it('are none when all places were punctured, and puncturing one twice changes nothing', () => {
    const nodes = readNodes(newTileKey());
    const once = puncture(sha256, nodes, 7);
    expect(puncture(sha256, once, 7)).toEqual(once);
    let left = nodes;
    for (let place = 0; place < tile_events; place += 1) left = puncture(sha256, left, place);
    expect(left).toEqual([]);
  });

  it('of a range are derived from the nodes of the range, and nothing else is', () => {
    fc.assert(
      fc.property(seed, fc.uniqueArray(place, { maxLength: 5 }), range, (nodes, gone, { first, last }) => {
        const left = gone.reduce((nodes, place) => puncture(sha256, nodes, place), nodes);
        const all = keysOf(left);
        const expected = all.map((key, i) => (i >= first && i <= last ? key : undefined));
        const some = nodesOfRange(sha256, left, first, last);
        expect(keysOf(some)).toEqual(expected);
        expect(keysOf(left, first, last)).toEqual(expected);
        // The fewest: at most two of each depth, besides those around what was punctured.
        if (gone.length === 0) expect(some.length).toBeLessThanOrEqual(14);
      }),
      { numRuns: 200 },
    );
  });

  it('are written and read', () => {
    fc.assert(
      fc.property(seed, fc.uniqueArray(place, { maxLength: 10 }), (nodes, gone) => {
        const left = gone.reduce((nodes, place) => puncture(sha256, nodes, place), nodes);
        expect(readNodes(writeNodes(left))).toEqual(left);
      }),
      { numRuns: 100 },
    );
  });

  it.each([
    ['half a node', [...new Uint8Array(17)]],
    ['a depth of 9', [9, 0, ...new Uint8Array(32)]],
    ['a place that its depth does not have', [1, 2, ...new Uint8Array(32)]],
  ])('are not read from %s', (_what, bytes) => {
    expect(() => readNodes(Uint8Array.from(bytes))).toThrow('damaged');
  });
});
