/**
 * The proof of many events, as text: with the events it leads to the root of a checkpoint. It names their ids, so that a
 * missing one is noticed, and their leaves, so that a changed one can be named.
 *
 *     edgetrail-proof/1
 *     ids 1-1000,1007
 *     tile <n> <keys> <hashes>     of each tile with such events: the keys of these events, and the hashes of their leaves
 *     secrets <id> <secrets>       of an event of which something was erased
 *     node <hash>                  of each subtree without such events, from the left to the right
 *
 *     <checkpoint>
 */
import { concat, fromBase64, isEqual, type Sha256, toBase64 } from './bytes.ts';
import type { EventSecrets } from './leaf.ts';
import { hasAny, type IdRange, readRanges, within, writeRanges } from './ranges.ts';
import { tile_hashes } from './subtree.ts';
import { type KeyNode, readNodes, writeNodes } from './tile-keys.ts';
import { readSecretsText, secretsText } from './tlog-proof.ts';
import { nodeHash, type Subtree, splitOf } from './tree.ts';

export const rangeProofHeader = 'edgetrail-proof/1';
const ranges_per_line = 1_000;

/** What is known of the events of a tile: keys, secrets of those that have no key any more, and leaves by their ids. */
export type TileEvents = {
  nodes: KeyNode[];
  secrets: Map<number, EventSecrets>;
  leaves: Map<number, Uint8Array>;
};

/** What writes a proof asks the log. */
export type ProofSource = {
  eventsOf(n: number, ids: readonly IdRange[]): Promise<TileEvents>;
  hashOf(subtree: Subtree): Promise<Uint8Array>;
};

/**
 * The parts of a tree of `size` leaves, from the left to the right: each tile with events of the ranges, and each largest
 * subtree without any. Both who writes a proof and who reads it walk in this way.
 */
export function* partsOf(ranges: readonly IdRange[], size: number): Generator<{ tile: number } | { subtree: Subtree }> {
  const open: Subtree[] = [{ from: 0, to: size }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { from, to } = next;
    if (!hasAny(ranges, from + 1, to)) yield { subtree: next };
    else if (to - from <= tile_hashes && from % tile_hashes === 0) {
      yield { tile: from / tile_hashes };
      yield* gapsOf(ranges, next);
    } else {
      const middle = from + splitOf(to - from);
      open.push({ from: middle, to }, { from, to: middle });
    }
  }
}

/** The largest subtrees of a tile without events of the ranges. */
function* gapsOf(ranges: readonly IdRange[], { from, to }: Subtree): Generator<{ subtree: Subtree }> {
  if (!hasAny(ranges, from + 1, to)) yield { subtree: { from, to } };
  else if (to - from > 1) {
    const middle = from + splitOf(to - from);
    yield* gapsOf(ranges, { from, to: middle });
    yield* gapsOf(ranges, { from: middle, to });
  }
}

/** Writes a proof in pieces. The ranges are those of the events, none of them above `size`. */
export async function* writeRangeProof(
  ranges: readonly IdRange[],
  size: number,
  note: string,
  source: ProofSource,
): AsyncGenerator<string> {
  yield `${rangeProofHeader}\n`;
  for (let i = 0; i < ranges.length; i += ranges_per_line)
    yield `ids ${writeRanges(ranges.slice(i, i + ranges_per_line))}\n`;
  for (const part of partsOf(ranges, size)) {
    if ('subtree' in part) {
      yield `node ${toBase64(await source.hashOf(part.subtree))}\n`;
      continue;
    }
    const first = part.tile * tile_hashes + 1;
    const { nodes, secrets, leaves } = await source.eventsOf(part.tile, within(ranges, first, first + tile_hashes - 1));
    yield `tile ${part.tile} ${toBase64(writeNodes(nodes)) || '-'} ${toBase64(concat(...leaves.values()))}\n`;
    for (const [id, secret] of secrets) yield `secrets ${id} ${secretsText(secret)}\n`;
  }
  yield `\n${note}`;
}

export type RangeProof = {
  ranges: IdRange[];
  tiles: Map<number, TileEvents>;
  nodes: Uint8Array[];
  note: string;
};

