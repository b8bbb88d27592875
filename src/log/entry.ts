/** An event: its fields, limits and checks, and the parser for points in time. */
import * as v from 'valibot';
import type { Fault } from '../http/problem.ts';
import { parseInstant } from './instant.ts';

/** The `service` of what the product itself records. Rules and models do not read it, so that nothing loops. */
export const own_service = 'edgetrail';

/** Limits of one event. Text is counted in characters (code points), as PostgreSQL counts varchar(n). */
export const entryLimits = {
  label_chars_max: 255,
  service_chars_max: 100,
  trace_id_chars_max: 100,
  identifier_chars_max: 255,
  description_chars_max: 10_000,
  user_agent_chars_max: 2_000,
  metadata_chars_max: 65_536,
  metadata_depth_max: 20,
  timestamp_ahead_ms_max: 24 * 60 * 60 * 1000,
} as const;

/** Values that the viewer suggests. Any other text within the limit is equally valid. */
export const suggested = {
  event_type: ['CREATE', 'UPDATE', 'DELETE', 'PAYMENT'],
  entity_type: ['order', 'customer', 'product', 'shipment', 'payment'],
} as const;

/** Why PostgreSQL (and UTF-8) cannot hold this text, or null when it can. */
export function textFault(text: string): string | null {
  if (text.includes('\u0000')) return 'must not contain a NUL character';
  if (!text.isWellFormed()) return 'must not contain half of a surrogate pair';
  return null;
}

/** PGlite drops a leading byte order mark when it reads: the text would not come back as it was sent. */
const byteOrderMarkFault = (text: string) =>
  text.startsWith('\ufeff') ? 'must not begin with a byte order mark' : null;

/** Whether a text, of any length, can be stored and comes back as it was sent. */
export const isStorable = (text: string): boolean => (textFault(text) ?? byteOrderMarkFault(text)) === null;

/** Whether a text has more than so many characters (code points). */
export const isLonger = (text: string, chars_max: number): boolean =>
  text.length > chars_max && [...text].length > chars_max;

/** Text that can be stored. */
const text = (chars_max: number) =>
  v.pipe(
    v.string('must be text'),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      const fault = textFault(dataset.value) ?? byteOrderMarkFault(dataset.value);
      if (fault) addIssue({ message: fault });
      else if (isLonger(dataset.value, chars_max))
        addIssue({ message: `must be at most ${chars_max} characters long` });
    }),
  );

const optional = <S extends v.GenericSchema<unknown, string | null>>(schema: S) => v.optional(v.nullable(schema), null);

/** Services send "" for "no value": it is stored as null. */
const emptyToNull = (value: string): string | null => (value === '' ? null : value);

const optionalText = (chars_max: number) => optional(v.pipe(text(chars_max), v.transform(emptyToNull)));

const wantsIdentifier = 'must be text or a whole number';

/** Many services send identifiers as JSON numbers: a whole number is stored as its digits. */
const identifier = (chars_max: number) =>
  optional(
    v.pipe(
      v.union([v.string(), v.pipe(v.number(), v.safeInteger(wantsIdentifier))], wantsIdentifier),
      v.transform(String),
      text(chars_max),
      v.transform(emptyToNull),
    ),
  );

const label = v.pipe(
  text(entryLimits.label_chars_max),
  v.check((value) => value.trim() !== '', 'must not be blank'),
);

const instant = optional(
  v.pipe(
    v.string('must be an ISO 8601 date-time as text'),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      if (dataset.value === '') return null;
      const parsed = parseInstant(dataset.value);
      if (!parsed) {
        addIssue({ message: 'must be an ISO 8601 date-time, such as 2026-03-01T12:30:00Z' });
        return NEVER;
      }
      if (parsed.ms > Date.now() + entryLimits.timestamp_ahead_ms_max) {
        addIssue({ message: 'must not be more than 24 hours in the future: the log keeps what happened' });
        return NEVER;
      }
      return new Date(parsed.ms).toISOString();
    }),
  ),
);

const address = optional(
  v.pipe(
    v.string('must be text'),
    v.check(
      (value) => value === '' || v.is(ipv4, value) || isIpv6(value),
      'must be an IPv4 or IPv6 address without mask, port or zone',
    ),
    v.transform(emptyToNull),
  ),
);
const ipv4 = v.pipe(v.string(), v.ipv4());
/** RFC 4291 §2.2, with all three forms: valibot's pattern lacks most addresses that end in an IPv4 address. */
const isIpv6 = (value: string) => /^[\da-f:.]+$/i.test(value) && URL.canParse(`http://[${value}]/`);

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Metadata = { [key: string]: Json };

/** The most characters that JSON writes for one of a text (`\u001f`), around a text or value, and for any other scalar. */
const [escaped_chars_max, brackets_chars, scalar_chars_max] = [6, 4, 32];

