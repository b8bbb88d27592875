/**
 * The keys of a tile of 256 events: one random seed, halved eight times by SHA-256(node ‖ 0 or 1) to a key for each event.
 * A tile is punctured at an event by keeping the siblings on the way to it: its key cannot be derived any more, and the
 * keys of the others can.
 */
import { concat, type Sha256 } from './bytes.ts';

export const tile_events = 256;
const depth_max = 8;

/** A node of a tile's key tree: `depth` 0 is the seed; `index` counts the nodes of its depth from the left. */
export type KeyNode = { depth: number; index: number; key: Uint8Array };

const [left, right] = [Uint8Array.of(0), Uint8Array.of(1)] as const;
const node_bytes = 34;

const childOf = (sha256: Sha256, { depth, index, key }: KeyNode, side: 0 | 1): KeyNode => ({
  depth: depth + 1,
  index: index * 2 + side,
  key: sha256(concat(key, side === 0 ? left : right)),
});

/** The keys of the events of a tile, by their place in it; undefined where the tile was punctured. */
export function keysOfTile(sha256: Sha256, nodes: readonly KeyNode[], first = 0, last = tile_events - 1) {
  const keys: (Uint8Array | undefined)[] = new Array(tile_events).fill(undefined);
  const open = [...nodes];
  for (let node = open.pop(); node; node = open.pop()) {
    const width = tile_events >> node.depth;
    const from = node.index * width;
    if (from > last || from + width - 1 < first) continue;
    if (node.depth === depth_max) keys[node.index] = node.key;
    else open.push(childOf(sha256, node, 0), childOf(sha256, node, 1));
  }
  return keys;
}

/** The fewest nodes from which the keys of a range of places can be derived, and no others. */
export function nodesOfRange(sha256: Sha256, nodes: readonly KeyNode[], first: number, last: number): KeyNode[] {
  return nodes.flatMap((node) => {
    const width = tile_events >> node.depth;
    const from = node.index * width;
    if (from > last || from + width - 1 < first) return [];
    if (from >= first && from + width - 1 <= last) return [node];
    return nodesOfRange(sha256, [childOf(sha256, node, 0), childOf(sha256, node, 1)], first, last);
  });
}

/** The nodes that are left when the key of one place must not be derivable any more. */
export const puncture = (sha256: Sha256, nodes: readonly KeyNode[], place: number): KeyNode[] => [
  ...(place > 0 ? nodesOfRange(sha256, nodes, 0, place - 1) : []),
  ...(place < tile_events - 1 ? nodesOfRange(sha256, nodes, place + 1, tile_events - 1) : []),
];

/** Nodes as bytes: depth, index, and the 32 bytes of the key, one after the other. */
export const writeNodes = (nodes: readonly KeyNode[]): Uint8Array<ArrayBuffer> =>
  concat(...nodes.map(({ depth, index, key }) => concat(Uint8Array.of(depth, index), key)));

/** Throws when the bytes are no nodes. */
export function readNodes(bytes: Uint8Array): KeyNode[] {
  if (bytes.length % node_bytes !== 0) throw new Error('the keys of a tile are damaged');
  return Array.from({ length: bytes.length / node_bytes }, (_, i) => {
    const node = bytes.subarray(i * node_bytes, (i + 1) * node_bytes);
    const [depth = 0, index = 0] = node;
    if (depth > depth_max || index >= 2 ** depth) throw new Error('the keys of a tile are damaged');
    return { depth, index, key: node.slice(2) };
  });
}

/** Writes a new seed of a tile. */
export const newTileKey = (): Uint8Array<ArrayBuffer> =>
  writeNodes([{ depth: 0, index: 0, key: crypto.getRandomValues(new Uint8Array(32)) }]);
