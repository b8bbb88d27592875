/** Compares the files of a packed month with its manifest and, while its events are in the log, with each of them. */

import { toHex } from '../http/digest.ts';
import { exportColumns } from '../log/export-rows.ts';
import type { Sha256 } from '../proof/bytes.ts';
import type { Rows } from './file-format.ts';
import { type Manifest, type ManifestFile, type ManifestProof, sha256Hex } from './manifest.ts';
import { entryAt, type MonthProof, monthTree, readMonthProof } from './month-proof.ts';
import { type Place, readWhole } from './place.ts';
import { fileOf, type Gunzip, readGroups } from './read-file.ts';

/** A file that is not what its manifest says. */
export class ArchiveFault extends Error {
  override name = 'ArchiveFault';
}

/** The rows of a month's files in their order. Throws an ArchiveFault at the first difference from the manifest. */
export async function* archivedRows(place: Place, { files, rows }: Manifest, gunzip: Gunzip): AsyncGenerator<Rows> {
  let all_n = 0;
  for (const file of files) {
    let n = 0;
    const bytes = await soundBytes(place, file);
    for await (const group of readGroups(fileOf(bytes), gunzip)) {
      n += group.n;
      yield group;
    }
    if (n !== file.rows) throw new ArchiveFault(`${file.file} has ${n} events and not ${file.rows}`);
    all_n += n;
  }
  if (all_n !== rows) throw new ArchiveFault(`the files have ${all_n} events and not ${rows}`);
}

/** The proof of a month. Throws an ArchiveFault when it is not what the manifest says. */
export async function archivedProof(place: Place, proof: ManifestProof): Promise<MonthProof> {
  return readMonthProof(new TextDecoder().decode(await soundBytes(place, proof)));
}

/**
 * Passes rows on, and computes the leaf of each. Throws an ArchiveFault at the end when the events do not lead to the
 * checkpoint: one of them is not as it was sealed, or missing.
 */
export async function* sealedRows(
  rows: AsyncIterable<Rows>,
  proof: MonthProof,
  { size, root }: Pick<ManifestProof, 'size' | 'root'>,
  sha256: Sha256,
): AsyncGenerator<Rows> {
  const tree = monthTree(sha256, proof);
  for await (const group of rows) {
    for (let i = 0; i < group.n; i++) {
      const entry = entryAt(group, i);
      if (!tree.add(entry)) throw new ArchiveFault(`event ${entry.id} is not in the proof, or there twice`);
    }
    yield group;
  }
  const found = tree.root(size);
  if (!found || toHex(found) !== root)
    throw new ArchiveFault(`the events do not lead to the checkpoint of ${size} events`);
}

async function soundBytes(
  place: Place,
  { file, bytes, sha256 }: Pick<ManifestFile, 'file' | 'bytes' | 'sha256'>,
): Promise<Uint8Array> {
  const found = await readWhole(place, file);
  if (!found) throw new ArchiveFault(`${file} is missing`);
  if (found.length !== bytes) throw new ArchiveFault(`${file} has ${found.length} bytes and not ${bytes}`);
  if ((await sha256Hex(found)) !== sha256) throw new ArchiveFault(`${file} was changed: its SHA-256 is another one`);
  return found;
}

/** Compares rows of the archive with rows of the log, value by value. Throws an ArchiveFault at the first difference. */
export async function compareRows(archived: AsyncIterable<Rows>, live: AsyncIterable<Rows>): Promise<number> {
  const others = live[Symbol.asyncIterator]();
  let page: Rows = { n: 0, texts: [] };
  let at = 0;
  let compared = 0;
  const refill = async (): Promise<boolean> => {
    if (at < page.n) return true;
    const next = await others.next();
    if (next.done) return false;
    page = next.value;
    at = 0;
    return true;
  };
  try {
    for await (const group of archived)
      for (let i = 0; i < group.n; ) {
        if (!(await refill())) throw new ArchiveFault(`event ${idAt(group, i)} is in the archive and not in the log`);
        const n = Math.min(group.n - i, page.n - at);
        compareRun(group, i, page, at, n);
        i += n;
        at += n;
        compared += n;
      }
    if (await refill()) throw new ArchiveFault(`event ${idAt(page, at)} is in the log and not in the archive`);
  } finally {
    await others.return?.();
  }
  return compared;
}

const id_column = exportColumns.indexOf('id');
const idAt = ({ texts }: Rows, i: number) => texts[id_column]?.[i];

function compareRun(left: Rows, left_at: number, right: Rows, right_at: number, n: number): void {
  for (let i = 0; i < n; i++)
    for (let column = 0; column < exportColumns.length; column++)
      if (left.texts[column]?.[left_at + i] !== right.texts[column]?.[right_at + i]) {
        const [mine, other] = [idAt(left, left_at + i), idAt(right, right_at + i)];
        throw new ArchiveFault(
          mine === other
            ? `event ${mine} has another ${exportColumns[column]} in the archive than in the log`
            : `the archive has event ${mine} where the log has event ${other}`,
        );
      }
}
