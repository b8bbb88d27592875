/** What proves the log, as rows: keys and hashes of its tiles, and checkpoints. It knows no hashing: src/proof has that. */
import { and, asc, desc, eq, gt, gte, isNotNull, lt, lte, sql } from 'drizzle-orm';
import { fromHex, toHex } from '../http/digest.ts';
import type { Filter } from './filter.ts';
import type { Reads } from './reads.ts';
import {
  type Database,
  type Entry,
  activityLogs as log,
  logBatches,
  logCheckpoints,
  logErasures,
  logTileKeys,
  logTiles,
} from './schema.ts';
import { rowColumns, storedRows, toEntry } from './stored-row.ts';

/** A full tile: 256 hashes and their root. Above level 0 `hashes` are the roots of the tiles below, and are not given. */
export type Tile = { level: number; n: number; root: Uint8Array; hashes: Uint8Array | null };
/** Of a field that is gone its commitment, of one that stayed its salt. */
export type Erasure = { field: string; commitment: Uint8Array | null; salt: Uint8Array | null };
export type StoredCheckpoint = { size: number; root: Uint8Array; note: string; at: string };

/** The keys of a tile, and what is left of its erased events, by their ids. */
export type TileSecrets = { nodes: Uint8Array | null; erasures: Map<number, Erasure[]> };

/** Events of a tile. */
const tile_ids = 256;

const keysOfTile = (tile: number) =>
  sql<
    string | null
  >`(select encode(${logTileKeys.nodes}, 'hex') from ${logTileKeys} where ${logTileKeys.tile} = ${tile})`;

const erasureRows = sql`jsonb_agg(jsonb_build_array(${logErasures.id}, ${logErasures.field},
  encode(${logErasures.commitment}, 'hex'), encode(${logErasures.salt}, 'hex')))::text`;

function readErasures(text: string, into: Map<number, Erasure[]>): void {
  const bytes = (hex: string | null) => (hex === null ? null : fromHex(hex));
  for (const [id, field, commitment, salt] of JSON.parse(text) as [number, string, string | null, string | null][]) {
    const known = into.get(id) ?? [];
    known.push({ field, commitment: bytes(commitment), salt: bytes(salt) });
    into.set(id, known);
  }
}

const hexOf = (column: unknown) => sql<string>`encode(${column}, 'hex')`;

const checkpointColumns = {
  size: logCheckpoints.size,
  root: hexOf(logCheckpoints.root),
  note: logCheckpoints.note,
  at: logCheckpoints.at,
};
const readCheckpointRow = <R extends { root: string }>(row: R) => ({ ...row, root: fromHex(row.root) });

