/** The paths of tiles (C2SP tlog-tiles): `0/x001/x234/067`, `entries/067`, and `0/067.p/12` for the first 12 of a tile. */
import { tile_hashes } from '../../proof/subtree.ts';

/** `level` is null for the entries of a tile; `count` is how many of its hashes are asked for. */
export type TilePath = { level: number | null; n: number; count: number };

const form = /^(entries|\d{1,2})((?:\/x\d{3})*\/\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;
const level_max = 5;

/** Reads a path; null when it is none. */
export function readTilePath(path: string): TilePath | null {
  const [, level = '', digits = '', width] = form.exec(path) ?? [];
  const n = Number(digits.replace(/[/x]/g, ''));
  const count = width === undefined ? tile_hashes : Number(width);
  if (level === '' || !Number.isSafeInteger(n) || count > tile_hashes || (width !== undefined && count === tile_hashes))
    return null;
  // A number has one path.
  if (
    writeTileNumber(n) !== digits.slice(1) ||
    (level !== 'entries' && (String(Number(level)) !== level || Number(level) > level_max))
  )
    return null;
  return { level: level === 'entries' ? null : Number(level), n, count };
}

export function writeTileNumber(n: number): string {
  const digits = String(n).padStart(Math.ceil(String(n).length / 3) * 3, '0');
  const groups = digits.match(/\d{3}/g) ?? [];
  return groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/');
}
