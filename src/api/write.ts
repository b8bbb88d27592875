/** POST /api/logs: stores one event, an array of events, or NDJSON. */
import type { Context } from 'hono';
import { type Fault, Problem } from '../http/problem.ts';
import { rateLimitHeaders, tooMany } from '../http/rate-limit.ts';
import { readText } from '../http/request.ts';
import { securityHeaders } from '../http/security-headers.ts';
import type { Appended } from '../log/append-queue.ts';
import { type NewEntry, readEntry } from '../log/entry.ts';
import { type JsonTextFault, jsonTextFaults } from '../log/json-text.ts';
import { quickEntry } from '../log/quick-entry.ts';
import type { Redacted, RedactedEvents } from '../log/redaction.ts';
import { type App, type Env, isTrustedOrigin, type Parts, requireRight } from '../parts.ts';
import { traceReader } from './traceparent.ts';

export const requestLimits = {
  events_max: 1_000,
  /** The response lists at most this many faults of a batch. */
  faults_max: 100,
  /** The response names at most this many fields of an event in which secrets were replaced. */
  redacted_fields_max: 50,
} as const;

const writePath = '/api/logs';
const jsonTypes = ['application/json'];
const ndjsonTypes = ['application/x-ndjson', 'application/ndjson', 'application/jsonl'];

export function writeRoute(app: App, parts: Parts): void {
  const { store, tail, meter } = parts;
  app.post(writePath, requireRight(parts, 'write'), async (c) => {
    if (!isTrustedOrigin(c, parts.limits))
      throw new Problem(403, 'Events are not accepted from the pages of other sites.');
    const paced = pacerOf(c, parts.writes);
    // Before the body is read: whoever sends too much is not worth its parsing.
    paced.demand();
    const { items, single, faults } = await readItems(c, parts);
    paced.take(items.length);
    const ofTrace = traceReader(c, () => {
      meter.traceparents_ignored += 1;
    });
    const entries = checkItems(items.map(ofTrace), faults);
    const redacted = store.redact(entries);
    const appended = await store.append(entries);
    tail.notifyAppended(Math.max(...appended.map(({ entry }) => entry.id)));
    const status = appended.every(({ duplicate }) => duplicate) ? 200 : 201;
    const [first] = appended;
    if (!first) throw new Error('an append of events answered with none');
    if (!single) return respond(c, parts.limits, answerMany(appended, redacted), status, paced.headers());
    return respond(c, parts.limits, answerOne(first, redacted.get(0)), status, {
      location: `/api/logs/${first.entry.id}`,
      ...paced.headers(),
    });
  });
}

/** What the limit of writes says of a request's principal. `take` throws a 429 unless all of a batch's events fit. */
function pacerOf(c: Context<Env>, writes: Parts['writes']) {
  if (!writes) return { demand: () => {}, take: () => {}, headers: () => ({}) };
  const { kind, name } = c.get('principal');
  // A token and a user may have the same name.
  const key = `${kind} ${name}`;
  const refuse = (n: number) => {
    const { quota } = writes.policy;
    throw tooMany(`At most ${quota} events a minute are accepted from ${name}.`, [writes.standing(key, n)], {
      stored: 'nothing',
    });
  };
  return {
    demand: () => {
      if (writes.standing(key).left === 0) refuse(1);
    },
    take: (n: number) => {
      if (!writes.take(key, n)) refuse(n);
    },
    headers: () => rateLimitHeaders([writes.standing(key)]),
  };
}

/** The items of a body, unchecked, and what parsing its text has changed. */
type Items = { items: unknown[]; single: boolean; faults: Fault[] };

/** Reads a body as JSON or NDJSON, which may be compressed. Throws 400, 413 or 415. */
async function readItems(c: Context<Env>, { limits, gunzip }: Parts): Promise<Items> {
  const type = contentType(c);
  const text = await readText(c, limits.BODY_BYTES_MAX, isCompressed(c) ? gunzip : undefined);
  const { items, single, faults } = ndjsonTypes.includes(type) ? parseLines(text) : parseBody(text);
  if (items.length === 0) throw new Problem(422, 'There is no event in the body.');
  if (items.length > requestLimits.events_max)
    throw new Problem(
      413,
      `A request may carry at most ${requestLimits.events_max} events; this one has ${items.length}.`,
    );
  return { items, single, faults };
}

