/** Replaces what looks like a secret in an event before it is stored, and says where. */

import { isBareCardNumber } from './card-number.ts';
import { entryLimits, isLonger, type Json, type Metadata, metadataFault, type NewEntry } from './entry.ts';
import {
  isFolder,
  isSecretNumber,
  isSecretText,
  type KeyMeaning,
  keyMeanings,
  type SecretKind,
} from './secret-keys.ts';
import { markerOf, mayHoldSecret, replaceSecrets } from './secret-text.ts';

/** Where a value was replaced, and what it looked like. */
export type Redacted = { field: string; kind: SecretKind };

export type RedactionOptions = {
  /** False: nothing is replaced. */
  on: boolean;
  /** Names of further keys whose values are secrets, and of keys whose values are not looked at. */
  keys: readonly string[];
  allowed: readonly string[];
};

/** The event to store (the same object where nothing is replaced) and, in `redacted`, what was replaced. */
export type Redact = (entry: NewEntry, redacted: Redacted[]) => NewEntry;

/** The most characters of a path in an answer: a path is of the writer's making. */
const field_chars_max = 200;

/** The fields of text that are looked at. Not `event_uid`: two events with one marker for a uid would be one event. */
const textFields = [
  ['description', entryLimits.description_chars_max],
  ['user_agent', entryLimits.user_agent_chars_max],
  ['entity_id', entryLimits.identifier_chars_max],
  ['user_id', entryLimits.identifier_chars_max],
  ['session_id', entryLimits.identifier_chars_max],
] as const;

/**
 * 32 bits of a token (FNV-1a): one marker for the session ids of all users would make one visit of them. Of what is drawn at
 * random from so many, 32 bits tell nothing that helps to guess it.
 */
function digestOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

/** What a key around a value says: which kind of secret it names, and whether it is about cards. */
type Outer = { kind: SecretKind | null; isCard: boolean };

/** The smallest and the largest JSON number that may be a card number. */
const [card_min, card_max] = [3e13, Number.MAX_SAFE_INTEGER];

/** All fields that are looked at. */
export const redactedFields = [...textFields.map(([field]) => field), 'metadata'] as const;

/** Replaces nothing. */
export const noRedaction: Redact = (entry) => entry;

/** Makes the function that replaces secrets. It remembers keys: make it once in a process. */
export function createRedaction({ on, keys, allowed }: RedactionOptions = { on: true, keys: [], allowed: [] }): Redact {
  if (!on) return noRedaction;
  const meaningOf = keyMeanings(keys, allowed);
  const path: string[] = [];
  let redacted: Redacted[] = [];

  const report = (kind: SecretKind) => {
    const field = path.join('.');
    redacted.push({ kind, field: field.length > field_chars_max ? `${field.slice(0, field_chars_max)}…` : field });
  };
  const replaced = (kind: SecretKind): string => {
    report(kind);
    return markerOf(kind);
  };

  /** A value under a key, or in an array under it. */
  function replace(value: Json, key: KeyMeaning, outer: Outer): Json {
    const kind = key.kind ?? (key.describes ? null : outer.kind);
    const place = outer.isCard && !/ids?$/.test(key.last) ? 'card' : key.place;
    if (typeof value === 'string') {
      if (kind !== null && isSecretText(kind, value) && !isFolder(key, value)) return replaced(kind);
      return mayHoldSecret(value) ? replaceSecrets(value, { place, last: key.last }, meaningOf, report) : value;
    }
    if (typeof value === 'number') {
      if (kind !== null && isSecretNumber(kind, value)) return replaced(kind);
      const mayBeCard = value >= card_min && value <= card_max;
      return mayBeCard && isBareCardNumber(String(value), place) ? replaced('card number') : value;
    }
    if (typeof value !== 'object' || value === null) return value;
    const inner = { kind, isCard: place === 'card' };
    return Array.isArray(value) ? arrayOf(value, key, inner) : objectOf(value, inner);
  }

  function arrayOf(values: Json[], key: KeyMeaning, outer: Outer): Json[] {
    let copy: Json[] | null = null;
    for (let i = 0; i < values.length; i += 1) {
      path.push(String(i));
      const value = values[i] ?? null;
      const kept = replace(value, key, outer);
      path.pop();
      if (kept !== value) {
        copy ??= [...values];
        copy[i] = kept;
      }
    }
    return copy ?? values;
  }

  function objectOf(given: Metadata, outer: Outer): Metadata {
    let copy: Metadata | null = null;
    for (const key in given) {
      const meaning = meaningOf(key);
      if (meaning.allowed) continue;
      path.push(key);
      const value = given[key] ?? null;
      const kept = replace(value, meaning, outer);
      path.pop();
      if (kept !== value) {
        copy ??= { ...given };
        copy[key] = kept;
      }
    }
    return copy ?? given;
  }

  /** Markers may be longer than what they replace: an event that was within its limits stays so. */
  function metadataOf(given: Metadata): Metadata {
    const kept = objectOf(given, { kind: null, isCard: false });
    return kept === given || metadataFault(kept) === null ? kept : { redacted: '[redacted: too many secrets]' };
  }

  function textOf(entry: NewEntry, field: (typeof textFields)[number][0], chars_max: number): string | null {
    const text = entry[field];
    if (text === null || !mayHoldSecret(text) || meaningOf(field).allowed) return text;
    // The type of an entity says what its id is.
    const place =
      field === 'description'
        ? null
        : meaningOf(entry.entity_type).place === 'card' && field === 'entity_id'
          ? 'card'
          : 'identifier';
    let first: SecretKind | null = null;
    const kept = replaceSecrets(text, { place, last: '' }, meaningOf, (kind) => {
      first ??= kind;
      report(kind);
    });
    if (first === null) return kept;
    if (field.endsWith('_id') && kept === markerOf(first) && (first === 'token' || first === 'secret'))
      return markerOf(first, digestOf(text));
    return isLonger(kept, chars_max) ? markerOf(first) : kept;
  }

  return (entry, found) => {
    redacted = found;
    path.length = 0;
    let copy: NewEntry | null = null;
    for (const [field, chars_max] of textFields) {
      path[0] = field;
      const kept = textOf(entry, field, chars_max);
      if (kept !== entry[field]) copy = { ...(copy ?? entry), [field]: kept };
    }
    path[0] = 'metadata';
    const kept = entry.metadata && !meaningOf('metadata').allowed ? metadataOf(entry.metadata) : entry.metadata;
    path.length = 0;
    return kept === entry.metadata ? (copy ?? entry) : { ...(copy ?? entry), metadata: kept };
  };
}

/** What was replaced in the events of a request, by the index of the event. */
export type RedactedEvents = Map<number, Redacted[]>;

/** Replaces the secrets of events in their array, and counts them in `counts`. */
export function redactAll(redact: Redact, entries: NewEntry[], counts: Record<SecretKind, number>): RedactedEvents {
  const events: RedactedEvents = new Map();
  let redacted: Redacted[] = [];
  for (const [i, entry] of entries.entries()) {
    const kept = redact(entry, redacted);
    if (redacted.length === 0) continue;
    entries[i] = kept;
    events.set(i, redacted);
    for (const { kind } of redacted) counts[kind] += 1;
    redacted = [];
  }
  return events;
}
