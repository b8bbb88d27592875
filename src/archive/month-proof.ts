/**
 * The proof of a month's events: what leads from them to the root of a checkpoint. The leaves are not in it, because they
 * are made of the events: 0.2 bytes an event instead of 43.
 *
 *     edgetrail-month-proof/1
 *     ids 1-1000,1007
 *     keys <n> <keys>     of each tile with such events: the keys of these events
 *     secrets <id> <secrets>   of an event of which something was erased
 *     node <hash>         of each subtree without such events, from the left to the right
 *
 *     <checkpoint>
 */
import { exportColumns } from '../log/export-rows.ts';
import type { Entry } from '../log/schema.ts';
import { type StoredRow, toEntry } from '../log/stored-row.ts';
import { fromBase64, type Sha256, toBase64 } from '../proof/bytes.ts';
import { type EventSecrets, eventDigest } from '../proof/leaf.ts';
import { partsOf } from '../proof/range-proof.ts';
import { countOf, hasAny, type IdRange, readRanges, within, writeRanges } from '../proof/ranges.ts';
import { tile_hashes } from '../proof/subtree.ts';
import { type KeyNode, keysOfTile, readNodes, writeNodes } from '../proof/tile-keys.ts';
import { readSecretsText, secretsText } from '../proof/tlog-proof.ts';
import { leafHash, nodeHash, rootOf, type Subtree, splitOf } from '../proof/tree.ts';
import type { Rows } from './file-format.ts';

const header = 'edgetrail-month-proof/1';
const ranges_per_line = 1_000;

export type MonthProof = {
  ranges: IdRange[];
  keys: Map<number, KeyNode[]>;
  secrets: Map<number, EventSecrets>;
  nodes: Uint8Array[];
  note: string;
};

/** What writes a proof asks the log. */
export type MonthProofSource = {
  /** The keys of events of a tile, and the secrets of those of which something was erased. */
  keysOf(n: number, ids: readonly IdRange[]): Promise<{ nodes: KeyNode[]; secrets: Map<number, EventSecrets> }>;
  hashOf(subtree: Subtree): Promise<Uint8Array>;
};

const firstOf = (tile: number) => tile * tile_hashes + 1;
const inTile = (ranges: readonly IdRange[], tile: number) =>
  within(ranges, firstOf(tile), firstOf(tile) + tile_hashes - 1);

/** The ranges are those of the month's events, none of them above `size`, which is that of the checkpoint in `note`. */
export async function writeMonthProof(
  ranges: readonly IdRange[],
  size: number,
  note: string,
  source: MonthProofSource,
): Promise<string> {
  const lines = [header];
  for (let i = 0; i < ranges.length; i += ranges_per_line)
    lines.push(`ids ${writeRanges(ranges.slice(i, i + ranges_per_line))}`);
  for (const part of partsOf(ranges, size))
    if ('subtree' in part) lines.push(`node ${toBase64(await source.hashOf(part.subtree))}`);
    else {
      const { nodes, secrets } = await source.keysOf(part.tile, inTile(ranges, part.tile));
      lines.push(`keys ${part.tile} ${toBase64(writeNodes(nodes))}`);
      for (const [id, secret] of secrets) lines.push(`secrets ${id} ${secretsText(secret)}`);
    }
  return `${lines.join('\n')}\n\n${note}`;
}

