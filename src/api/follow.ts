/** Following over HTTP: GET /api/logs/stream (server-sent events) and GET /ws/logs (WebSocket). One follower behind both. */
import type { Context } from 'hono';
import type { WSContext } from 'hono/ws';
import { pause } from '../http/pause.ts';
import { badField, Problem } from '../http/problem.ts';
import { queryOf } from '../http/request.ts';
import { type Outlet, openResponseBody, sendWhenRoom, sseComment, sseMessage } from '../http/stream.ts';
import { type Filter, readFilter } from '../log/filter.ts';
import type { Entry } from '../log/schema.ts';
import type { Batch } from '../log/tail.ts';
import {
  type App,
  allowMethods,
  type Env,
  forwardToFollower,
  isTrustedOrigin,
  type Parts,
  requireRight,
} from '../parts.ts';

/** A piece of a batch on its way: small enough that a reader's debt is counted in steps much finer than its limit. */
const piece_chars_max = 64 * 1024;

const encoder = new TextEncoder();

export function liveRoutes(app: App, parts: Parts): void {
  app.get('/api/logs/stream', requireRight(parts, 'read'), forwardToFollower(parts), async (c) => {
    const filter = readFilter(queryOf(c), ['after']);
    return sseResponse(c, parts, filter, await startCursorOf(c, parts), 'json', (entries) =>
      pieces(entries, (entry) => sseMessage({ id: entry.id, data: JSON.stringify(entry) })),
    );
  });

  app.get(
    '/ws/logs',
    requireRight(parts, 'read'),
    async (c, next) => {
      if (!isTrustedOrigin(c, parts.limits))
        throw new Problem(403, 'Sockets are not opened for the pages of other sites.');
      if (c.req.header('upgrade')?.toLowerCase() !== 'websocket')
        throw new Problem(426, 'This address speaks WebSocket.', { headers: { upgrade: 'websocket' } });
      await next();
    },
    forwardToFollower(parts),
    async (c, next) => {
      const filter = readFilter(queryOf(c), ['after']);
      const after = await startCursorOf(c, parts);
      const { session } = c.get('principal');
      const upgrade = parts.sockets.upgrade(() => socketEvents(parts, filter, after, session));
      return upgrade(c, next);
    },
  );

  allowMethods(app, '/api/logs/stream', 'GET');
  allowMethods(app, '/ws/logs', 'GET');
}

/**
 * The id after which a follower starts: Last-Event-ID (a browser that reconnects keeps its URL, so the header is the
 * newer word), else `after`, else now. Throws a 400 for one that this log never gave out: from another log, or from
 * this one before a disaster, it must not be taken for "nothing new".
 */
export async function startCursorOf(c: Context<Env>, { store }: Parts): Promise<number> {
  const resumed = c.req.header('last-event-id') || null;
  const field = resumed === null ? 'after' : 'Last-Event-ID';
  const text = resumed ?? (queryOf(c).get('after') || null);
  const head = await store.head();
  if (text === null) return head;
  const id = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(id)) throw badField(field, 'must be the id of an event');
  if (id > head) throw badField(field, `is beyond the newest event, ${head}: it is not from this log`);
  return id;
}

export const sseHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
};

/**
 * A follower as an SSE response. `encode` makes the messages of a batch, once for all followers whose `form` is one.
 * `farewell` is the last message for who may not follow any more.
 */
export function sseResponse(
  c: Context<Env>,
  parts: Parts,
  filter: Filter,
  after: number,
  form: string,
  encode: (entries: Entry[]) => string[],
  farewell = '',
): Response {
  // Nobody reads the body of a HEAD, so nobody would ever leave it either.
  if (c.req.method === 'HEAD') return c.body(null, 200, sseHeaders);
  const { UNSENT_BYTES_MAX, HEARTBEAT_MS } = parts.limits;
  const { body, outlet, signal, stalled, cut, end } = openResponseBody(UNSENT_BYTES_MAX);
  // On Workers a body that nobody reads any more is not cancelled: there only the request says that its client left.
  c.req.raw.signal.addEventListener('abort', end);
  if (c.req.raw.signal.aborted) end();
  void parts.sessions.watch(c.get('principal').session, signal, () => {
    if (farewell) outlet.send(encoder.encode(farewell));
    end();
  });
  const encodeBytes = (entries: Entry[]) => encode(entries).map((piece) => encoder.encode(piece));
  // Null while a batch is only partly handed over: an id older than what was sent would make the client resume too early.
  let reached: number | null = after;
  // First bytes at once: a browser calls the stream open only then. The id is where a client resumes that is cut off
  // before its first event.
  outlet.send(encoder.encode(sseComment('edgetrail') + sseMessage({ id: after })));
  const heartbeat = setInterval(() => {
    // Whoever took nothing from one beat to the next has gone, whether the runtime noticed or not.
    if (stalled()) return cut();
    if (outlet.unsent() < UNSENT_BYTES_MAX)
      outlet.send(encoder.encode(sseComment('heartbeat') + (reached === null ? '' : heartbeatOf(form, reached))));
  }, HEARTBEAT_MS);
  const chunksOf = (batch: Batch) => {
    reached = null;
    return batch.as(`sse ${form}`, encodeBytes);
  };
  const moved = (cursor: number) => {
    reached = cursor;
  };
  void followInto(parts, filter, after, signal, outlet, chunksOf, moved)
    .then((kept) => (kept ? end() : cut()))
    .catch((error) => {
      parts.report('a live stream was cut off', error);
      cut();
    })
    .finally(() => clearInterval(heartbeat));
  return c.body(body, 200, sseHeaders);
}

