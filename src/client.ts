/** The SDK: log(event), log.query(filter) and log.follow(filter) over HTTP. Web standards only; copy this file anywhere. */

import type { Fault } from './http/problem.ts';
import type { EntryInput } from './log/entry.ts';
import type { Entry } from './log/schema.ts';

type Value = string | number | boolean;
/** What is asked, in the service's grammar: a list means any of its values, `key!` none of them, `metadata.a.b` a path. */
export type Query = Record<string, Value | readonly Value[] | null | undefined>;
export type Answer = { logs: Entry[]; total: number; total_is_exact: boolean; limit: number; offset: number };
/** What became of a batch: the stored entries in the order given, and the indexes of those stored before. */
export type Appended = { logs: Entry[]; count: number; duplicates: number[] };

export type ClientOptions = {
  /** Where the service is, such as https://log.example.com. */
  url: string;
  token?: string | undefined;
  user?: string | undefined;
  password?: string | undefined;
  fetch?: typeof fetch;
  /**
   * False: events are sent without an event_uid of our making. What may have been stored is then not sent again, so
   * that no retry makes a double.
   */
  uid?: boolean;
};

export const clientLimits = {
  tries_max: 4,
  request_ms_max: 60_000,
  backoff_ms_min: 500,
  backoff_ms_max: 30_000,
  /** The service says something every 15 s. */
  silence_ms_max: 45_000,
} as const;

type Refusal = { detail?: string; errors?: Fault[]; stored?: 'nothing' | 'unknown' };

/** A refusal by the service: its status, its words, and which field of which event is at fault (RFC 9457). */
export class LogError extends Error {
  override name = 'LogError';
  readonly status: number;
  readonly detail: string;
  readonly errors: Fault[];
  readonly retry_after_ms: number;
  /** What a refused write left in the log; undefined where nobody said. */
  readonly stored: 'nothing' | 'unknown' | undefined;
  constructor(status: number, detail: string, { errors = [], stored }: Refusal = {}, retry_after_ms = 0) {
    super(`${status}: ${detail}`);
    this.status = status;
    this.detail = detail;
    this.errors = errors;
    this.retry_after_ms = retry_after_ms;
    this.stored = stored;
  }
}

export type Log = {
  /** Stores one event and returns it as stored. Throws a LogError when it is refused, and fetch's own error when the service stays out of reach. */
  (event: EntryInput): Promise<Entry>;
  /** Stores up to 1,000 events, all or none. */
  (events: readonly EntryInput[]): Promise<Entry[]>;
  /** The same, with what the service says about doubles. */
  append(events: readonly EntryInput[]): Promise<Appended>;
  /** One page of the log, newest first; takes `limit`, `offset`, `before` and `after` beside the filter. */
  query(query?: Query): Promise<Answer>;
  /**
   * Every matching entry, once and in id order, for ever: from after the id `after` (0: all there is), else from now.
   * Waits out disconnects and outages. Ends when the signal fires; throws a LogError that will not pass (400, 401, 403).
   */
  follow(query?: Query, options?: { after?: number | undefined; signal?: AbortSignal }): AsyncGenerator<Entry, void>;
};

