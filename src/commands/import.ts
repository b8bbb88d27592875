/** `npm run import -- <file…>`: sends the events of files to a running service. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { type Log, LogError } from '../client.ts';
import { type EntryInput, readEntry } from '../log/entry.ts';
import { CommandError, connect, runAsCommand, unreachableCode } from './connect.ts';
import { ImportError, readRecords } from './import-readers.ts';

export const importLimits = {
  /** The limit of one request. */
  batch_events_max: 1_000,
  /** Below the service's limit of 1 MiB; a single event is always smaller. */
  batch_bytes_max: 900_000,
  progress_ms_min: 200,
} as const;

/** Converts the records of another system to events; `records` is the key of the array in a JSON document. */
export type Adapter = {
  /** Returns the event or events of a record, or null to skip it. An error stops the import at this record. */
  default(record: unknown): EntryInput | EntryInput[] | null;
  records?: string;
};

export type ImportResult = { stored: number; duplicates: number };
type PlacedEvent = { event: EntryInput; place: string };

/**
 * Imports files in the given order. Returns how many events were stored, and how many were already stored (by
 * event_uid). The client must have `uid: false`, so that an event without event_uid stays without. Throws an ImportError
 * that names the place and the reason, after storing the events before it.
 */
export async function importFiles(
  log: Log,
  files: readonly string[],
  {
    adapter,
    progress,
  }: { adapter?: Adapter | undefined; progress?: (result: ImportResult, place: string) => void } = {},
): Promise<ImportResult> {
  const done: ImportResult = { stored: 0, duplicates: 0 };
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
      `${error.message} (${pluralized(before, 'event')} before it ${before === 1 ? 'is' : 'are'} stored)`,
    );
  }
  return done;
}

/** The events of the files, validated with the service's own schema, so that an error names the file and the line. */
async function* eventsOf(files: readonly string[], adapter: Adapter | undefined): AsyncGenerator<PlacedEvent> {
  for (const file of files)
    for await (const { record, place } of readRecords(file, adapter?.records))
      for (const event of adapter ? adaptRecord(adapter, record, place) : [eventOfExport(record)]) {
        const read = readEntry(event);
        if ('faults' in read) throw errorAt(place, read.faults[0]);
        yield { event: event as EntryInput, place };
      }
}

const errorAt = (place: string, fault?: { field: string; reason: string }) =>
  new ImportError(`${place}: ${fault?.field ? `${fault.field}: ` : ''}${fault?.reason ?? 'is not an event'}`);

/** An exported entry as an event: without id and created_at, which the log assigns. */
function eventOfExport(record: unknown): unknown {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) return record;
  const { id: _id, created_at: _created_at, ...event } = record as Record<string, unknown>;
  if (typeof event.metadata === 'string') event.metadata = parseMetadata(event.metadata);
  return Object.fromEntries(Object.entries(event).filter(([, value]) => value !== null && value !== ''));
}

/** The metadata of a CSV cell, which is JSON text. Other text is returned as it is, and the validation refuses it. */
function parseMetadata(text: string): unknown {
  try {
    return text === '' ? null : JSON.parse(text);
  } catch {
    return text;
  }
}

function adaptRecord(adapter: Adapter, record: unknown, place: string): EntryInput[] {
  try {
    const events = adapter.default(record);
    return events === null ? [] : Array.isArray(events) ? events : [events];
  } catch (error) {
    throw new ImportError(`${place}: the adapter failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Batches within the limits of a request. The events before an error are sent before the error is thrown. */
async function* batchesOf(events: AsyncIterable<PlacedEvent>): AsyncGenerator<PlacedEvent[]> {
  let batch: PlacedEvent[] = [];
  let bytes = 0;
  let failure: { error: unknown } | null = null;
  try {
    for await (const placed of events) {
      const event_bytes = Buffer.byteLength(JSON.stringify(placed.event)) + 1;
      if (batch.length === importLimits.batch_events_max || bytes + event_bytes > importLimits.batch_bytes_max) {
        yield batch;
        batch = [];
        bytes = 0;
      }
      batch.push(placed);
      bytes += event_bytes;
    }
  } catch (error) {
    failure = { error };
  }
  if (batch.length > 0) yield batch;
  if (failure) throw failure.error;
}

async function send(log: Log, batch: PlacedEvent[]) {
  try {
    return await log.append(batch.map(({ event }) => event));
  } catch (error) {
    const fault = error instanceof LogError ? error.errors[0] : undefined;
    const at = batch[fault?.index ?? -1];
    if (at) throw errorAt(at.place, fault);
    const range = `${batch[0]?.place} to ${batch.at(-1)?.place}`;
    if (error instanceof LogError && error.status < 500)
      throw new ImportError(`${range}: the service refuses: ${error.detail}`);
    if (unreachableCode(error)) throw new ImportError(`${range}: the service cannot be reached`);
    const why = error instanceof Error ? error.message : String(error);
    throw new ImportError(
      `${range}: no response (${why}); these events may or may not be stored: check the log before you continue`,
    );
  }
}

const pluralized = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;

async function loadAdapter(path: string): Promise<Adapter> {
  const module: Partial<Adapter> = await import(pathToFileURL(resolve(path)).href);
  if (typeof module.default !== 'function')
    throw new CommandError(`${path}: an adapter's default export must be a function of one record`);
  const { default: adapt, records } = module;
  return { default: adapt, ...(records !== undefined && { records }) };
}

/** A progress line on a terminal; no output when stderr is a pipe or a file. */
function progressLine() {
  let shown = 0;
  const { isTTY } = process.stderr;
  return {
    show({ stored, duplicates }: ImportResult, place: string) {
      if (!isTTY || Date.now() - shown < importLimits.progress_ms_min) return;
      shown = Date.now();
      process.stderr.write(`\r${pluralized(stored + duplicates, 'event')}, up to ${place}\x1b[K`);
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
    `imported ${pluralized(stored, 'event')} from ${pluralized(files.length, 'file')} (${duplicates} ${duplicates === 1 ? 'was' : 'were'} stored before)`,
  );
}

runAsCommand(import.meta.url, main);
