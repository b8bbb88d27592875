/** Erases values of events so that every proof stays valid: their commitments stay, and the keys of their salts go. */
import { eraseEvents } from '../log/erasing.ts';
import type { Database } from '../log/schema.ts';
import type { Erasure } from '../log/tiles.ts';
import type { Sha256 } from './bytes.ts';
import { commitmentOf, type ErasableField, erasableFields, type ProvenEntry, saltIn, textOf } from './leaf.ts';
import { type Sealed, type Tiles, withSecrets } from './leaves.ts';
import { tile_hashes } from './subtree.ts';
import { puncture, readNodes, writeNodes } from './tile-keys.ts';

/** The fields to erase, by the ids of their events. */
export type Wanted = ReadonlyMap<number, ReadonlySet<ErasableField>>;

/** Erasures of one tile by others at the same time are repeated this often. */
const attempts_max = 5;

export const tileOf = (id: number): number => Math.floor((id - 1) / tile_hashes);

/**
 * The fields of an event in which a text occurs as a word, in upper or lower case. Letters and digits beside it would make
 * it another word: who erases `ana` does not erase `banana`.
 */
export function fieldsWith(entry: ProvenEntry, value: string): ErasableField[] {
  const forms = [value, JSON.stringify(value).slice(1, -1)].map((form) => form.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'));
  const word = new RegExp(`(?<![\\p{L}\\p{N}])(?:${forms.join('|')})(?![\\p{L}\\p{N}])`, 'iu');
  return erasableFields.filter((field) => word.test(textOf(entry, field) ?? ''));
}

/** Erases values of events of one tile; returns how many values that were. All of them must be sealed. */
export async function eraseInTile(
  db: Database,
  tiles: Tiles,
  sha256: Sha256,
  n: number,
  wanted: Wanted,
): Promise<number> {
  for (let attempt = 0; attempt < attempts_max; attempt += 1) {
    const first = n * tile_hashes;
    const { entries, nodes: before, erasures } = await tiles.entriesOfTile(n, first, first + tile_hashes);
    if (!before) throw new Error(`tile ${n} is not sealed`);
    const rows = withSecrets(sha256, n, entries, { nodes: before, erasures }).flatMap((sealed) =>
      rowsOf(sha256, sealed, wanted.get(sealed.entry.id)),
    );
    const gone = rows.filter(({ commitment }) => commitment !== null);
    if (gone.length === 0) return 0;
    let nodes = readNodes(before);
    for (const id of new Set(gone.map((row) => row.id))) nodes = puncture(sha256, nodes, id - 1 - first);
    if (await eraseEvents(db, n, before, writeNodes(nodes), rows)) return gone.length;
  }
  throw new Error(`tile ${n} is erased from by others all the time`);
}

/** What is kept of an event: the commitments of the values that go, and the salts of those that stay. */
function rowsOf(
  sha256: Sha256,
  { entry, secrets }: Sealed,
  fields: ReadonlySet<ErasableField> = new Set(),
): ({ id: number } & Erasure)[] {
  const present = erasableFields.filter((field) => textOf(entry, field) !== null);
  if (!present.some((field) => fields.has(field))) return [];
  return present.map((field) => {
    const [salt, commitment] = [saltIn(sha256, secrets, field), commitmentOf(sha256, entry, field, secrets)];
    if (!salt || !commitment) throw new Error(`event ${entry.id} has a value where one was erased`);
    return fields.has(field)
      ? { id: entry.id, field, commitment, salt: null }
      : { id: entry.id, field, commitment: null, salt };
  });
}
