/** What an entity's events say about it: the value of each field, folded from what changed. */
import { type Change, readChanges } from '../../log/changes.ts';
import type { Json, Metadata } from '../../log/entry.ts';
import type { Entry } from '../../log/schema.ts';

/** A field, its value, and the event that set it. */
export type Field = { field: string; value: Json; id: number; timestamp: string };

/** The event that created or deleted the entity last is what `exists` is about; null where none is known. */
export type State = { exists: boolean | null; fields: Field[] };

const isObject = (value: unknown): value is Metadata =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The keys under which a service writes a whole state after what happened. */
const stateKeys = [
  'after',
  'new',
  'attributes',
  'current',
  'new_values',
  'new_data',
  'record',
  'new_record',
  'newValues',
];

const isCreation = ({ event_type }: Entry) => /^(?:create|insert)/i.test(event_type);
const isDeletion = ({ event_type }: Entry) => /^delete/i.test(event_type);

/** The old and new values that an event names. */
export const changesOf = ({ metadata }: Pick<Entry, 'metadata'>): Change[] =>
  isObject(metadata) ? readChanges(metadata).changes : [];

/** What an event says of the entity's fields; undefined: the field is gone. */
function valuesOf(entry: Entry): [string, Json | undefined][] {
  const { metadata } = entry;
  if (!isObject(metadata)) return [];
  const { changes, rest } = readChanges(metadata);
  const key = stateKeys.find((name) => isObject(metadata[name]));
  const whole = key === undefined ? undefined : metadata[key];
  // What was created has the values that its creation names. Those of other events may be about the request.
  const given = isObject(whole) ? whole : isCreation(entry) ? rest : {};
  return [...Object.entries(given), ...changes.map(({ field, to }): [string, Json | undefined] => [field, to])];
}

/** The state after these events of one entity, which are in the order of their time. */
export function foldState(events: Entry[]): State {
  const fields = new Map<string, Field>();
  let exists: boolean | null = null;
  for (const entry of events) {
    // What is created anew has nothing of what was there before.
    if (isCreation(entry) && exists === false) fields.clear();
    if (isCreation(entry)) exists = true;
    for (const [field, value] of valuesOf(entry)) {
      if (value === undefined) fields.delete(field);
      else fields.set(field, { field, value, id: entry.id, timestamp: entry.timestamp });
    }
    if (isDeletion(entry)) exists = false;
  }
  return { exists, fields: [...fields.values()] };
}