function contentType(c: Context<Env>): string {
  const [type = '', ...parameters] = (c.req.header('content-type') ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  const charset =
    parameters.find((parameter) => parameter.startsWith('charset='))?.replace(/^charset="?|"$/g, '') ?? 'utf-8';
  // A form can send JSON as text/plain without a preflight: any site could then write with a visitor's credentials.
  if (![...jsonTypes, ...ndjsonTypes].includes(type) || !/^(utf-?8|us-ascii)$/.test(charset))
    throw new Problem(415, 'Send application/json or application/x-ndjson in UTF-8.', {
      headers: { 'accept-post': [...jsonTypes, ...ndjsonTypes].join(', ') },
    });
  return type;
}

/** Whether the body is gzip. Other codings, and two of them, are a 415 that names ours (RFC 9110 §12.5.3). */
function isCompressed(c: Context<Env>): boolean {
  const coding = (c.req.header('content-encoding') ?? 'identity').trim().toLowerCase();
  if (coding === 'identity') return false;
  // Two names of one coding (RFC 9110 §8.4.1.3).
  if (coding === 'gzip' || coding === 'x-gzip') return true;
  throw new Problem(
    415,
    'Send application/json or application/x-ndjson compressed with gzip once, or not compressed.',
    {
      headers: { 'accept-encoding': 'gzip' },
    },
  );
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem(400, `${what} is not JSON.`);
  }
}

function parseBody(text: string): Items {
  const body = parseJson(text, 'The body');
  const textFaults = jsonTextFaults(text, requestLimits.faults_max);
  if (!Array.isArray(body))
    return { items: [body], single: true, faults: textFaults.map((fault) => faultOf(0, fault)) };
  const faults = textFaults.map(({ path: [index, ...path], reason }) => faultOf(Number(index), { path, reason }));
  return { items: body, single: false, faults };
}

function parseLines(text: string): Items {
  const items: unknown[] = [];
  const faults: Fault[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const item = parseJson(line, `Line ${i + 1} of the body`);
    faults.push(...jsonTextFaults(line).map((fault) => faultOf(items.length, fault)));
    items.push(item);
  }
  return { items, single: false, faults };
}

/** A fault of the text as one of an event: the first key of its path is the field. */
const faultOf = (index: number, { path: [field = '', ...steps], reason }: JsonTextFault): Fault => ({
  index,
  field: String(field),
  reason: steps.length === 0 ? reason : `${steps.join('.')}: ${reason}`,
});

/**
 * Every item as an event; throws a 422 that names the index, field and reason of each fault. `textFaults` come first: a
 * field whose text was changed by parsing needs no second fault.
 */
function checkItems(items: unknown[], textFaults: Fault[]): NewEntry[] {
  const entries: NewEntry[] = [];
  const faults = textFaults.slice(0, requestLimits.faults_max);
  for (const [index, item] of items.entries()) {
    if (faults.length >= requestLimits.faults_max) break;
    const quick = quickEntry(item);
    const read = quick ? { entry: quick } : readEntry(item);
    if ('entry' in read) entries.push(read.entry);
    else
      faults.push(
        ...read.faults
          .filter(({ field }) => !textFaults.some((fault) => fault.index === index && fault.field === field))
          .map((fault) => ({ index, ...fault })),
      );
  }
  faults.sort((a, b) => (a.index ?? 0) - (b.index ?? 0));
  const [first] = faults;
  if (first) {
    const more = faults.length > 1 ? ` and ${faults.length - 1} more` : '';
    throw new Problem(
      422,
      `Nothing was stored: event ${first.index}, ${first.field || 'as a whole'}: ${first.reason}${more}.`,
      { errors: faults },
    );
  }
  return entries;
}

/** Whether this route answers a request with all headers, and the app need not prepare them: see `respond`. */
export const setsHeadersItself = ({ method, path }: Context['req']) => method === 'POST' && path === writePath;

/**
 * The response to a write, with plain headers: a Headers object and its copies cost a few per cent of a small write. Where
 * the context has headers of its own, for pages of other origins, they are merged.
 */
function respond(
  c: Context<Env>,
  { CORS_ORIGINS }: Parts['limits'],
  answer: object,
  status: 200 | 201,
  more: Record<string, string>,
) {
  const body = JSON.stringify(answer);
  const headers = { ...securityHeaders, 'content-type': 'application/json', ...more };
  return CORS_ORIGINS.length > 0 ? c.body(body, status, headers) : new Response(body, { status, headers });
}

const answerOne = ({ entry, duplicate }: Appended, redacted?: Redacted[]): object =>
  duplicate || redacted
    ? { ...entry, ...(duplicate && { duplicate }), ...(redacted && { redacted: fieldsOf(redacted) }) }
    : entry;

function answerMany(appended: Appended[], redacted: RedactedEvents): object {
  const duplicates = appended.flatMap(({ duplicate }, index) => (duplicate ? [index] : []));
  const logs = appended.map(({ entry }) => entry);
  return {
    logs,
    count: logs.length,
    ...(duplicates.length > 0 && { duplicates }),
    ...(redacted.size > 0 && { redacted: [...redacted].map(([index, found]) => ({ index, fields: fieldsOf(found) })) }),
  };
}

/** The fields of an event in which something was replaced, each once. */
function fieldsOf(redacted: Redacted[]): string[] {
  const fields = [...new Set(redacted.map(({ field }) => field))];
  const { redacted_fields_max } = requestLimits;
  const n_more = fields.length - redacted_fields_max;
  return n_more > 0 ? [...fields.slice(0, redacted_fields_max), `and ${n_more} more`] : fields;
}
