/** Packs a month: writes its events as files, reads them back, and compares them with the log. Each step is a row of log_months. */
import { toHex } from '../http/digest.ts';
import { exportColumns } from '../log/export-rows.ts';
import type { Reads } from '../log/reads.ts';
import type { Database } from '../log/schema.ts';
import { tilesOf } from '../log/tiles.ts';
import type { Sha256 } from '../proof/bytes.ts';
import { readTileOf, secretsOfIds } from '../proof/leaves.ts';
import { subtreeHashes } from '../proof/subtree.ts';
import { emptyRows, file_format, fileLimits, type Rows } from './file-format.ts';
import {
  fileName,
  type Manifest,
  type ManifestFile,
  manifestName,
  prefixOf,
  proofName,
  sha256Hex,
} from './manifest.ts';
import { keyColumns } from './metadata-columns.ts';
import type { Month } from './month.ts';
import { writeMonthProof } from './month-proof.ts';
import { type Place, readWhole } from './place.ts';
import type { Gunzip } from './read-file.ts';
import { addStep, erasedIn, hasLater, keyCounts, type MonthStep, monthIds, monthRows } from './tables.ts';
import { archivedProof, archivedRows, compareRows, sealedRows } from './verify.ts';
import { fileWriter, type Gzip } from './write-file.ts';

/** What the steps work with. */
export type Archive = { db: Database; reads: Reads; place: Place; gzip: Gzip; gunzip: Gunzip; sha256: Sha256 };

/**
 * Brings a month to `checked`, from the step that it has: after an interruption it is called again. A month of which events
 * came later is packed anew. Returns null for a month without events. Rejects with an ArchiveFault when the files that
 * were read back are not the events of the log.
 */
export async function packMonth(
  archive: Archive,
  { log_id, upto, month }: { log_id: string; upto: number; month: Month },
  last: MonthStep | undefined,
): Promise<Manifest | null> {
  const { db, reads } = archive;
  const isCurrent =
    last &&
    last.manifest.log === log_id &&
    (await changesOf(reads, last.manifest)) === null &&
    (last.manifest.proof !== undefined || !(await checkpointOf(archive, last.manifest.files)));
  if (isCurrent && last.step === 'checked') return last.manifest;
  const manifest = isCurrent ? last.manifest : await writeFiles(archive, log_id, month, upto);
  if (!manifest) return null;
  if (!isCurrent) await addStep(db, month, 'packed', manifest);
  await checkMonth(archive, manifest);
  await addStep(db, month, 'checked', manifest);
  await removeOthers(archive, manifest);
  return manifest;
}

/** Why a month is to be packed again: its events are not those of the files any more; null when they are. */
export async function changesOf(reads: Reads, { month, upto, erased }: Manifest): Promise<string | null> {
  if ((await erasedIn(reads, month)) !== erased) return 'values were erased later';
  return (await hasLater(reads, month, upto)) ? 'events came later' : null;
}

/**
 * Rejects with an ArchiveFault when the files are not the month's events, of those up to the manifest's last id, or when
 * these are not what was sealed.
 */
export async function checkMonth({ reads, place, gunzip, sha256 }: Archive, manifest: Manifest): Promise<void> {
  const rows = archivedRows(place, manifest, gunzip);
  const { proof } = manifest;
  const sealed = proof ? sealedRows(rows, await archivedProof(place, proof), proof, sha256) : rows;
  await compareRows(sealed, monthRows(reads, manifest.month, manifest.upto));
}

/** The first checkpoint that is kept of those with all events of the files, or undefined. */
const checkpointOf = async ({ db, reads }: Pick<Archive, 'db' | 'reads'>, files: readonly ManifestFile[]) =>
  (await tilesOf(db, reads).checkpointFrom(Math.max(...files.map(({ ids }) => ids[1])))) ?? undefined;

/** Stores the proof of a month; undefined when its events are not all sealed. */
async function writeProof(
  archive: Archive,
  month: Month,
  upto: number,
  files: readonly ManifestFile[],
  prefix: string,
) {
  const { db, reads, place, sha256 } = archive;
  const checkpoint = await checkpointOf(archive, files);
  if (!checkpoint) return undefined;
  const { size, root, note } = checkpoint;
  const tiles = tilesOf(db, reads);
  const text = await writeMonthProof(await monthIds(reads, month, upto), size, note, {
    hashOf: subtreeHashes(sha256, readTileOf(tiles, sha256), size),
    keysOf: (n, ids) => secretsOfIds(tiles, sha256, n, ids),
  });
  const bytes = new TextEncoder().encode(text);
  const digest = await sha256Hex(bytes);
  const file = proofName(prefix, digest);
  await putOnce(place, file, bytes, digest);
  return { file, bytes: bytes.length, sha256: digest, size, root: toHex(root) };
}

