/** The leaves of the tree, from the events of the log and the keys of their tiles. */
import type { Entry } from '../log/schema.ts';
import type { Store } from '../log/store.ts';
import type { Erasure, TileSecrets } from '../log/tiles.ts';
import type { Sha256 } from './bytes.ts';
import { type EventSecrets, erasableFields, eventDigest } from './leaf.ts';
import { hasAny, type IdRange } from './ranges.ts';
import { type ReadTile, tile_hashes } from './subtree.ts';
import { type KeyNode, keysOfTile, nodesOfRange, readNodes } from './tile-keys.ts';
import { leafHash } from './tree.ts';

export type Tiles = Store['tiles'];

/** What was sealed is not what the log has. Nothing is signed any more until a person has looked at it. */
export class SealFault extends Error {
  override name = 'SealFault';
}

/** An event with the secrets of its commitments. */
export type Sealed = { entry: Entry; secrets: EventSecrets };

/** The events of a tile up to an id, with their secrets. Throws a SealFault where one of them is missing. */
export async function sealedOf(tiles: Tiles, sha256: Sha256, n: number, upto: number): Promise<Sealed[]> {
  const first = n * tile_hashes;
  const last = Math.min(first + tile_hashes, upto);
  const { entries, ...found } = await tiles.entriesOfTile(n, first, last);
  const missing = entries.findIndex(({ id }, i) => id !== first + i + 1);
  if (missing >= 0 || entries.length < last - first)
    throw new SealFault(`event ${first + 1 + (missing < 0 ? entries.length : missing)} is not in the log`);
  return withSecrets(sha256, n, entries, found);
}

/** The entries of a tile with their secrets. Those of an erased event are what is left of them. */
export function withSecrets(sha256: Sha256, n: number, entries: Entry[], { nodes, erasures }: TileSecrets): Sealed[] {
  if (!nodes) throw new SealFault(`the keys of tile ${n} are missing`);
  const before = n * tile_hashes + 1;
  const keys = keysOfTile(sha256, readNodes(nodes), 0, (entries.at(-1)?.id ?? before) - before);
  return entries.map((entry) => {
    const left = erasures.get(entry.id);
    if (left) return { entry, secrets: secretsOfErasures(left) };
    const key = keys[entry.id - before];
    if (!key) throw new SealFault(`the key of event ${entry.id} is missing`);
    return { entry, secrets: { key } };
  });
}

/** The keys of events of a tile and of no others, and the secrets of those of which something was erased. */
export async function secretsOfIds(
  tiles: Tiles,
  sha256: Sha256,
  n: number,
  ids: readonly IdRange[],
): Promise<{ nodes: KeyNode[]; secrets: Map<number, EventSecrets> }> {
  const { nodes, erasures } = await tiles.secretsOfTile(n);
  if (!nodes) throw new SealFault(`the keys of tile ${n} are missing`);
  const before = n * tile_hashes + 1;
  const known = readNodes(nodes);
  return {
    nodes: ids.flatMap(({ first, last }) => nodesOfRange(sha256, known, first - before, last - before)),
    secrets: new Map(
      [...erasures].filter(([id]) => hasAny(ids, id, id)).map(([id, left]) => [id, secretsOfErasures(left)]),
    ),
  };
}

function secretsOfErasures(left: readonly Erasure[]): EventSecrets {
  const secrets: Exclude<EventSecrets, { key: Uint8Array }> = { salts: {}, erased: {} };
  for (const { field, commitment, salt } of left) {
    const known = erasableFields.find((name) => name === field);
    if (known && commitment) secrets.erased[known] = commitment;
    if (known && salt) secrets.salts[known] = salt;
  }
  return secrets;
}

export const digestsOf = (sha256: Sha256, sealed: readonly Sealed[]): Uint8Array[] =>
  sealed.map(({ entry, secrets }) => {
    const digest = eventDigest(sha256, entry, secrets);
    if (!digest) throw new SealFault(`event ${entry.id} has a value where one was erased`);
    return digest;
  });

/** Reads tiles as they are stored; the leaves of the tile at the right edge are made of their events. */
export const readTileOf =
  (tiles: Tiles, sha256: Sha256): ReadTile =>
  async (level, n, count) => {
    if (level > 0) {
      const roots = await tiles.tileRoots(level - 1, n * tile_hashes, count);
      if (roots.length < count) throw new SealFault(`tile ${level - 1}/${n * tile_hashes + roots.length} is missing`);
      return roots;
    }
    const stored = await tiles.leafHashes(n);
    if (stored) return stored.slice(0, count);
    const sealed = await sealedOf(tiles, sha256, n, n * tile_hashes + count);
    return digestsOf(sha256, sealed).map((digest) => leafHash(sha256, digest));
  };
