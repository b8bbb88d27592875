/** From an event to its leaf, version 1: salted commitments to the fields that can be erased, one digest, one leaf. */
import type { Json } from '../log/entry.ts';
import type { Entry } from '../log/schema.ts';
import { concat, type Sha256, utf8 } from './bytes.ts';
import { canonical } from './canonical.ts';

/** What can never be erased, as one object in canonical JSON. */
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
export type ProvenEntry = Pick<Entry, (typeof openFields)[number] | ErasableField | 'metadata_text'>;

const domain = utf8('edgetrail-event/1');
const names = Object.fromEntries(erasableFields.map((field) => [field, utf8(field)])) as Record<
  ErasableField,
  Uint8Array
>;
const absent = new Uint8Array(32);

/** The salt of a field of the event with this key. */
export const saltOf = (sha256: Sha256, key: Uint8Array, field: ErasableField): Uint8Array =>
  sha256(concat(key, names[field]));

/** The commitment to a value: 32 zero bytes when there is none. */
export function commitmentOf(sha256: Sha256, entry: ProvenEntry, field: ErasableField, salt: Uint8Array): Uint8Array {
  const bytes = bytesOf(entry, field);
  return bytes === null ? absent : sha256(concat(salt, bytes));
}

/** Whether the event has a value of this field. */
export const hasValue = (entry: ProvenEntry, field: ErasableField): boolean => bytesOf(entry, field) !== null;

/**
 * What is committed to. Metadata that cannot be read as JSON is committed to as its text, behind letters with which no
 * canonical JSON begins.
 */
function bytesOf(entry: ProvenEntry, field: ErasableField): Uint8Array | null {
  if (field === 'metadata' && entry.metadata_text !== undefined) return utf8(`text:${entry.metadata_text}`);
  const value = entry[field];
  return value === null ? null : utf8(canonical(value));
}

/** The digest of an event, 32 bytes: the entry of the tree at index id − 1. Throws when a salt is missing. */
export function eventDigest(sha256: Sha256, entry: ProvenEntry, secrets: EventSecrets): Uint8Array {
  const open: { [field: string]: Json } = {};
  for (const field of openFields) open[field] = entry[field];
  const commitments = erasableFields.map((field) => {
    if ('key' in secrets)
      return hasValue(entry, field) ? commitmentOf(sha256, entry, field, saltOf(sha256, secrets.key, field)) : absent;
    const gone = secrets.erased[field];
    if (gone) return gone;
    if (!hasValue(entry, field)) return absent;
    const salt = secrets.salts[field];
    if (!salt) throw new Error(`the salt of ${field} is missing`);
    return commitmentOf(sha256, entry, field, salt);
  });
  return sha256(concat(domain, utf8(canonical(open)), ...commitments));
}