/** Makes a client of one service, with a bearer token, a user and password, or (in the service's own pages) neither. */
export function createClient(options: ClientOptions): Log {
  const send = options.fetch ?? ((...args: Parameters<typeof fetch>) => globalThis.fetch(...args));
  const base = new URL(options.url.endsWith('/') ? options.url : `${options.url}/`);
  const authorization = authorizationOf(options);
  const headers = (more: Record<string, string>) => ({ ...(authorization && { authorization }), ...more });
  const at = (path: string, query: Query = {}) => new URL(`${path}?${writeQuery(query)}`, base);

  /** A request and its JSON, tried again while `passes` says that it may help and cannot harm. */
  async function ask<T>(url: URL, init: RequestInit, passes: (error: unknown) => boolean): Promise<T> {
    for (let failures = 1; ; failures++) {
      try {
        const answer = await send(url, { ...init, signal: AbortSignal.timeout(clientLimits.request_ms_max) });
        if (!answer.ok) throw await refusal(answer);
        return (await answer.json()) as T;
      } catch (error) {
        if (failures >= clientLimits.tries_max || !passes(error)) throw error;
        await pause(waitAfter(error, failures));
      }
    }
  }

  async function append(events: readonly EntryInput[]): Promise<Appended> {
    if (events.length === 0) return { logs: [], count: 0, duplicates: [] };
    const named =
      options.uid === false ? events : events.map((event) => ({ ...event, event_uid: uidOf(event) ?? newUid() }));
    // Written once: every try carries the same uids, so that the service knows them again.
    const init = {
      method: 'POST',
      headers: headers({ 'content-type': 'application/json' }),
      body: JSON.stringify(named),
    };
    const passes = named.every((event) => uidOf(event) !== null) ? isPassing : wasTurnedAway;
    const answer = await ask<Omit<Appended, 'duplicates'> & Partial<Appended>>(at('api/logs'), init, passes);
    return { ...answer, duplicates: answer.duplicates ?? [] };
  }

  function log(event: EntryInput): Promise<Entry>;
  function log(events: readonly EntryInput[]): Promise<Entry[]>;
  async function log(given: EntryInput | readonly EntryInput[]): Promise<Entry | Entry[]> {
    if (isList(given)) return (await append(given)).logs;
    const [entry] = (await append([given])).logs;
    if (!entry) throw new LogError(200, 'the service answered an event with none');
    return entry;
  }

  const connect = (query: Query, cursor: number | null, signal: AbortSignal) =>
    send(at('api/logs/stream', query), {
      headers: headers({ accept: 'text/event-stream', ...(cursor !== null && { 'last-event-id': String(cursor) }) }),
      signal,
    });

  return Object.assign(log, {
    append,
    query: (query?: Query) => ask<Answer>(at('api/logs', query), { headers: headers({}) }, isPassing),
    follow: (query: Query = {}, { after, signal }: { after?: number | undefined; signal?: AbortSignal } = {}) =>
      follow((cursor, over) => connect({ ...query, after }, cursor, over), signal),
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
    // Left out, "any of none" would be answered with everything.
    if (values.length === 0) throw new TypeError(`${key}: an empty list matches nothing; leave it out to ask for all`);
    for (const value of values) if (value !== null && value !== undefined) written.append(key, String(value));
  }
  return written;
}

/** Array.isArray does not narrow a readonly array. */
const isList = <T>(value: T | readonly T[]): value is readonly T[] => Array.isArray(value);
const uidOf = ({ event_uid }: EntryInput) => (event_uid === '' ? null : (event_uid ?? null));
const newUid = () => crypto.randomUUID();

async function refusal(answer: Response): Promise<LogError> {
  const text = await answer.text();
  const retry_after_ms = (Number(answer.headers.get('retry-after')) || 0) * 1000;
  const problem = (answer.headers.get('content-type') ?? '').includes('json') ? parsed(text) : null;
  return problem
    ? new LogError(answer.status, problem.detail ?? answer.statusText, problem, retry_after_ms)
    : new LogError(answer.status, answer.statusText || 'no reason was given', {}, retry_after_ms);
}

function parsed(text: string): Refusal | null {
  try {
    return JSON.parse(text);
  } catch {
    return null; // Some proxy's page: the status has to do.
  }
}

/** A stream may be asked for again whatever came of it; only a refusal of what was asked will not pass. */
const mayPass = ({ status }: LogError) => status >= 500 || status === 408 || status === 429;

/** No answer, or one from a service or proxy that cannot answer now. */
const isPassing = (error: unknown) => !(error instanceof LogError) || [502, 503, 504].includes(error.status);
/** Refused, and the service says that nothing was stored. */
const wasTurnedAway = (error: unknown) =>
  error instanceof LogError && error.status === 503 && error.stored === 'nothing';

/** Doubles with each failure and differs between clients, so that they do not all come back at the same moment. */
function waitAfter(error: unknown, failures: number): number {
  const { backoff_ms_min, backoff_ms_max } = clientLimits;
  const asked = error instanceof LogError ? error.retry_after_ms : 0;
  const backoff = backoff_ms_min * 2 ** Math.min(failures - 1, 10) * (0.5 + Math.random() / 2);
  return Math.min(Math.max(backoff, asked), backoff_ms_max);
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

type Connect = (cursor: number | null, signal: AbortSignal) => Promise<Response>;

async function* follow(connect: Connect, signal?: AbortSignal): AsyncGenerator<Entry, void> {
  let cursor: number | null = null;
  for (let failures = 1; !signal?.aborted; failures++) {
    let cause: unknown = null;
    const messages = readConnection(connect, cursor, signal);
    try {
      for (;;) {
        const next = await messages.next().catch((error) => {
          cause = error;
          return { done: true, value: undefined } as const;
        });
        if (next.done || signal?.aborted) break;
        const { id, data } = next.value;
        failures = 0;
        if (id === null || (cursor !== null && id <= cursor)) continue;
        const entry = data === null ? null : (JSON.parse(data) as Entry);
        cursor = id;
        if (entry) yield entry;
      }
    } finally {
      await messages.return();
    }
    if (cause instanceof LogError && !mayPass(cause) && !signal?.aborted) throw cause;
    if (!signal?.aborted) await pause(waitAfter(cause, Math.max(failures, 1)), signal);
  }
}

/** The messages of one connection, until it ends, fails or falls silent. */
async function* readConnection(connect: Connect, cursor: number | null, signal?: AbortSignal) {
  const over = new AbortController();
  const stop = () => over.abort();
  signal?.addEventListener('abort', stop);
  let silence = setTimeout(stop, clientLimits.silence_ms_max);
  try {
    const answer = await connect(cursor, over.signal);
    if (!answer.ok) throw await refusal(answer);
    if (!answer.body || !answer.headers.get('content-type')?.startsWith('text/event-stream'))
      throw new LogError(answer.status, 'this address does not answer with an event stream');
    const reader = answer.body.getReader();
    const decoder = new TextDecoder();
    const parse = eventStreamParser();
    for (;;) {
      const { done, value } = await reader.read();
      clearTimeout(silence);
      if (done) return;
      yield* parse(decoder.decode(value, { stream: true }));
      // Not while the caller is at work with an entry: that is no silence of the service.
      silence = setTimeout(stop, clientLimits.silence_ms_max);
    }
  } finally {
    clearTimeout(silence);
    signal?.removeEventListener('abort', stop);
    over.abort();
  }
}

/**
 * Parses an event stream (WHATWG HTML §9.2.6) from pieces of text cut anywhere. Returns what each piece completes: the
 * last id seen, as a number, and the data, null for a message that only moves the id.
 */
export function eventStreamParser(): (text: string) => { id: number | null; data: string | null }[] {
  let rest = '';
  let afterCr = false;
  let id: number | null = null;
  let moved = false;
  let event = '';
  let data: string[] = [];

  const fieldOf = (line: string) => {
    const [, name, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (name === 'data') data.push(value);
    else if (name === 'event') event = value;
    else if (name === 'id' && /^\d{1,16}$/.test(value)) {
      id = Number(value);
      moved = true;
    }
    return [];
  };
  const dispatch = () => {
    const ours = data.length > 0 && (event === '' || event === 'message');
    const message = ours || moved ? [{ id, data: ours ? data.join('\n') : null }] : [];
    [moved, event, data] = [false, '', []];
    return message;
  };
  return (text) => {
    if (text === '') return [];
    // A CR at a piece's end has ended its line already; the LF that may follow in the next one is the same line end.
    const piece = afterCr && text.startsWith('\n') ? text.slice(1) : text;
    afterCr = text.endsWith('\r');
    const lines = (rest + piece).split(/\r\n|\r|\n/);
    rest = lines.pop() ?? '';
    return lines.flatMap((line) => (line === '' ? dispatch() : fieldOf(line)));
  };
}
