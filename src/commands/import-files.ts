/** Sends the events of files to a service: checks regular files completely first, and adds only what is missing. */
import { type Log, LogError } from '../client.ts';
import { unreachableCode } from './connect.ts';
import { type Adapter, errorAt, eventsOf, type PlacedEvent } from './import-events.ts';
import { ImportError, type ImportFile, isRegularFile } from './import-source.ts';
import { createUidSource } from './import-uids.ts';

export const importLimits = {
  /** The limit of one request. */
  batch_events_max: 1_000,
  /** Below the service's limit of 1 MiB; a single event is always smaller. */
  batch_bytes_max: 900_000,
} as const;

/** `redacted`: the events in which the service has replaced what looks like a secret, where there are any. */
export type ImportResult = { stored: number; duplicates: number; redacted?: number };

export type ImportOptions = {
  adapter?: Adapter | undefined;
  /** Identifies the file in the derived event_uids in place of its path. Only with one file. */
  source?: string | undefined;
  /** False: an event without event_uid stays without, and a repeated import stores it again. */
  uids?: boolean;
  progress?: (what: 'checked' | 'sent', events: number, place: string) => void;
};

/**
 * Imports files in the given order. Returns how many events were stored, and how many were already stored (by
 * event_uid). Nothing is sent before all regular files are checked; a pipe can be read only once, so its events are
 * checked and sent batch by batch. The client must have `uid: false`. Throws an ImportError that names the place and the
 * reason, and says what is stored.
 */
export async function importFiles(
  log: Log,
  files: readonly ImportFile[],
  options: ImportOptions = {},
): Promise<ImportResult> {
  const checked = new Map<ImportFile, number>();
  const done: ImportResult = { stored: 0, duplicates: 0 };
  try {
    for (const file of files) if (await isRegularFile(file)) checked.set(file, await check(file, options));
    for (const [i, file] of files.entries()) {
      const before = done.stored + done.duplicates;
      await sendFile(log, withUids(file, i, checked.has(file), options), done, options);
      const sent = done.stored + done.duplicates - before;
      const expected = checked.get(file) ?? sent;
      if (sent !== expected)
        throw new ImportError(`${file.name}: had ${expected} events when it was checked and ${sent} when it was sent`);
    }
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
    throw new ImportError(`${error.message} (${consequence(done, error, options)})`, { cause: error.cause });
  }
  return done;
}

/** What an import that failed has stored, and how to go on. */
function consequence(
  { stored, duplicates }: ImportResult,
  { is_uncertain }: ImportError,
  { uids = true }: ImportOptions,
): string {
  const before = stored + duplicates;
  if (before === 0 && !is_uncertain) return 'nothing is stored';
  const events = `${pluralized(before, 'event')} before it ${before === 1 ? 'is' : 'are'} stored`;
  return uids ? `${events}; import it again to add only what is missing` : events;
}

async function check(file: ImportFile, { adapter, progress }: ImportOptions): Promise<number> {
  let events = 0;
  for await (const { place } of eventsOf(file, adapter)) {
    events += 1;
    progress?.('checked', events, place);
  }
  return events;
}

/**
 * The events of a file with an event_uid each. A pipe has no path that identifies it, so an event of a pipe without a
 * timestamp gets none: the same line in tomorrow's pipe is another event.
 */
async function* withUids(file: ImportFile, index: number, isRegular: boolean, options: ImportOptions) {
  const { adapter, source, uids = true } = options;
  const identity = source ?? (isRegular ? file.path?.replace(/\.gz$/i, '') : `pipe ${index + 1}`);
  const derive = createUidSource(identity ?? '');
  for await (const placed of eventsOf(file, adapter)) {
    const isIdentified = isRegular || source !== undefined || placed.entry.timestamp !== null;
    if (!uids || placed.entry.event_uid !== null || !isIdentified) yield placed;
    else yield { ...placed, event: { ...placed.event, event_uid: derive(placed.entry) } };
  }
}

async function sendFile(
  log: Log,
  events: AsyncIterable<PlacedEvent>,
  done: ImportResult,
  { progress }: ImportOptions,
): Promise<void> {
  for await (const batch of batchesOf(events)) {
    const { count, duplicates, redacted } = await send(log, batch);
    if (redacted) done.redacted = (done.redacted ?? 0) + redacted.length;
    done.stored += count - duplicates.length;
    done.duplicates += duplicates.length;
    progress?.('sent', done.stored + done.duplicates, batch.at(-1)?.place ?? '');
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
    const faults = error instanceof LogError ? error.errors : [];
    const at = batch[faults[0]?.index ?? -1];
    if (at)
      throw errorAt(
        at.place,
        faults.filter(({ index }) => index === faults[0]?.index),
      );
    const range = `${batch[0]?.place} to ${batch.at(-1)?.place}`;
    if (error instanceof LogError && error.status < 500)
      throw new ImportError(`${range}: the service refuses: ${error.detail}`);
    if (unreachableCode(error)) throw new ImportError(`${range}: the service cannot be reached`);
    const why = error instanceof Error ? error.message : String(error);
    throw new ImportError(`${range}: no response (${why}); these events may or may not be stored`, {
      is_uncertain: true,
    });
  }
}

export const pluralized = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
