/** `npm run archive -- pack | list | verify | export`: packs the events of old months as Parquet files, and checks and reads these. */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { sql } from 'drizzle-orm';
import { formats } from '../api/export-formats.ts';
import { archivedPages } from '../archive/export.ts';
import type { Manifest } from '../archive/manifest.ts';
import { firstRecent, isMonth, type Month } from '../archive/month.ts';
import { type Archive, changesOf, checkMonth, packMonth } from '../archive/pack.ts';
import { databasePlace, type Place } from '../archive/place.ts';
import { type MonthStep, monthSteps, monthsWithEvents } from '../archive/tables.ts';
import { ArchiveFault, archivedRows } from '../archive/verify.ts';
import { createStore } from '../log/store.ts';
import { folderPlace } from '../runtime/archive-folder.ts';
import { archiveGzip } from '../runtime/archive-gzip.ts';
import type { OpenDatabase } from '../runtime/database.ts';
import { openDatabase, requireUsable } from '../runtime/service.ts';
import { sha256 } from '../runtime/sha256.ts';
import { readSettings, type Settings } from '../settings.ts';
import { CommandError, explain, runAsCommand } from './connect.ts';

const usage = `usage: npm run archive -- pack [<month>]
       npm run archive -- list
       npm run archive -- verify [<month>]
       npm run archive -- export <month> [--format csv | spreadsheet | json | ndjson]
A month is written as 2026-03.`;

/** Reading a month takes longer than a reader may keep the database busy. */
const read_ms_max = 600_000;
/** One is held by the lock, and pages are read while files are stored. */
const connections_min = 6;
/** Any number, the same in every process: whoever holds it packs. */
const pack_lock = 7_238_160_452;

/** Exit statuses: something is wrong with the archive, and it could not be looked at. */
const [wrong_status, unknown_status] = [1, 2];

type Opened = Archive & { settings: Settings; upto: number; log_id: string };

export function placeOf({ ARCHIVE_DIR, DATABASE_URL, DATA_DIR }: Settings, { db, reads }: OpenDatabase): Place {
  if (ARCHIVE_DIR) return folderPlace(resolve(ARCHIVE_DIR));
  return DATABASE_URL ? databasePlace(db, reads) : folderPlace(resolve(join(DATA_DIR, 'archive')));
}

async function withArchive(settings: Settings, run: (archive: Opened) => Promise<void>): Promise<void> {
  const database = await openDatabase({
    ...settings,
    // The service's role may not write what the archive has: whoever has the owner's password packs.
    DATABASE_URL: settings.MIGRATION_DATABASE_URL || settings.DATABASE_URL,
    MIGRATION_DATABASE_URL: '',
    READ_MS_MAX: Math.max(settings.READ_MS_MAX, read_ms_max),
    DATABASE_CONNECTIONS_MAX: Math.max(settings.DATABASE_CONNECTIONS_MAX, connections_min),
  });
  try {
    await requireUsable(settings, database);
    const { db, reads, room } = database;
    const { log_id, id: upto } = await createStore(db, reads, room).newest();
    await run({
      db,
      reads,
      place: placeOf(settings, database),
      ...archiveGzip,
      sha256,
      settings,
      upto,
      log_id,
    });
  } finally {
    await database.close();
  }
}

/**
 * Runs while no other process packs. The lock is a transaction's, which ends with its connection and also works through a
 * transaction pooler. An embedded database has one process, and one connection.
 */
async function alone({ db, settings }: Opened, run: () => Promise<void>): Promise<void> {
  if (!settings.DATABASE_URL) return run();
  await db.transaction(async (tx) => {
    await tx.execute(sql`set local idle_in_transaction_session_timeout = 0`);
    const [tried] = await tx
      .select({ is_mine: sql<boolean>`is_mine` })
      .from(sql`pg_try_advisory_xact_lock(${pack_lock}) as is_mine`);
    if (!tried?.is_mine) throw new CommandError('another process packs the archive of this log', unknown_status);
    await run();
  });
}

const number = (value: number) => value.toLocaleString('en-US');
const events = (n: number) => `${number(n)} ${n === 1 ? 'event' : 'events'}`;
const bytesOf = ({ manifest }: Pick<MonthStep, 'manifest'>) =>
  manifest.files.reduce((sum, { bytes }) => sum + bytes, 0);

function sizeText(step: Pick<MonthStep, 'manifest'>): string {
  const { rows, files } = step.manifest;
  const bytes = bytesOf(step);
  const each = (bytes / rows).toLocaleString('en-US', { maximumFractionDigits: 1 });
  return `${events(rows)}, ${number(bytes)} bytes in ${files.length} ${files.length === 1 ? 'file' : 'files'} (${each} bytes an event)`;
}