/**
 * Writes the files of a month, and returns its manifest. What is in them depends on the month's events alone: who is
 * interrupted and begins again stores the same files.
 */
async function writeFiles(archive: Archive, log_id: string, month: Month, upto: number): Promise<Manifest | null> {
  const { reads, place, gzip } = archive;
  const erased = await erasedIn(reads, month);
  const { rows, counts } = await keyCounts(reads, month, upto);
  if (rows === 0) return null;
  const keys = keyColumns(counts, rows);
  const prefix = prefixOf(log_id, month);
  const files: ManifestFile[] = [];
  let file: ReturnType<typeof openFile> | null = null;

  async function close(open: ReturnType<typeof openFile>): Promise<void> {
    const { bytes, ...contents } = open.finish();
    const sha256 = await sha256Hex(bytes);
    const name = fileName(prefix, files.length, sha256);
    await putOnce(place, name, bytes, sha256);
    files.push({ file: name, bytes: bytes.length, sha256, ...contents });
  }

  for await (const group of groupsOf(monthRows(reads, month, upto))) {
    file ??= openFile(keys, { log: log_id, month }, gzip);
    file.add(group);
    if (file.rows() < fileLimits.file_rows) continue;
    await close(file);
    file = null;
  }
  if (file) await close(file);
  const packed_n = files.reduce((sum, of) => sum + of.rows, 0);
  if (packed_n !== rows) throw new Error(`${month} has ${rows} events, and ${packed_n} were read`);
  const proof = await writeProof(archive, month, upto, files, prefix);
  const manifest: Manifest = {
    format: file_format,
    log: log_id,
    month,
    upto,
    rows,
    erased,
    keys,
    files,
    ...(proof && { proof }),
  };
  if (place.keeps_manifests) await place.put(manifestName(prefix), jsonBytes(manifest));
  return manifest;
}

const jsonBytes = (value: unknown) => new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);

/** A file that is there with these bytes is not stored again; one that was damaged is. */
async function putOnce(place: Place, name: string, bytes: Uint8Array, sha256: string): Promise<void> {
  const there = await readWhole(place, name).catch(() => null);
  if (there && (await sha256Hex(there)) === sha256) return;
  await place.put(name, bytes);
}

/** A file that counts what is added to it. */
function openFile(keys: readonly string[], footer: Record<string, string>, gzip: Gzip) {
  const writer = fileWriter(keys, footer, gzip);
  let rows = 0;
  const ids: [number, number] = [Number.POSITIVE_INFINITY, 0];
  let times: [string, string] | null = null;
  return {
    rows: () => rows,
    add: (group: Rows) => {
      writer.add(group);
      rows += group.n;
      for (const text of columnOf(group, 'id')) {
        const id = Number(text);
        if (id < ids[0]) ids[0] = id;
        if (id > ids[1]) ids[1] = id;
      }
      const timestamps = columnOf(group, 'timestamp') as string[];
      times = [times?.[0] ?? (timestamps[0] as string), timestamps.at(-1) as string];
    },
    finish: () => ({ bytes: writer.finish(), rows, ids, times: times ?? (['', ''] as [string, string]) }),
  };
}

const columnOf = ({ texts }: Rows, name: (typeof exportColumns)[number]) => texts[exportColumns.indexOf(name)] ?? [];

/** Pages of any size as groups of the size of the file's. */
async function* groupsOf(pages: AsyncIterable<Rows>): AsyncGenerator<Rows> {
  let group = emptyRows();
  for await (const page of pages)
    for (let at = 0; at < page.n; ) {
      const n = Math.min(page.n - at, fileLimits.group_rows - group.n);
      for (const [i, values] of group.texts.entries()) {
        const added = page.texts[i] as (string | null)[];
        for (let row = at; row < at + n; row++) values.push(added[row] as string | null);
      }
      group.n += n;
      at += n;
      if (group.n < fileLimits.group_rows) continue;
      yield group;
      group = emptyRows();
    }
  if (group.n > 0) yield group;
}

/** Removes the month's files that an interrupted or an earlier packing left. Only after the check of those that replace them. */
async function removeOthers({ place }: Archive, { log, month, files, proof }: Manifest): Promise<void> {
  const prefix = prefixOf(log, month);
  const names = new Set([...files.map(({ file }) => file), proof?.file, manifestName(prefix)]);
  for (const file of await place.files(prefix)) if (!names.has(file)) await place.remove(file);
}
