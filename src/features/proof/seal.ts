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
import { subtreeHashes, tile_hashes } from '../../proof/subtree.ts';
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
  const leaves = await addLeaves(tiles, sha256, size, upto);
  const stored = readTileOf(tiles, sha256);
  const hashOf = subtreeHashes(
    sha256,
    async (level, n, count) => (level === 0 && leaves.get(n)?.slice(0, count)) || stored(level, n, count),
    upto,
  );
  for (const sealed of newest ? [newest, ...others] : others)
    if (sealed.size > 0 && sealed.size <= upto && !isEqual(await hashOf({ from: 0, to: sealed.size }), sealed.root))
      throw new SealFault(`the first ${sealed.size} events are not those that were sealed`);
  if (head === size) return { n_ids: 0, remaining: 0, size, checkpoint: null };
  const root = await hashOf({ from: 0, to: upto });
  const text = writeCheckpoint({ origin, size: upto, root });
  const note = writeNote({ text, signatures: await Promise.all(signers.map((signer) => sign(signer, text))) });
  if (!(await tiles.addCheckpoint({ size: upto, root, note })))
    throw new SealFault(`there is another checkpoint of ${upto} events`);
  return { n_ids: upto - size, remaining: head - upto, size: upto, checkpoint: { size: upto, root, note } };
}

/** Adds what is missing to the tree, and returns the hashes of the leaves of the tiles that were changed. */
async function addLeaves(tiles: Tiles, sha256: Sha256, size: number, upto: number): Promise<Map<number, Uint8Array[]>> {
  const leaves = new Map<number, Uint8Array[]>();
  if (upto === size) return leaves;
  const [first, last] = [Math.floor(size / tile_hashes), Math.floor((upto - 1) / tile_hashes)];
  await addKeys(tiles, first, last);
  let full: Tile[] = [];
  for (let n = first; n <= last; n += 1) {
    const hashes = digestsOf(sha256, await sealedOf(tiles, sha256, n, upto)).map((digest) => leafHash(sha256, digest));
    leaves.set(n, hashes);
    if (hashes.length === tile_hashes)
      full.push({ level: 0, n, root: rootOf(sha256, hashes), hashes: concat(...hashes) });
    if (full.length === 0 || (full.length < tiles_per_statement && n < last)) continue;
    await addFullTiles(tiles, full);
    full = [];
  }
  // A tile above is full with its last tile below. What another instance has added meanwhile is the same.
  const stored = readTileOf(tiles, sha256);
  let [from, to] = [first, Math.floor(upto / tile_hashes)];
  for (let level = 1; to > from; level += 1) {
    [from, to] = [Math.floor(from / tile_hashes), Math.floor(to / tile_hashes)];
    for (let n = from; n < to; n += 1) {
      const hashes = await stored(level, n, tile_hashes);
      await addFullTiles(tiles, [{ level, n, root: rootOf(sha256, hashes), hashes: null }]);
    }
  }
  return leaves;
}

async function addFullTiles(tiles: Tiles, full: Tile[]): Promise<void> {
  if ((await tiles.addTiles(full)) > 0)
    throw new SealFault(
      `the events of the tiles from ${full[0]?.level}/${full[0]?.n} on are not those that were sealed`,
    );
}

async function addKeys(tiles: Tiles, first: number, last: number): Promise<void> {
  const known = await tiles.tileKeys(first, last);
  const missing: { tile: number; nodes: Uint8Array }[] = [];
  for (let tile = first; tile <= last; tile += 1) if (!known.has(tile)) missing.push({ tile, nodes: newTileKey() });
  if (missing.length > 0) await tiles.addTileKeys(missing);
}