async function pack(archive: Opened, month: Month | undefined): Promise<void> {
  const { reads, place, settings, upto, log_id } = archive;
  const recent = firstRecent(Date.now(), settings.PACK_AFTER_DAYS);
  if (month !== undefined && month >= firstRecent(Date.now(), 0))
    throw new CommandError(`${month} has not ended: its events would have to be packed again`, unknown_status);
  await alone(archive, async () => {
    const steps = await monthSteps(reads);
    const months = month === undefined ? await monthsWithEvents(reads, recent) : [month];
    if (months.length === 0)
      console.log(`no month with events ended more than ${settings.PACK_AFTER_DAYS} days ago (PACK_AFTER_DAYS)`);
    for (const each of months) {
      const last = steps.get(each);
      // Who names a month has it packed whatever its step says: this repairs files that were damaged.
      const manifest = await packMonth(
        archive,
        { log_id, upto, month: each },
        month === undefined ? last : undefined,
      ).catch((error) => {
        if (error instanceof ArchiveFault) throw new ArchiveFault(`${each}: ${error.message}`);
        throw error;
      });
      if (!manifest) console.log(`${each}: no events`);
      else if (manifest === last?.manifest && last.step === 'checked') console.log(`${each}: is packed already`);
      else console.log(`${each}: packed and checked, ${sizeText({ manifest })}, in ${place.name}`);
    }
  });
}

/** The months that were packed, or the one that is named. */
async function packedMonths({ reads, log_id }: Opened, month: Month | undefined): Promise<MonthStep[]> {
  const steps = [...(await monthSteps(reads)).values()].filter(({ manifest }) => manifest.log === log_id);
  if (month === undefined) return steps;
  const found = steps.find((step) => step.month === month);
  if (!found) throw new CommandError(`${month} was not packed`, unknown_status);
  return [found];
}

async function list(archive: Opened): Promise<void> {
  const steps = await packedMonths(archive, undefined);
  if (steps.length === 0) console.log('no month was packed');
  for (const step of steps) {
    const changes = await changesOf(archive.reads, step.manifest);
    console.log(`${step.month}  ${step.step}  ${sizeText(step)}${changes ? `, and ${changes}: pack it again` : ''}`);
  }
}

async function verify(archive: Opened, month: Month | undefined): Promise<void> {
  const steps = await packedMonths(archive, month);
  if (steps.length === 0) throw new CommandError('no month was packed, so nothing was verified', unknown_status);
  let faults_n = 0;
  for (const { month: each, manifest } of steps)
    try {
      await checkMonth(archive, manifest);
      const changes = await changesOf(archive.reads, manifest);
      console.log(
        `${each}: ${events(manifest.rows)} in the files, each as in the log${sealedText(manifest)}${changes ? `; ${changes}: pack it again` : ''}`,
      );
    } catch (error) {
      if (!(error instanceof ArchiveFault)) throw error;
      faults_n += 1;
      const changes = await changesOf(archive.reads, manifest);
      console.error(`${each}: ${error.message}${changes ? ` (${changes}: pack it again)` : ''}`);
    }
  if (faults_n > 0) throw new CommandError(`${faults_n} of ${steps.length} months differ: ${repair}`, wrong_status);
}

const sealedText = ({ proof }: Manifest) => (proof ? ` and as sealed in the checkpoint of ${events(proof.size)}` : '');

const repair = '`npm run archive -- pack <month>` packs a month again from the events of the log';

async function writeExport(archive: Opened, month: Month, format: keyof typeof formats): Promise<void> {
  const [step] = await packedMonths(archive, month);
  if (!step) throw new Error('a month that was packed has no step');
  const { write, truncation_mark } = formats[format];
  try {
    for await (const chunk of write(archivedPages(archivedRows(archive.place, step.manifest, archive.gunzip))))
      await toOutput(chunk);
  } catch (error) {
    // So that no reader takes the file for a whole one, as in an export of the service.
    await toOutput(truncation_mark);
    throw error;
  }
}

const toOutput = (chunk: Uint8Array | string) =>
  new Promise<void>((done, fail) => process.stdout.write(chunk, (error) => (error ? fail(error) : done())));

const isFormat = (name: string): name is keyof typeof formats => Object.hasOwn(formats, name);

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { format: { type: 'string' } } });
  const [verb = '', month, ...more] = positionals;
  const takesMonth = verb !== 'list';
  if (!['pack', 'list', 'verify', 'export'].includes(verb) || more.length > 0 || (month !== undefined && !takesMonth))
    throw new CommandError(usage, unknown_status);
  if (month !== undefined && !isMonth(month))
    throw new CommandError(`${month} is not a month such as 2026-03`, unknown_status);
  const { format = 'ndjson' } = values;
  if (!isFormat(format) || (values.format !== undefined && verb !== 'export'))
    throw new CommandError(usage, unknown_status);
  if (verb === 'export' && month === undefined) throw new CommandError(usage, unknown_status);
  await withArchive(readSettings(process.env), async (archive) => {
    if (verb === 'pack') await pack(archive, month);
    else if (verb === 'list') await list(archive);
    else if (verb === 'verify') await verify(archive, month);
    else await writeExport(archive, month as Month, format);
  }).catch((error) => {
    if (error instanceof CommandError) throw error;
    if (error instanceof ArchiveFault) throw new CommandError(error.message, wrong_status);
    if (verb === 'verify') throw new CommandError(`nothing was verified: ${explain(error)}`, unknown_status);
    throw error;
  });
}

runAsCommand(import.meta.url, main);
