/** Packs a month: writes its events as files, reads them back, and compares them with the log. Each step is a row of log_months. */
import { exportColumns } from '../log/export-rows.ts';
import type { Reads } from '../log/reads.ts';
import type { Database } from '../log/schema.ts';
import { emptyRows, file_format, fileLimits, type Rows } from './file-format.ts';
import { fileName, type Manifest, type ManifestFile, prefixOf, sha256Hex } from './manifest.ts';
import { keyColumns } from './metadata-columns.ts';
import type { Month } from './month.ts';
import { type Place, readWhole } from './place.ts';
import type { Gunzip } from './read-file.ts';
import { addStep, hasLater, keyCounts, type MonthStep, monthRows } from './tables.ts';
import { archivedRows, compareRows } from './verify.ts';
import { fileWriter, type Gzip } from './write-file.ts';

/** What the steps work with. */
export type Archive = { db: Database; reads: Reads; place: Place; gzip: Gzip; gunzip: Gunzip };

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
  const isCurrent = last && last.manifest.log === log_id && !(await hasLater(reads, month, last.manifest.upto));
  if (isCurrent && last.step === 'checked') return last.manifest;
  const manifest = isCurrent ? last.manifest : await writeFiles(archive, log_id, month, upto);
  if (!manifest) return null;
  if (!isCurrent) await addStep(db, month, 'packed', manifest);
  await checkMonth(archive, manifest);
  await addStep(db, month, 'checked', manifest);
  await removeOthers(archive, manifest);
  return manifest;
}

/** Rejects with an ArchiveFault when the files are not the month's events, of those up to the manifest's last id. */
export async function checkMonth({ reads, place, gunzip }: Archive, manifest: Manifest): Promise<void> {
  await compareRows(archivedRows(place, manifest, gunzip), monthRows(reads, manifest.month, manifest.upto));
}

/**
 * Writes the files of a month, and returns its manifest. What is in them depends on the month's events alone: who is
 * interrupted and begins again stores the same files.
 */
async function writeFiles(
  { reads, place, gzip }: Archive,
  log_id: string,
  month: Month,
  upto: number,
): Promise<Manifest | null> {
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
  const manifest: Manifest = { format: file_format, log: log_id, month, upto, rows, keys, files };
  if (place.keeps_manifests) await place.put(`${prefix}manifest.json`, jsonBytes(manifest));
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
async function removeOthers({ place }: Archive, { log, month, files }: Manifest): Promise<void> {
  const names = new Set(files.map(({ file }) => file));
  for (const file of await place.files(prefixOf(log, month)))
    if (file.endsWith('.parquet') && !names.has(file)) await place.remove(file);
}
