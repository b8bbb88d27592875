/** The SDK: log(event), log.query(filter) and log.follow(filter) over HTTP. Web standards only; copy this file anywhere. */

import type { Fault } from './http/problem.ts';
import type { EntryInput } from './log/entry.ts';
import type { Entry } from './log/schema.ts';

type Value = string | number | boolean;
/** A filter: a list means any of its values, `key!` means none of them, `metadata.a.b` is a path. */
export type Query = Record<string, Value | readonly Value[] | null | undefined>;
export type QueryResult = {
  logs: Entry[];
  total: number | null;
  total_is_exact: boolean;
  limit: number;
  offset: number;
  /** The time up to which the log was searched, where the page is not full because the search took too long. */
  searched_to?: string;
};
/**
 * The stored entries in the order of the request, the indexes of those that were already stored, and the fields in which
 * the service has replaced what looks like a secret, by the index of their event.
 */
export type AppendResult = {
  logs: Entry[];
  count: number;
  duplicates: number[];
  redacted?: { index: number; fields: string[] }[];
};

export type ClientOptions = {
  /** Where the service is, such as https://log.example.com. */
  url: string;
  token?: string | undefined;
  user?: string | undefined;
  password?: string | undefined;
  fetch?: typeof fetch;
  /**
   * False: the client does not generate an event_uid for events that have none. A batch with such an event is then
   * retried only when the service says that it stored nothing, because a second copy could not be recognised.
   */
  uid?: boolean;
};

export const clientLimits = {
  tries_max: 4,
  request_ms_max: 60_000,
  backoff_ms_min: 500,
  backoff_ms_max: 30_000,
  /** The window of the service's own limits: sooner, a batch that waits for a whole one would be refused again. */
  retry_after_ms_max: 60_000,
  /** Three heartbeats: the service sends one every 15 s. */
  silence_ms_max: 45_000,
} as const;

type ProblemBody = { detail?: string; errors?: Fault[]; stored?: 'nothing' | 'unknown' };

/** An error response of the service: its status, its detail, and which field of which event is at fault (RFC 9457). */
export class LogError extends Error {
  override name = 'LogError';
  readonly status: number;
  readonly detail: string;
  readonly errors: Fault[];
  readonly retry_after_ms: number;
  /** What a failed write stored; undefined when the response does not say. */
  readonly stored: 'nothing' | 'unknown' | undefined;
  constructor(status: number, detail: string, { errors = [], stored }: ProblemBody = {}, retry_after_ms = 0) {
    super(`${status}: ${detail}`);
    this.status = status;
    this.detail = detail;
    this.errors = errors;
    this.retry_after_ms = retry_after_ms;
    this.stored = stored;
  }
}

export type Log = {
  /** Stores one event and returns it as stored. Throws a LogError when it is refused, and fetch's own error when the service cannot be reached. */
  (event: EntryInput): Promise<Entry>;
  /** Stores up to 1,000 events, all or none. */
  (events: readonly EntryInput[]): Promise<Entry[]>;
  /** Stores up to 1,000 events, all or none, and also returns which of them were already stored. */
  append(events: readonly EntryInput[]): Promise<AppendResult>;
  /** One page of the log, newest first; takes `limit`, `offset`, `before` and `after` beside the filter. */
  query(query?: Query): Promise<QueryResult>;
  /**
   * Every matching entry, once and in id order, without end: from after the id `after` (0: the whole log), else from
   * now on. Reconnects after disconnects and outages. Ends when the signal fires; throws a LogError that no retry can
   * change (400, 401, 403).
   */
  follow(query?: Query, options?: { after?: number | undefined; signal?: AbortSignal }): AsyncGenerator<Entry, void>;
};