/**
 * A rare filter leaves its followers' last id far behind the log; a heartbeat brings it up, so that a reconnect does
 * not read through all that did not match. htmx notices a removed element only at a message, so the page gets one.
 */
const heartbeatOf = (form: string, cursor: number) =>
  form.startsWith('html') ? sseMessage({ id: cursor, event: 'heartbeat', data: '1' }) : sseMessage({ id: cursor });

/** Follows into an outlet until one of them ends. Resolves to false when the reader stalled and must be cut. */
async function followInto<Chunk extends { length: number }>(
  { tail, limits }: Parts,
  filter: Filter,
  after: number,
  signal: AbortSignal,
  outlet: Outlet<Chunk>,
  chunksOf: (batch: Batch) => Chunk[],
  moved: (cursor: number) => void = () => {},
): Promise<boolean> {
  const bounds = { unsent_bytes_max: limits.UNSENT_BYTES_MAX, stall_ms_max: limits.STALL_MS_MAX };
  for await (const batch of tail.follow(after, filter, signal)) {
    for (const chunk of chunksOf(batch))
      if (!(await sendWhenRoom(outlet, chunk, chunk.length, bounds, signal))) return false;
    moved(batch.cursor);
  }
  return true;
}

/** Texts joined into pieces of about the same size. */
function pieces(entries: Entry[], write: (entry: Entry) => string): string[] {
  const made: string[] = [];
  let piece = '';
  for (const entry of entries) {
    piece += write(entry);
    if (piece.length < piece_chars_max) continue;
    made.push(piece);
    piece = '';
  }
  return piece ? [...made, piece] : made;
}

/** The envelope of the old dashboard's socket, one a piece. */
function envelopes(entries: Entry[]): string[] {
  const made: string[] = [];
  let texts: string[] = [];
  let chars = 0;
  const close = () => {
    if (texts.length > 0) made.push(`{"type":"logs","data":[${texts.join(',')}],"count":${texts.length}}`);
    texts = [];
    chars = 0;
  };
  for (const entry of entries) {
    const text = JSON.stringify(entry);
    texts.push(text);
    chars += text.length;
    if (chars >= piece_chars_max) close();
  }
  close();
  return made;
}

/** WebSocket close codes (RFC 6455 §7.4.1, and 1013 "try again later" of the IANA registry). */
const closing = { goingAway: 1001, signedOut: 1008, failed: 1011, tooSlow: 1013 } as const;

/** What a socket does: it is written to, and what it says is ignored. */
export function socketEvents(parts: Parts, filter: Filter, after: number, session?: string) {
  const over = new AbortController();
  return {
    onOpen(_event: Event, socket: WSContext) {
      const outlet: Outlet<string> = {
        send: (text) => socket.send(text),
        unsent: () => parts.sockets.unsent(socket.raw),
        taken: (ms) => pause(Math.min(ms, socket_look_ms), over.signal),
      };
      const moved = (cursor: number) => parts.sockets.saveCursor?.(socket.raw, cursor);
      moved(after);
      void parts.sessions.watch(session, over.signal, () => {
        socket.close(closing.signedOut, 'signed out');
        over.abort();
      });
      void followInto(parts, filter, after, over.signal, outlet, (batch) => batch.as('ws', envelopes), moved).then(
        (kept) => {
          if (kept) return socket.close(closing.goingAway, 'the service is going away');
          socket.close(closing.tooSlow, 'too slow: resume with ?after=');
          // The close frame waits behind what was never read, and so would our memory.
          parts.sockets.cut(socket.raw);
        },
        (error) => {
          parts.report('a socket was closed', error);
          socket.close(closing.failed, 'something went wrong on our side');
        },
      );
    },
    onClose: () => over.abort(),
    onError: () => over.abort(),
  };
}

/** A socket does not tell when its reader took something: it is asked so often. */
const socket_look_ms = 25;