/**
 * Why jsonb or a JSON reader would refuse or silently change this metadata, or null when it can be stored unchanged.
 * Not recursive: a hostile depth must end in a refusal and not in a stack overflow.
 */
export function metadataFault(root: unknown): string | null {
  if (typeof root !== 'object' || root === null || Array.isArray(root)) return 'must be a JSON object';
  const open: { value: unknown; depth: number; path: string }[] = [{ value: root, depth: 1, path: '' }];
  // jsonb has no exponents: it stores and prints 1e-300 with 300 zeros.
  let written_out = 0;
  // An upper bound of the characters of its JSON: most metadata is far below the limit, and is not written to be measured.
  let chars_bound = 0;
  for (let next = open.pop(); next; next = open.pop()) {
    const { value, depth, path } = next;
    if (typeof value === 'number') written_out += Number(/e-(\d+)$/.exec(String(value))?.[1] ?? 0);
    chars_bound += typeof value === 'string' ? escaped_chars_max * value.length + brackets_chars : scalar_chars_max;
    const fault = scalarFault(value);
    if (fault) return path ? `${path}: ${fault}` : fault;
    if (typeof value !== 'object' || value === null) continue;
    if (depth > entryLimits.metadata_depth_max) return `must be at most ${entryLimits.metadata_depth_max} levels deep`;
    for (const [key, child] of Object.entries(value)) {
      const keyFault = textFault(key);
      if (keyFault) return `a key ${keyFault}`;
      chars_bound += escaped_chars_max * key.length + brackets_chars;
      open.push({ value: child, depth: depth + 1, path: path ? `${path}.${key}` : key });
    }
  }
  const { metadata_chars_max } = entryLimits;
  if (chars_bound <= metadata_chars_max - written_out) return null;
  return isLonger(JSON.stringify(root), metadata_chars_max - written_out)
    ? `must be at most ${metadata_chars_max} characters of JSON`
    : null;
}

function scalarFault(value: unknown): string | null {
  if (typeof value === 'string') return textFault(value);
  if (typeof value !== 'number') return null;
  if (!Number.isFinite(value)) return 'a number is out of range';
  // JSON.parse has already rounded 9007199254740993 to …992: the log must not store another number than was sent.
  if (Number.isInteger(value) && !Number.isSafeInteger(value))
    return 'a whole number beyond 2^53 cannot be kept exactly: send it as text';
  return null;
}

const metadata = v.optional(
  v.nullable(
    v.pipe(
      v.custom<Metadata>((value) => typeof value === 'object' && value !== null, 'must be a JSON object'),
      v.rawCheck(({ dataset, addIssue }) => {
        if (!dataset.typed) return;
        const fault = metadataFault(dataset.value);
        if (fault) addIssue({ message: fault });
      }),
    ),
  ),
  null,
);

/** One event as a writer may send it. Unknown keys are refused: a misspelt field must not be dropped silently. */
export const NewEntry = v.strictObject(
  {
    event_type: label,
    entity_type: label,
    entity_id: identifier(entryLimits.identifier_chars_max),
    user_id: identifier(entryLimits.identifier_chars_max),
    description: optionalText(entryLimits.description_chars_max),
    metadata,
    ip_address: address,
    user_agent: optionalText(entryLimits.user_agent_chars_max),
    timestamp: instant,
    service: optionalText(entryLimits.service_chars_max),
    trace_id: identifier(entryLimits.trace_id_chars_max),
    session_id: identifier(entryLimits.identifier_chars_max),
    event_uid: identifier(entryLimits.identifier_chars_max),
    span_id: identifier(entryLimits.trace_id_chars_max),
    parent_span_id: identifier(entryLimits.trace_id_chars_max),
    caused_by: identifier(entryLimits.identifier_chars_max),
  },
  (issue) =>
    issue.expected === 'never'
      ? 'is not a field of an event'
      : issue.received === 'undefined'
        ? 'is required'
        : 'must be a JSON object',
);

/** An event as the SDK's caller writes it. `traceparent` (W3C Trace Context) gives it a trace id, unless it has one. */
export type EntryInput = v.InferInput<typeof NewEntry> & { traceparent?: string | null | undefined };
/** The same event checked and filled in: every key present, blanks as null, the time in UTC. */
export type NewEntry = v.InferOutput<typeof NewEntry>;

/**
 * Checks one event. Returns the event, or every fault found in it with the field it is about
 * (an empty field when the item as a whole is wrong).
 */
export function readEntry(item: unknown): { entry: NewEntry } | { faults: Fault[] } {
  // valibot takes an array for an object without keys.
  if (Array.isArray(item)) return { faults: [{ field: '', reason: 'must be a JSON object' }] };
  const result = v.safeParse(NewEntry, item);
  if (result.success) return { entry: result.output };
  const faults = result.issues.map((issue) => ({
    field: (issue.path ?? []).map((step) => String(step.key)).join('.'),
    reason: issue.message,
  }));
  return { faults };
}
