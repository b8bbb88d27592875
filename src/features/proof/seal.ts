/**
 * Seals the log: adds the events up to its head to the tree, and signs a checkpoint. Any number of instances may do so at
 * once: everything is a function of committed events and of keys of which the first one counts. Who reads something else
 * than was sealed signs nothing.
 */
import type { Step } from '../../log/reader.ts';
import type { StoredCheckpoint, Tile } from '../../log/tiles.ts';
import { concat, isEqual, type Sha256 } from '../../proof/bytes.ts';
import { digestsOf, readTileOf, SealFault, sealedOf, type Tiles } from '../../proof/leaves.ts';
import { type Checkpoint, type SignerKey, sign, writeCheckpoint, writeNote } from '../../proof/note.ts';
import { type ReadTile, subtreeHashes, tile_hashes } from '../../proof/subtree.ts';
import { newTileKey } from '../../proof/tile-keys.ts';
import { leafHash, rootOf } from '../../proof/tree.ts';

/** Full tiles that are stored in one statement: 16 KB each, as hex. */
const tiles_per_statement = 16;

export type Sealing = {
  tiles: Tiles;
  sha256: Sha256;
  /** The name of the log in its checkpoints. */
  origin: string;
  signers: readonly SignerKey[];
  /** Checkpoints that the database cannot have changed: the tree must begin as they say. */
  known: readonly Pick<Checkpoint, 'size' | 'root'>[];
};

/** A step, how many events are sealed after it, and the checkpoint that it added, if there were new events. */
export type SealStep = Step & {
  size: number;
  checkpoint: Pick<StoredCheckpoint, 'size' | 'root' | 'note'> | null;
};

/** Seals at most `ids_max` events. Rejects with a SealFault when the log is not what was sealed. */
export async function seal({ tiles, sha256, origin, signers, known }: Sealing, ids_max: number): Promise<SealStep> {
  const { head, newest } = await tiles.sealed();
  const size = newest?.size ?? 0;
  const longest = Math.max(size, ...known.map((checkpoint) => checkpoint.size));
  if (head < longest) throw new SealFault(`the log ends at ${head}, and ${longest} events were sealed`);
  const others = known.filter(({ size: n, root }) => n !== size || !newest || !isEqual(root, newest.root));
  if (head === size && others.length === 0) return { n_ids: 0, remaining: 0, size, checkpoint: null };
  // Not less than was ever signed: a shorter checkpoint would be signed before the log is compared with the longest one.
  const upto = Math.min(head, Math.max(size + ids_max, longest));
  const added = await newTiles(tiles, sha256, size, upto);
  const hashOf = subtreeHashes(sha256, added.read, upto);
  for (const sealed of newest ? [newest, ...others] : others)
    if (sealed.size > 0 && sealed.size <= upto && !isEqual(await hashOf({ from: 0, to: sealed.size }), sealed.root))
      throw new SealFault(`the first ${sealed.size} events are not those that were sealed`);
  if (head === size) return { n_ids: 0, remaining: 0, size, checkpoint: null };
  const root = await hashOf({ from: 0, to: upto });
  // Not before all is compared: a tile that is stored stays.
  for (let i = 0; i < added.full.length; i += tiles_per_statement)
    if ((await tiles.addTiles(added.full.slice(i, i + tiles_per_statement))) > 0)
      throw new SealFault(`events from ${size + 1} to ${upto} are not those that were sealed`);
  const text = writeCheckpoint({ origin, size: upto, root });
  const note = writeNote({ text, signatures: await Promise.all(signers.map((signer) => sign(signer, text))) });
  if (!(await tiles.addCheckpoint({ size: upto, root, note })))
    throw new SealFault(`there is another checkpoint of ${upto} events`);
  return { n_ids: upto - size, remaining: head - upto, size: upto, checkpoint: { size: upto, root, note } };
}

/** The tiles that new events fill, and the tree with them as it will be. Nothing is stored but keys. */
async function newTiles(
  tiles: Tiles,
  sha256: Sha256,
  size: number,
  upto: number,
): Promise<{ full: Tile[]; read: ReadTile }> {
  const stored = readTileOf(tiles, sha256);
  if (upto === size) return { full: [], read: stored };
  const [first, last] = [Math.floor(size / tile_hashes), Math.floor((upto - 1) / tile_hashes)];
  await addKeys(tiles, first, last);
  const full: Tile[] = [];
  const leaves = new Map<number, Uint8Array[]>();
  for (let n = first; n <= last; n += 1) {
    const hashes = digestsOf(sha256, await sealedOf(tiles, sha256, n, upto)).map((digest) => leafHash(sha256, digest));
    leaves.set(n, hashes);
    if (hashes.length === tile_hashes)
      full.push({ level: 0, n, root: rootOf(sha256, hashes), hashes: concat(...hashes) });
  }
  const read: ReadTile = async (level, n, count) => {
    if (level === 0) return leaves.get(n)?.slice(0, count) ?? stored(level, n, count);
    const from = n * tile_hashes;
    const fresh = full.filter((tile) => tile.level === level - 1 && tile.n >= from && tile.n < from + count);
    const n_stored = Math.min(count, (fresh[0]?.n ?? from + count) - from);
    const before = n_stored > 0 ? await stored(level, n, n_stored) : [];
    return [...before, ...fresh.map(({ root }) => root)];
  };
  // A tile above is full with its last tile below.
  let [from, to] = [first, Math.floor(upto / tile_hashes)];
  for (let level = 1; to > from; level += 1) {
    [from, to] = [Math.floor(from / tile_hashes), Math.floor(to / tile_hashes)];
    for (let n = from; n < to; n += 1)
      full.push({ level, n, root: rootOf(sha256, await read(level, n, tile_hashes)), hashes: null });
  }
  return { full, read };
}

async function addKeys(tiles: Tiles, first: number, last: number): Promise<void> {
  const known = await tiles.tileKeys(first, last);
  const missing: { tile: number; nodes: Uint8Array }[] = [];
  for (let tile = first; tile <= last; tile += 1) if (!known.has(tile)) missing.push({ tile, nodes: newTileKey() });
  if (missing.length > 0) await tiles.addTileKeys(missing);
}