/** Throws what is wrong with the text. */
export function readMonthProof(text: string): MonthProof {
  const end = text.indexOf('\n\n');
  const [first, ...lines] = text.slice(0, Math.max(0, end)).split('\n');
  if (first !== header) throw new Error(`does not begin with ${header}`);
  const proof: MonthProof = { ranges: [], keys: new Map(), secrets: new Map(), nodes: [], note: text.slice(end + 2) };
  for (const [i, line] of lines.entries()) {
    const [word, ...values] = line.split(' ');
    const bytes = fromBase64(values.at(-1) ?? '');
    const secrets = word === 'secrets' ? readSecretsText(values[1] ?? '') : null;
    const ranges = word === 'ids' ? readRanges(values[0] ?? '') : null;
    if (ranges) for (const range of ranges) proof.ranges.push(range);
    else if (secrets) proof.secrets.set(Number(values[0]), secrets);
    else if (word === 'keys' && bytes) proof.keys.set(Number(values[0]), readNodes(bytes));
    else if (word === 'node' && bytes?.length === 32) proof.nodes.push(bytes);
    else throw new Error(`has no meaning in line ${i + 2}`);
  }
  return proof;
}

/** The event of a row, as GET /api/logs/:id shows it. */
export function entryAt({ texts }: Rows, i: number): Entry {
  const row = Object.fromEntries(exportColumns.map((name, column) => [name, texts[column]?.[i] ?? null]));
  return toEntry({ ...row, id: Number(row.id) } as StoredRow);
}

/** The keys of a tile, and the leaves of it that are known. */
type OpenTile = { keys: (Uint8Array | undefined)[]; leaves: (Uint8Array | undefined)[]; missing_n: number };

/** Takes a month's events in any order. A tile is forgotten but for its root when the last of its events has come. */
export function monthTree(sha256: Sha256, { ranges, keys, secrets, nodes }: MonthProof) {
  const open = new Map<number, OpenTile>();
  /** Of tiles with all 256 events their roots, of others their leaves. */
  const roots = new Map<number, Uint8Array>();
  const partial = new Map<number, OpenTile['leaves']>();

  function openTile(n: number): OpenTile {
    const known = open.get(n);
    if (known) return known;
    const tile: OpenTile = {
      keys: keysOfTile(sha256, keys.get(n) ?? []),
      leaves: new Array(tile_hashes).fill(undefined),
      missing_n: countOf(inTile(ranges, n)),
    };
    open.set(n, tile);
    return tile;
  }

  /** Adds an event; false when it is none of the proof, or comes twice. */
  function add(entry: Entry): boolean {
    const { id } = entry;
    const n = Math.floor((id - 1) / tile_hashes);
    if (!hasAny(ranges, id, id) || roots.has(n) || partial.has(n)) return false;
    const tile = openTile(n);
    const place = id - firstOf(n);
    const key = tile.keys[place];
    const its = secrets.get(id) ?? (key && { key });
    if (!its || tile.leaves[place]) return false;
    const digest = eventDigest(sha256, entry, its);
    if (!digest) return false;
    tile.leaves[place] = leafHash(sha256, digest);
    tile.missing_n -= 1;
    if (tile.missing_n > 0) return true;
    open.delete(n);
    const leaves = tile.leaves.filter((leaf) => leaf !== undefined);
    if (leaves.length === tile_hashes) roots.set(n, rootOf(sha256, leaves));
    else partial.set(n, tile.leaves);
    return true;
  }

  /** The root of the tree of so many leaves to which the events lead; null when some are missing, or the proof is wrong. */
  function root(size: number): Uint8Array | null {
    let used = 0;
    const hashOf = (from: number, to: number): Uint8Array | null => {
      if (!hasAny(ranges, from + 1, to)) return nodes[used++] ?? null;
      const tile = Math.floor(from / tile_hashes);
      if (to - from === 1) return partial.get(tile)?.[from % tile_hashes] ?? null;
      if (to - from === tile_hashes && roots.has(tile)) return roots.get(tile) ?? null;
      const middle = from + splitOf(to - from);
      const left = hashOf(from, middle);
      const right = left && hashOf(middle, to);
      return left && right && nodeHash(sha256, left, right);
    };
    const whole = size > 0 && open.size === 0 && (ranges.at(-1)?.last ?? 0) <= size ? hashOf(0, size) : null;
    return used === nodes.length ? whole : null;
  }

  return { add, root };
}