/** Creates a client of one service, with a bearer token, a user and password, or (in the service's own pages) neither. */
export function createClient(options: ClientOptions): Log {
  const send = options.fetch ?? ((...args: Parameters<typeof fetch>) => globalThis.fetch(...args));
  const base = new URL(options.url.endsWith('/') ? options.url : `${options.url}/`);
  const authorization = authorizationOf(options);
  const headers = (more: Record<string, string>) => ({ ...(authorization && { authorization }), ...more });
  const at = (path: string, query: Query = {}) => new URL(`${path}?${writeQuery(query)}`, base);

  /** Sends a request and returns the JSON of its response. Retries while `isRetryable` allows it. */
  async function request<T>(url: URL, init: RequestInit, isRetryable: (error: unknown) => boolean): Promise<T> {
    for (let failures = 1; ; failures++) {
      try {
        const response = await send(url, { ...init, signal: AbortSignal.timeout(clientLimits.request_ms_max) });
        if (!response.ok) throw await readError(response);
        return (await response.json()) as T;
      } catch (error) {
        if (failures >= clientLimits.tries_max || !isRetryable(error)) throw error;
        await pause(retryDelay(error, failures));
      }
    }
  }

  async function append(events: readonly EntryInput[]): Promise<AppendResult> {
    if (events.length === 0) return { logs: [], count: 0, duplicates: [] };
    refuseChanged(events);
    const withUids =
      options.uid === false ? events : events.map((event) => ({ ...event, event_uid: uidOf(event) ?? newUid() }));
    // Serialized once: every attempt carries the same uids, so that the service recognises a repeated event.
    const init = {
      method: 'POST',
      headers: headers({ 'content-type': 'application/json' }),
      body: JSON.stringify(withUids),
    };
    const isRetryable = withUids.every((event) => uidOf(event) !== null) ? isTransient : hasStoredNothing;
    const response = await request<Omit<AppendResult, 'duplicates'> & Partial<AppendResult>>(
      at('api/logs'),
      init,
      isRetryable,
    );
    return { ...response, duplicates: response.duplicates ?? [] };
  }

  function log(event: EntryInput): Promise<Entry>;
  function log(events: readonly EntryInput[]): Promise<Entry[]>;
  async function log(given: EntryInput | readonly EntryInput[]): Promise<Entry | Entry[]> {
    if (isList(given)) return (await append(given)).logs;
    const [entry] = (await append([given])).logs;
    if (!entry) throw new LogError(200, 'the response to an event contains no entry');
    return entry;
  }

  const connect = (query: Query, cursor: string | null, signal: AbortSignal) =>
    send(at('api/logs/stream', query), {
      headers: headers({ accept: 'text/event-stream', ...(cursor !== null && { 'last-event-id': cursor }) }),
      signal,
    });

  return Object.assign(log, {
    append,
    query: (query?: Query) => request<QueryResult>(at('api/logs', query), { headers: headers({}) }, isTransient),
    follow: (query: Query = {}, { after, signal }: { after?: number | undefined; signal?: AbortSignal } = {}) =>
      follow((cursor, connection) => connect({ ...query, after }, cursor, connection), signal),
  });
}

function authorizationOf({ url, token, user, password }: ClientOptions): string | null {
  if (new URL(url).username) throw new TypeError('url: give the user and password as options, not in the URL');
  if (token) return `Bearer ${token}`;
  if (!user) return null;
  return `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(`${user}:${password ?? ''}`)))}`;
}

function writeQuery(query: Query): URLSearchParams {
  const written = new URLSearchParams();
  for (const [key, asked] of Object.entries(query)) {
    const values = isList(asked) ? asked : [asked];
    // Leaving the key out instead would match everything.
    if (values.length === 0) throw new TypeError(`${key}: an empty list matches nothing; leave it out to get all`);
    for (const value of values) if (value !== null && value !== undefined) written.append(key, String(value));
  }
  return written;
}

/** Array.isArray does not narrow a readonly array. */
const isList = <T>(value: T | readonly T[]): value is readonly T[] => Array.isArray(value);
const uidOf = ({ event_uid }: EntryInput) => (event_uid === '' ? null : (event_uid ?? null));
const newUid = () => crypto.randomUUID();

/** Levels that are checked: far more than the service accepts, and an object that contains itself ends here. */
const depth_max = 100;

/**
 * Throws a LogError for the events that JSON.stringify would change without an error, with the field and the reason: a
 * NaN becomes null, a Date a text, a Map an empty object, and undefined is left out. All other rules are the service's.
 */