/** Reads a proof. Throws what is wrong with the text, with its line. */
export function readRangeProof(text: string): RangeProof {
  const at = text.indexOf('\n\n');
  const lines = text.slice(0, Math.max(at, 0)).split('\n');
  if (at < 0 || lines[0] !== rangeProofHeader)
    throw new Error(`does not begin with ${rangeProofHeader} and end with a checkpoint`);
  const proof: RangeProof = { ranges: [], tiles: new Map(), nodes: [], note: text.slice(at + 2) };
  for (const [i, line] of lines.entries())
    if (i > 0 && !readLine(proof, line)) throw new Error(`has no meaning in line ${i + 1}`);
  for (const [n, { leaves }] of proof.tiles) if (leaves.size === 0) throw new Error(`has no event of its tile ${n}`);
  return proof;
}

function readLine(proof: RangeProof, line: string): boolean {
  const [word, first = '', second = '', third = '', ...rest] = line.split(' ');
  if (rest.length > 0) return false;
  switch (word) {
    case 'ids': {
      const ranges = readRanges(first);
      const last = proof.ranges.at(-1)?.last ?? 0;
      if (!ranges || (ranges[0]?.first ?? 0) <= last) return false;
      for (const range of ranges) proof.ranges.push(range);
      return true;
    }
    case 'node': {
      const hash = fromBase64(first);
      if (hash?.length !== 32) return false;
      proof.nodes.push(hash);
      return true;
    }
    case 'tile':
      return readTileLine(proof, Number(first), second === '-' ? '' : second, third);
    case 'secrets': {
      const secrets = readSecretsText(second);
      const tile = proof.tiles.get(Math.floor((Number(first) - 1) / tile_hashes));
      if (!secrets || !tile) return false;
      tile.secrets.set(Number(first), secrets);
      return true;
    }
    default:
      return false;
  }
}

function readTileLine({ ranges, tiles }: RangeProof, n: number, keys: string, hashes: string): boolean {
  const [nodes, leaves] = [fromBase64(keys), fromBase64(hashes)];
  if (!Number.isSafeInteger(n) || n < 0 || tiles.has(n) || !nodes || !leaves) return false;
  const first = n * tile_hashes + 1;
  const ids = within(ranges, first, first + tile_hashes - 1).flatMap(idsOf);
  if (ids.length * 32 !== leaves.length) return false;
  tiles.set(n, {
    nodes: readNodes(nodes),
    secrets: new Map(),
    leaves: new Map(ids.map((id, i) => [id, leaves.slice(i * 32, i * 32 + 32)])),
  });
  return true;
}

const idsOf = ({ first, last }: IdRange): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** The root that the leaves and nodes of a proof lead to, or null when they do not make a tree of this size. */
export function rootOfProof(sha256: Sha256, { ranges, tiles, nodes }: RangeProof, size: number): Uint8Array | null {
  let used = 0;
  const hashOf = (from: number, to: number): Uint8Array | null => {
    if (!hasAny(ranges, from + 1, to)) return nodes[used++] ?? null;
    if (to - from === 1) return tiles.get(Math.floor(from / tile_hashes))?.leaves.get(to) ?? null;
    const middle = from + splitOf(to - from);
    const left = hashOf(from, middle);
    const right = left && hashOf(middle, to);
    return left && right && nodeHash(sha256, left, right);
  };
  const root = size > 0 && (ranges.at(-1)?.last ?? 0) <= size ? hashOf(0, size) : null;
  return used === nodes.length ? root : null;
}

/** Whether a proof has the leaves of all the first events, so that it says what the log of so many was. */
export const hasPrefix = ({ ranges }: RangeProof, size: number): boolean =>
  ranges[0]?.first === 1 && ranges[0].last >= size;

/** Whether the first leaves of a proof make this root. */
export const isPrefix = (sha256: Sha256, proof: RangeProof, size: number, root: Uint8Array): boolean => {
  const whole = rootOfProof(sha256, { ...proof, ranges: [{ first: 1, last: size }], nodes: [] }, size);
  return whole !== null && isEqual(whole, root);
};
