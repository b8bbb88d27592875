/** Checks an event in a fraction of the time of readEntry, which it agrees with, where that is possible. */
import * as v from 'valibot';
import { entryLimits, isStorable, type Metadata, metadataFault, NewEntry } from './entry.ts';
import { earliest_ms } from './instant.ts';

const fields = new Set(Object.keys(NewEntry.entries));

/**
 * The event as readEntry returns it, or null when that cannot be said so quickly: then readEntry decides, and says what
 * is wrong. The schema costs more than all else that is done with a small event.
 */
export function quickEntry(item: unknown): NewEntry | null {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return null;
  for (const key in item) if (!fields.has(key)) return null;
  const { label_chars_max, identifier_chars_max, trace_id_chars_max, service_chars_max } = entryLimits;
  const given = item as Record<string, unknown>;
  const entry = {
    event_type: text(given.event_type, label_chars_max),
    entity_type: text(given.entity_type, label_chars_max),
    entity_id: identifier(given.entity_id, identifier_chars_max),
    user_id: identifier(given.user_id, identifier_chars_max),
    description: text(given.description, entryLimits.description_chars_max),
    metadata: metadata(given.metadata),
    ip_address: address(given.ip_address),
    user_agent: text(given.user_agent, entryLimits.user_agent_chars_max),
    timestamp: instant(given.timestamp),
    service: text(given.service, service_chars_max),
    trace_id: identifier(given.trace_id, trace_id_chars_max),
    session_id: identifier(given.session_id, identifier_chars_max),
    event_uid: identifier(given.event_uid, identifier_chars_max),
    span_id: identifier(given.span_id, trace_id_chars_max),
    parent_span_id: identifier(given.parent_span_id, trace_id_chars_max),
    caused_by: identifier(given.caused_by, identifier_chars_max),
  };
  if (isBlank(entry.event_type) || isBlank(entry.entity_type)) return null;
  for (const key in entry) if (entry[key as keyof NewEntry] === undefined) return null;
  return entry as NewEntry;
}

// Each of these returns undefined for a value that readEntry must look at.

const isAbsent = (value: unknown) => value === undefined || value === null || value === '';
const isBlank = (label: string | null | undefined) => typeof label !== 'string' || label.trim() === '';

function text(value: unknown, chars_max: number): string | null | undefined {
  if (isAbsent(value)) return null;
  // A text has at most as many characters as UTF-16 code units.
  return typeof value === 'string' && value.length <= chars_max && isStorable(value) ? value : undefined;
}

const identifier = (value: unknown, chars_max: number): string | null | undefined =>
  text(Number.isSafeInteger(value) ? String(value) : value, chars_max);

function metadata(value: unknown): Metadata | null | undefined {
  if (value === undefined || value === null) return null;
  return metadataFault(value) === null ? (value as Metadata) : undefined;
}

function address(value: unknown): string | null | undefined {
  if (isAbsent(value)) return null;
  return typeof value === 'string' && v.IPV4_REGEX.test(value) ? value : undefined;
}

/** The form in which times are stored, such as 2026-03-01T12:30:00.000Z. */
function instant(value: unknown): string | null | undefined {
  if (isAbsent(value)) return null;
  if (typeof value !== 'string' || value.length !== stored_chars) return undefined;
  const ms = Date.parse(value);
  const isInRange = ms >= earliest_ms && ms <= Date.now() + entryLimits.timestamp_ahead_ms_max;
  return isInRange && new Date(ms).toISOString() === value ? value : undefined;
}
const stored_chars = 24;