function refuseChanged(events: readonly EntryInput[]): void {
  const errors = Array.from(events, (event: unknown, index): Fault[] => {
    const whole = changeOf(event);
    if (whole !== null || typeof event !== 'object' || event === null)
      return [{ index, field: '', reason: whole ?? 'must be a JSON object' }];
    // An undefined field of an event is an absent one, as the type allows.
    const fields = Object.entries(event).filter(([, value]) => value !== undefined);
    return fields.flatMap(([field, value]) => {
      const reason = changeWithin(value, [], 1);
      return reason === null ? [] : [{ index, field, reason }];
    });
  }).flat();
  const [first] = errors;
  if (!first) return;
  const detail = `Nothing was sent: event ${first.index}, ${first.field || 'as a whole'}: ${first.reason}.`;
  throw new LogError(422, detail, { errors, stored: 'nothing' });
}

/** How JSON.stringify would change a value or what it contains, with the path to it; null when it would not. */
function changeWithin(value: unknown, path: readonly (string | number)[], depth: number): string | null {
  const change = depth > depth_max ? 'is nested too deeply or contains itself' : changeOf(value);
  if (change !== null) return path.length > 0 && depth <= depth_max ? `${path.join('.')}: ${change}` : change;
  if (typeof value !== 'object' || value === null) return null;
  // Array.from and not entries(): a hole of an array becomes null, too.
  const children: [string | number, unknown][] = Array.isArray(value)
    ? Array.from(value, (child: unknown, i) => [i, child])
    : Object.entries(value);
  for (const [key, child] of children) {
    const found = changeWithin(child, [...path, key], depth + 1);
    if (found !== null) return found;
  }
  return null;
}

function changeOf(value: unknown): string | null {
  switch (typeof value) {
    case 'number':
      if (!Number.isFinite(value)) return `${value} is not a number of JSON`;
      return Object.is(value, -0) ? 'a negative zero cannot be kept: send 0' : null;
    case 'undefined':
      return 'is undefined: leave it out or send null';
    case 'bigint':
    case 'function':
    case 'symbol':
      return `a ${typeof value} is not a value of JSON: send it as text`;
    case 'object': {
      if (value === null) return null;
      if ('toJSON' in value && typeof value.toJSON === 'function')
        return `${kindOf(value)} has a method toJSON: send what it returns`;
      const isPlain = Array.isArray(value) || Object.prototype.toString.call(value) === '[object Object]';
      return isPlain ? null : `${kindOf(value)} is not a value of JSON: send a plain object, an array or text`;
    }
    default:
      return null;
  }
}

const kindOf = (value: object) => `a ${value.constructor?.name || 'object'}`;

async function readError(response: Response): Promise<LogError> {
  const text = await response.text();
  const retry_after_ms = (Number(response.headers.get('retry-after')) || 0) * 1000;
  const problem = (response.headers.get('content-type') ?? '').includes('json') ? parseProblem(text) : null;
  return problem
    ? new LogError(response.status, problem.detail ?? response.statusText, problem, retry_after_ms)
    : new LogError(response.status, response.statusText || 'the response gives no reason', {}, retry_after_ms);
}

function parseProblem(text: string): ProblemBody | null {
  try {
    return JSON.parse(text);
  } catch {
    return null; // A proxy's own page: only the status is usable.
  }
}

/** Reconnecting to a stream stores nothing, so every error but a refusal of the request itself is retried. */
const isTransientStatus = ({ status }: LogError) => status >= 500 || status === 408 || status === 429;

/** No response, or one that says that the service cannot be reached now, or that too much was sent to it. */
const isTransient = (error: unknown) => !(error instanceof LogError) || [429, 502, 503, 504].includes(error.status);
/** The service says that it stored nothing. */
const hasStoredNothing = (error: unknown) =>
  error instanceof LogError && [429, 503].includes(error.status) && error.stored === 'nothing';

/** Exponential backoff with jitter, so that clients do not all reconnect at the same moment. Retry-After is respected. */
function retryDelay(error: unknown, failures: number): number {
  const { backoff_ms_min, backoff_ms_max, retry_after_ms_max } = clientLimits;
  const asked = error instanceof LogError ? Math.min(error.retry_after_ms, retry_after_ms_max) : 0;
  const backoff = backoff_ms_min * 2 ** Math.min(failures - 1, 10) * (0.5 + Math.random() / 2);
  return Math.max(asked, Math.min(backoff, backoff_ms_max));
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
    if (signal?.aborted) done();
  });
}

