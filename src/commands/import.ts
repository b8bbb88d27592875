/** `npm run import -- <file…>`: sends the events of files to a running service. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { type Log, LogError } from '../client.ts';
import { type EntryInput, readEntry } from '../log/entry.ts';
import { CommandError, connect, runAsCommand, unreachableCode } from './connect.ts';
import { ImportError, readItems } from './import-readers.ts';

export const importLimits = {
  /** What one request may carry. */
  batch_events_max: 1_000,
  /** Under the service's 1 MiB with some room; one event is far smaller. */
  batch_bytes_max: 900_000,
  progress_ms_min: 200,
} as const;

/** Turns the records of other systems into events; `records` is the key of a JSON document that holds them. */
export type Adapter = {
  /** The event or events of a record, or null to skip it. What it throws stops the import at this record. */
  default(record: unknown): EntryInput | EntryInput[] | null;
  records?: string;
};

export type Imported = { stored: number; duplicates: number };
type Told = { event: EntryInput; place: string };

/**
 * Imports files in their order; returns how many events were stored, and how many had been before (by event_uid). Give
 * it a client with `uid: false`: an event keeps the event_uid it has, also none. Throws an ImportError that names the
 * place and the reason, after storing what stands before it.
 */
export async function importFiles(
  log: Log,
  files: readonly string[],
  { adapter, progress }: { adapter?: Adapter | undefined; progress?: (so_far: Imported, place: string) => void } = {},
): Promise<Imported> {
  const done: Imported = { stored: 0, duplicates: 0 };
  try {
    for await (const batch of batchesOf(eventsOf(files, adapter))) {
      const { count, duplicates } = await send(log, batch);
      done.stored += count - duplicates.length;
      done.duplicates += duplicates.length;
      progress?.(done, batch.at(-1)?.place ?? '');
    }
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
    const before = done.stored + done.duplicates;
    throw new ImportError(
      `${error.message} (${counted(before, 'event')} before it ${before === 1 ? 'is' : 'are'} stored)`,
    );
  }
  return done;
}

/** Every event of the files, checked as the service will check it, so that a bad one is known by its place. */
async function* eventsOf(files: readonly string[], adapter: Adapter | undefined): AsyncGenerator<Told> {
  for (const file of files)
    for await (const { record, place } of readItems(file, adapter?.records))
      for (const event of adapter ? adapted(adapter, record, place) : [ownEvent(record)]) {
        const read = readEntry(event);
        if ('faults' in read) throw faultAt(place, read.faults[0]);
        yield { event: event as EntryInput, place };
      }
}

const faultAt = (place: string, fault?: { field: string; reason: string }) =>
  new ImportError(`${place}: ${fault?.field ? `${fault.field}: ` : ''}${fault?.reason ?? 'is not an event'}`);

/** An event as our own exports write it, less what is the log's to give: id and created_at. */
function ownEvent(record: unknown): unknown {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) return record;
  const { id: _id, created_at: _created_at, ...event } = record as Record<string, unknown>;
  if (typeof event.metadata === 'string') event.metadata = parsedMetadata(event.metadata);
  return Object.fromEntries(Object.entries(event).filter(([, value]) => value !== null && value !== ''));
}

/** A CSV cell holds metadata as JSON text. What is none is left for the check to refuse by name. */
function parsedMetadata(text: string): unknown {
  try {
    return text === '' ? null : JSON.parse(text);
  } catch {
    return text;
  }
}

function adapted(adapter: Adapter, record: unknown, place: string): EntryInput[] {
  try {
    const events = adapter.default(record);
    return events === null ? [] : Array.isArray(events) ? events : [events];
  } catch (error) {
    throw new ImportError(`${place}: the adapter says: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Batches within the limits of a request. What stands before a fault comes before it. */
async function* batchesOf(events: AsyncIterable<Told>): AsyncGenerator<Told[]> {
  let batch: Told[] = [];
  let bytes = 0;
  let failure: { error: unknown } | null = null;
  try {
    for await (const told of events) {
      const event_bytes = Buffer.byteLength(JSON.stringify(told.event)) + 1;
      if (batch.length === importLimits.batch_events_max || bytes + event_bytes > importLimits.batch_bytes_max) {
        yield batch;
        batch = [];
        bytes = 0;
      }
      batch.push(told);
      bytes += event_bytes;
    }
  } catch (error) {
    failure = { error };
  }
  if (batch.length > 0) yield batch;
  if (failure) throw failure.error;
}

async function send(log: Log, batch: Told[]) {
  try {
    return await log.append(batch.map(({ event }) => event));
  } catch (error) {
    const fault = error instanceof LogError ? error.errors[0] : undefined;
    const at = batch[fault?.index ?? -1];
    if (at) throw faultAt(at.place, fault);
    const stretch = `${batch[0]?.place} to ${batch.at(-1)?.place}`;
    if (error instanceof LogError && error.status < 500)
      throw new ImportError(`${stretch}: the service refuses: ${error.detail}`);
    if (unreachableCode(error)) throw new ImportError(`${stretch}: the service cannot be reached`);
    const why = error instanceof Error ? error.message : String(error);
    throw new ImportError(`${stretch}: no clear answer (${why}), so these may be stored or not: look before going on`);
  }
}

const counted = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;

async function loadAdapter(path: string): Promise<Adapter> {
  const module: Partial<Adapter> = await import(pathToFileURL(resolve(path)).href);
  if (typeof module.default !== 'function')
    throw new CommandError(`${path}: an adapter's default export must be a function of one record`);
  const { default: adapt, records } = module;
  return { default: adapt, ...(records !== undefined && { records }) };
}

/** One line on a terminal, rewritten; nothing in a pipe or a log file. */
function progressLine() {
  let shown = 0;
  const { isTTY } = process.stderr;
  return {
    show({ stored, duplicates }: Imported, place: string) {
      if (!isTTY || Date.now() - shown < importLimits.progress_ms_min) return;
      shown = Date.now();
      process.stderr.write(`\r${counted(stored + duplicates, 'event')}, up to ${place}\x1b[K`);
    },
    clear: () => void (isTTY && process.stderr.write('\r\x1b[K')),
  };
}

async function main(): Promise<void> {
  const { values, positionals: files } = parseArgs({
    allowPositionals: true,
    options: { adapter: { type: 'string' } },
  });
  if (files.length === 0)
    throw new CommandError('usage: npm run import -- [--adapter <module>] <file.json | file.ndjson | file.csv> …');
  const { log } = connect(process.env, { uid: false });
  const adapter = values.adapter === undefined ? undefined : await loadAdapter(values.adapter);
  const line = progressLine();
  const { stored, duplicates } = await importFiles(log, files, { adapter, progress: line.show }).finally(line.clear);
  console.log(
    `imported ${counted(stored, 'event')} from ${counted(files.length, 'file')} (${duplicates} ${duplicates === 1 ? 'was' : 'were'} stored before)`,
  );
}

runAsCommand(import.meta.url, main);