export function tilesOf(db: Database, reads: Reads) {
  /** The newest id, and the newest checkpoint, from one snapshot. */
  async function sealed(): Promise<{ head: number; newest: StoredCheckpoint | null }> {
    const head = sql`coalesce((select ${logBatches.last_id} from ${logBatches} order by ${logBatches.last_id} desc limit 1), 0)`;
    const [row] = await reads((from) =>
      from
        .select({ head: sql`log.head`.mapWith(Number), ...checkpointColumns })
        .from(sql`(select ${head} as head) as log`)
        .leftJoin(
          logCheckpoints,
          sql`${logCheckpoints.size} = (select max(${logCheckpoints.size}) from ${logCheckpoints})`,
        ),
    );
    if (!row) throw new Error('the head of the log cannot be read');
    const { head: id, size, root, note, at } = row;
    const newest =
      size === null || root === null || note === null || at === null ? null : { size, root: fromHex(root), note, at };
    return { head: id, newest };
  }

  /** The first kept checkpoint of at least this size, or null. */
  async function checkpointFrom(size: number): Promise<StoredCheckpoint | null> {
    const [row] = await reads((from) =>
      from
        .select(checkpointColumns)
        .from(logCheckpoints)
        .where(gte(logCheckpoints.size, size))
        .orderBy(asc(logCheckpoints.size))
        .limit(1),
    );
    return row ? readCheckpointRow(row) : null;
  }

  /** The newest checkpoints, newest first. */
  async function checkpoints(n_max: number): Promise<StoredCheckpoint[]> {
    const rows = await reads((from) =>
      from.select(checkpointColumns).from(logCheckpoints).orderBy(desc(logCheckpoints.size)).limit(n_max),
    );
    return rows.map(readCheckpointRow);
  }

  /** The keys of a range of tiles, both ends included. */
  async function tileKeys(first: number, last: number): Promise<Map<number, Uint8Array>> {
    const rows = await reads((from) =>
      from
        .select({ tile: logTileKeys.tile, nodes: hexOf(logTileKeys.nodes) })
        .from(logTileKeys)
        .where(and(gte(logTileKeys.tile, first), lte(logTileKeys.tile, last))),
    );
    return new Map(rows.map(({ tile, nodes }) => [tile, fromHex(nodes)]));
  }

  /** Roots of full tiles of a level: those from `n` on, at most `count`, as far as they are stored without a gap. */
  async function tileRoots(level: number, n: number, count: number): Promise<Uint8Array[]> {
    const rows = await reads((from) =>
      from
        .select({ n: logTiles.n, root: hexOf(logTiles.root) })
        .from(logTiles)
        .where(and(eq(logTiles.level, level), gte(logTiles.n, n), lt(logTiles.n, n + count)))
        .orderBy(asc(logTiles.n)),
    );
    const gap = rows.findIndex((row, i) => row.n !== n + i);
    return (gap < 0 ? rows : rows.slice(0, gap)).map(({ root }) => fromHex(root));
  }

  /** The 256 hashes of the leaves of a full tile; null where the tile is not full, or its month is retired. */
  async function leafHashes(n: number): Promise<Uint8Array[] | null> {
    const [row] = await reads((from) =>
      from
        .select({ hashes: hexOf(logTiles.hashes) })
        .from(logTiles)
        .where(and(eq(logTiles.level, 0), eq(logTiles.n, n), isNotNull(logTiles.hashes))),
    );
    return row ? (row.hashes.match(/.{64}/g)?.map(fromHex) ?? null) : null;
  }

  /**
   * The entries after an id and up to another of a tile, in their order, with its keys and erasures: of one snapshot, because
   * an erasure changes all three at once.
   */
  async function entriesOfTile(tile: number, after: number, upto: number): Promise<TileSecrets & { entries: Entry[] }> {
    const ofEntry = sql<string | null>`(select ${erasureRows} from ${logErasures} where ${logErasures.id} = ${log.id})`;
    const rows = await reads((from) =>
      storedRows<{ erased: string | null; nodes: string | null }>(
        from,
        from
          .select({ ...rowColumns, erased: ofEntry.as('erased'), nodes: keysOfTile(tile).as('nodes') })
          .from(log)
          .where(and(gt(log.id, after), lte(log.id, upto)))
          .orderBy(asc(log.id))
          .getSQL(),
      ),
    );
    const erasures = new Map<number, Erasure[]>();
    const entries = rows.map(({ erased, nodes: _nodes, ...row }) => {
      if (erased !== null) readErasures(erased, erasures);
      return toEntry(row);
    });
    const nodes = rows[0]?.nodes ?? null;
    return { entries, nodes: nodes === null ? null : fromHex(nodes), erasures };
  }

  /** The ids of matching entries after an id and up to another, in their order. */
  async function idsBetween(after: number, upto: number, filter: Filter): Promise<number[]> {
    const rows = await reads((from) =>
      from
        .select({ id: log.id })
        .from(log)
        .where(and(gt(log.id, after), lte(log.id, upto), filter.where))
        .orderBy(asc(log.id)),
    );
    return rows.map(({ id }) => id);
  }

  /** The keys of a tile, and what is left of the commitments of its erased events, of one snapshot. */
  async function secretsOfTile(tile: number): Promise<TileSecrets> {
    const [after, upto] = [tile * tile_ids, (tile + 1) * tile_ids];
    const [row] = await reads((from) =>
      from
        .select({
          nodes: keysOfTile(tile),
          erased: sql<
            string | null
          >`(select ${erasureRows} from ${logErasures} where ${gt(logErasures.id, after)} and ${lte(logErasures.id, upto)})`,
        })
        .from(sql`(select) as nothing`),
    );
    const erasures = new Map<number, Erasure[]>();
    if (row?.erased) readErasures(row.erased, erasures);
    return { nodes: row?.nodes ? fromHex(row.nodes) : null, erasures };
  }

  /** Keeps the keys of tiles that have none: the first one wins, and tileKeys says which one that was. */
  async function addTileKeys(keys: { tile: number; nodes: Uint8Array }[]): Promise<void> {
    const added = JSON.stringify(keys.map(({ tile, nodes }) => ({ tile, nodes: toHex(nodes) })));
    await db.select({ done: sql`done` }).from(sql`add_tile_keys(${added}::jsonb) as done`);
  }

  /** Keeps tiles; returns how many of them are stored with another root. */
  async function addTiles(tiles: Tile[]): Promise<number> {
    const added = JSON.stringify(
      tiles.map(({ level, n, root, hashes }) => ({ level, n, root: toHex(root), hashes: hashes && toHex(hashes) })),
    );
    const [row] = await db.select({ n: sql`n`.mapWith(Number) }).from(sql`add_tiles(${added}::jsonb) as n`);
    return row?.n ?? tiles.length;
  }

  /**
   * Keeps a checkpoint; false when there is one of this size with another root. There may be none: another instance has
   * kept the same one, and dropped it for a longer one.
   */
  async function addCheckpoint({
    size,
    root,
    note,
  }: Pick<StoredCheckpoint, 'size' | 'root' | 'note'>): Promise<boolean> {
    const [row] = await db
      .select({ same: sql<boolean | null>`same` })
      .from(sql`add_checkpoint(${size}::bigint, ${toHex(root)}::text, ${note}::text) as same`);
    return row !== undefined && row.same !== false;
  }

  return {
    sealed,
    checkpointFrom,
    checkpoints,
    tileKeys,
    tileRoots,
    leafHashes,
    entriesOfTile,
    idsBetween,
    secretsOfTile,
    addTileKeys,
    addTiles,
    addCheckpoint,
  };
}