/** A position in the log: as the service wrote it, and the id in it. */
type Cursor = { text: string; id: number };
type Connect = (cursor: string | null, signal: AbortSignal) => Promise<Response>;

async function* follow(connect: Connect, signal?: AbortSignal): AsyncGenerator<Entry, void> {
  let cursor: Cursor | null = null;
  for (let failures = 1; !signal?.aborted; failures++) {
    let cause: unknown = null;
    const messages = readConnection(connect, cursor?.text ?? null, signal);
    try {
      for (;;) {
        const next = await messages.next().catch((error) => {
          cause = error;
          return { done: true, value: undefined } as const;
        });
        if (next.done || signal?.aborted) break;
        const { id, data } = next.value;
        failures = 0;
        if (id === null || (cursor !== null && id.id <= cursor.id)) continue;
        const entry = data === null ? null : (JSON.parse(data) as Entry);
        cursor = id;
        if (entry) yield entry;
      }
    } finally {
      await messages.return();
    }
    if (cause instanceof LogError && !isTransientStatus(cause) && !signal?.aborted) throw cause;
    if (!signal?.aborted) await pause(retryDelay(cause, Math.max(failures, 1)), signal);
  }
}

/** The messages of one connection, until it ends, fails or sends nothing for `silence_ms_max`. */
async function* readConnection(connect: Connect, cursor: string | null, signal?: AbortSignal) {
  const connection = new AbortController();
  const stop = () => connection.abort();
  signal?.addEventListener('abort', stop);
  let silence = setTimeout(stop, clientLimits.silence_ms_max);
  try {
    const response = await connect(cursor, connection.signal);
    if (!response.ok) throw await readError(response);
    if (!response.body || !response.headers.get('content-type')?.startsWith('text/event-stream'))
      throw new LogError(response.status, 'the response is not an event stream');
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    const parse = eventStreamParser();
    for (;;) {
      const { done, value } = await reader.read();
      clearTimeout(silence);
      if (done) return;
      yield* parse(decoder.decode(value, { stream: true }));
      // Set only after the yield: the time that the caller spends on an entry is no silence of the service.
      silence = setTimeout(stop, clientLimits.silence_ms_max);
    }
  } finally {
    clearTimeout(silence);
    signal?.removeEventListener('abort', stop);
    connection.abort();
  }
}

/**
 * Parses an event stream (WHATWG HTML §9.2.6) that arrives in pieces of any size. Returns the messages that each piece
 * completes: the last id seen and the data, null for a message that only sets the id.
 */
export function eventStreamParser(): (text: string) => { id: Cursor | null; data: string | null }[] {
  let rest = '';
  let endsInCr = false;
  let id: Cursor | null = null;
  let hasNewId = false;
  let event = '';
  let data: string[] = [];

  const fieldOf = (line: string) => {
    const [, name, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (name === 'data') data.push(value);
    else if (name === 'event') event = value;
    else if (name === 'id' && /^\d{1,16}(-|$)/.test(value)) {
      id = { text: value, id: Number.parseInt(value, 10) };
      hasNewId = true;
    }
    return [];
  };
  const dispatch = () => {
    const isMessage = data.length > 0 && (event === '' || event === 'message');
    const message = isMessage || hasNewId ? [{ id, data: isMessage ? data.join('\n') : null }] : [];
    [hasNewId, event, data] = [false, '', []];
    return message;
  };
  return (text) => {
    if (text === '') return [];
    // A CR at the end of a piece has ended its line; an LF at the start of the next piece belongs to the same line end.
    const piece = endsInCr && text.startsWith('\n') ? text.slice(1) : text;
    endsInCr = text.endsWith('\r');
    const lines = (rest + piece).split(/\r\n|\r|\n/);
    rest = lines.pop() ?? '';
    return lines.flatMap((line) => (line === '' ? dispatch() : fieldOf(line)));
  };
}
