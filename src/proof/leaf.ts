/** From an event to its leaf, version 1: salted commitments to the fields that can be erased, one digest, one leaf. */
import type { Entry } from '../log/schema.ts';
import { concat, type Sha256, utf8 } from './bytes.ts';
import { canonical } from './canonical.ts';

/** What can never be erased, as one object in canonical JSON: its keys in their order. */
export const openFields = ['created_at', 'entity_type', 'event_type', 'id', 'service', 'timestamp'] as const;

/** What can be erased, in the order of their commitments. New columns of an event go to the end, in a new version. */
export const erasableFields = [
  'entity_id',
  'user_id',
  'description',
  'metadata',
  'ip_address',
  'user_agent',
  'trace_id',
  'session_id',
  'event_uid',
  'span_id',
  'parent_span_id',
  'caused_by',
] as const;

export type ErasableField = (typeof erasableFields)[number];

/**
 * The secrets behind an event's commitments: a key from which the salt of each field is derived, or, when fields were
 * erased, the salts of those that are left and the commitments of those that are gone.
 */
export type EventSecrets =
  | { key: Uint8Array }
  | { salts: { [field in ErasableField]?: Uint8Array }; erased: { [field in ErasableField]?: Uint8Array } };

/** The event as GET /api/logs/:id shows it. */
export type ProvenEntry = Pick<Entry, (typeof openFields)[number] | ErasableField | 'metadata_text' | 'unreadable'>;

const domain = utf8('edgetrail-event/1');
const names = Object.fromEntries(erasableFields.map((field) => [field, utf8(field)])) as Record<
  ErasableField,
  Uint8Array
>;
const absent = new Uint8Array(32);

/** The salt of a field of the event with this key. */
export const saltOf = (sha256: Sha256, key: Uint8Array, field: ErasableField): Uint8Array =>
  sha256(concat(key, names[field]));

/** Where a salt and a text are put together: a hash for each field of each event would else be two arrays for each. */
let scratch = new Uint8Array(4_096);
const encoder = new TextEncoder();

function hashOf(sha256: Sha256, salt: Uint8Array, text: string): Uint8Array {
  // UTF-8 has at most three bytes for each unit of UTF-16.
  const bytes_max = salt.length + 3 * text.length;
  if (bytes_max > scratch.length) scratch = new Uint8Array(2 * bytes_max);
  scratch.set(salt);
  const { written } = encoder.encodeInto(text, scratch.subarray(salt.length));
  return sha256(scratch.subarray(0, salt.length + written));
}

/** The salt of a field, from an event's secrets. */
export const saltIn = (sha256: Sha256, secrets: EventSecrets, field: ErasableField): Uint8Array | undefined =>
  'key' in secrets ? saltOf(sha256, secrets.key, field) : secrets.salts[field];

/**
 * The commitment to a value: 32 zero bytes when there is none. Null when there is a value, and no salt, or a value that is
 * said to be erased: whoever changed it would else only have to say so.
 */
export function commitmentOf(
  sha256: Sha256,
  entry: ProvenEntry,
  field: ErasableField,
  secrets: EventSecrets,
): Uint8Array | null {
  const text = textOf(entry, field);
  const erased = 'erased' in secrets ? secrets.erased[field] : undefined;
  if (erased) return text === null ? erased : null;
  if (text === null) return absent;
  const salt = saltIn(sha256, secrets, field);
  return salt ? hashOf(sha256, salt, text) : null;
}

/**
 * What is committed to. Metadata that cannot be read as JSON is committed to as its text, behind letters with which no
 * canonical JSON begins.
 */
export function textOf(entry: ProvenEntry, field: ErasableField): string | null {
  if (field === 'metadata' && entry.metadata_text !== undefined) return `text:${entry.metadata_text}`;
  const value = entry[field];
  return value === null ? null : canonical(value);
}

const allFields = [...openFields, ...erasableFields] as const;
const knownFields = new Set<string>([...allFields, 'metadata_text', 'unreadable']);

/**
 * The digest of an event, 32 bytes: the entry of the tree at index id − 1. Null when it has something that no digest is
 * about: a value without a salt, another field, or metadata both as a value and as text.
 */
export function eventDigest(sha256: Sha256, entry: ProvenEntry, secrets: EventSecrets): Uint8Array | null {
  if (entry.metadata_text !== undefined && entry.metadata !== null) return null;
  for (const name in entry) if (!knownFields.has(name)) return null;
  for (const name of allFields) if (entry[name] === undefined) return null;
  const open = openFields.map((field) => `"${field}":${canonical(entry[field])}`).join(',');
  const parts = [domain, utf8(`{${open}}`)];
  for (const field of erasableFields) {
    const commitment = commitmentOf(sha256, entry, field, secrets);
    if (!commitment) return null;
    parts.push(commitment);
  }
  return sha256(concat(...parts));
}
