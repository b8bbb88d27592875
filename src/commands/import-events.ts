/** The events of a file: its records, converted and validated with the service's own schema. */
import { type EntryInput, NewEntry, readEntry } from '../log/entry.ts';
import { jsonTextFaults } from '../log/json-text.ts';
import { type PlacedRecord, type ReadOptions, readRecords } from './import-readers.ts';
import { ImportError, type ImportFile } from './import-source.ts';

/**
 * Converts the records of another system to events; `records` is the key of the array in a JSON document. A regular
 * file is read twice, first to check it, so the function must return the same for the same record.
 */
export type Adapter = {
  /** Returns the event or events of a record, or null to skip it. An error stops the import at this record. */
  default(record: unknown): EntryInput | EntryInput[] | null;
  records?: string;
};

/** An event as it is sent, and as the service will store it, and its place in the file for messages. */
export type PlacedEvent = { event: EntryInput; entry: NewEntry; place: string };

type Fault = { field: string; reason: string };

/** The fields that the log assigns itself: an export contains them. */
const assigned = ['id', 'created_at'];
/** A column of an export that is empty in every event that was readable. An event with a value is refused. */
const unreadable = 'unreadable';
const columns = {
  allowed: [...Object.keys(NewEntry.entries), ...assigned, unreadable],
  required: ['event_type', 'entity_type'],
};

/** Yields the events of a file. Throws an ImportError that names the line, the field and the reason. */
export async function* eventsOf(file: ImportFile, adapter?: Adapter): AsyncGenerator<PlacedEvent> {
  const options: ReadOptions = adapter ? { records_key: adapter.records } : { columns };
  for await (const placed of readRecords(file, options))
    for (const event of adapter ? adaptRecord(adapter, placed) : [eventOfExport(placed)]) {
      const read = readEntry(event);
      if ('faults' in read) throw errorAt(placed.place, read.faults);
      yield { event: event as EntryInput, entry: read.entry, place: placed.place };
    }
}

const faults_shown_max = 5;

/** All faults of one event as an ImportError: the first one alone is often not the cause. */
export function errorAt(place: string, faults: readonly Fault[]): ImportError {
  const texts = faults.slice(0, faults_shown_max).map(({ field, reason }) => `${field ? `${field}: ` : ''}${reason}`);
  return new ImportError(`${place}: ${texts.join('; ') || 'is not an event'}`);
}

/** An exported entry as an event: without id and created_at, which the log assigns. */
function eventOfExport({ record, place }: PlacedRecord): unknown {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) return record;
  const { id: _id, created_at: _created_at, ...event } = record as Record<string, unknown>;
  if (typeof event.metadata === 'string') event.metadata = parseMetadata(event.metadata, place);
  return Object.fromEntries(Object.entries(event).filter(([, value]) => value !== null && value !== ''));
}

/** The metadata of a CSV cell, which is JSON text. Other text is returned as it is, and the validation refuses it. */
function parseMetadata(text: string, place: string): unknown {
  let metadata: unknown = text;
  try {
    metadata = text === '' ? null : JSON.parse(text);
  } catch {
    return text;
  }
  const [fault] = jsonTextFaults(text);
  if (fault) throw errorAt(place, [{ field: ['metadata', ...fault.path].join('.'), reason: fault.reason }]);
  return metadata;
}

function adaptRecord(adapter: Adapter, { record, place }: PlacedRecord): EntryInput[] {
  try {
    const events = adapter.default(record);
    return events === null ? [] : Array.isArray(events) ? events : [events];
  } catch (error) {
    throw new ImportError(`${place}: the adapter failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}
