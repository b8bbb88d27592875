/** A follower over server-sent events: the response, its heartbeats, its messages. */
import type { Context } from 'hono';
import type { CutReason } from '../http/meter.ts';
import { requestIdsOf } from '../http/request-id.ts';
import { openWebStream } from '../http/slow-reader.ts';
import { sseComment, sseMessage } from '../http/sse.ts';
import type { Filter } from '../log/filter.ts';
import { type Position, writePosition } from '../log/position.ts';
import type { Entry } from '../log/schema.ts';
import type { Newest } from '../log/store.ts';
import type { Batch } from '../log/tail.ts';
import type { Env, Parts } from '../parts.ts';
import { piece_chars_max, sendFollowed } from './send-followed.ts';

const encoder = new TextEncoder();

export const sseHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
};

/**
 * A follower as an SSE response. `encode` makes the messages of a batch, once for all followers with the same `form`.
 * `farewell` is the last message when the follower's session has ended. `opened` is told how to end the stream with
 * another last message, and the signal of its end.
 */
export function sseResponse(
  c: Context<Env>,
  parts: Parts,
  filter: Filter,
  start: Newest,
  form: string,
  encode: (entries: Entry[]) => string[],
  farewell = '',
  opened: (close: (farewell: string) => void, signal: AbortSignal) => void = () => {},
): Response {
  // A HEAD has no body: an opened one would never be read and never be closed.
  if (c.req.method === 'HEAD') return c.body(null, 200, sseHeaders);
  const { UNSENT_BYTES_MAX, HEARTBEAT_MS } = parts.limits;
  const open = parts.openStream ?? openWebStream;
  const { response, outlet, signal, stalled, cut, end } = open(c, sseHeaders, UNSENT_BYTES_MAX);
  const close = (message: string) => {
    if (message) outlet.send(encoder.encode(message));
    end();
  };
  const { followers, cuts } = parts.meter;
  const transport = isPage(form) ? 'page' : 'sse';
  followers[transport] += 1;
  signal.addEventListener('abort', () => {
    followers[transport] -= 1;
  });
  if (signal.aborted) followers[transport] -= 1;
  const cutFor = (reason: CutReason) => {
    if (!signal.aborted) cuts[reason] += 1;
    cut();
  };
  void parts.sessions.watch(c.get('principal').session, signal, () => {
    cuts.signed_out += 1;
    close(farewell);
  });
  opened(close, signal);
  const encodeBytes = (entries: Entry[]) => encode(entries).map((piece) => encoder.encode(piece));
  // Null while a batch is only partly sent: a heartbeat with an older id would make the client resume too early.
  let reached: Position | null = start;
  // Sent at once: a browser fires `open` only at the first bytes. The id is where a client resumes that is disconnected
  // before its first event.
  outlet.send(encoder.encode(sseComment('edgetrail') + firstMessage(form, start)));
  const heartbeat = setInterval(() => {
    // A client that read nothing between two heartbeats is gone, even if the runtime has not noticed.
    if (stalled()) return cutFor('slow');
    if (outlet.unsent() < UNSENT_BYTES_MAX)
      outlet.send(
        encoder.encode(sseComment('heartbeat') + (reached === null ? '' : heartbeatOf(form, writePosition(reached)))),
      );
  }, HEARTBEAT_MS);
  const encoding = `sse ${form}`;
  const chunksOf = (batch: Batch) => {
    reached = null;
    return batch.as(encoding, encodeBytes);
  };
  const moved = (position: Position) => {
    reached = position;
  };
  void sendFollowed(parts, filter, start.id, signal, outlet, chunksOf, moved)
    .then((delivered) => (delivered ? end() : cutFor('slow')))
    .catch((error) => {
      parts.report('a live stream was cut off', error, requestIdsOf(c));
      cutFor('failed');
    })
    .finally(() => clearInterval(heartbeat));
  return response;
}

const isPage = (form: string) => form.startsWith('html');

/** Which log is followed, and where a client resumes that is disconnected before its first event. */
const firstMessage = (form: string, start: Newest) =>
  sseMessage({
    id: writePosition(start),
    // htmx would look for an element of that name.
    ...(!isPage(form) && { event: 'log', data: JSON.stringify({ log: start.log_id }) }),
  });

/**
 * With a rare filter the last id that was sent is far behind the log. The heartbeat carries the cursor, so that a
 * reconnect does not read again what did not match. htmx notices a removed element only at a message, so the page's
 * heartbeat is a message.
 */
const heartbeatOf = (form: string, cursor: string) =>
  isPage(form) ? sseMessage({ id: cursor, event: 'heartbeat', data: '1' }) : sseMessage({ id: cursor });

/** The texts of entries joined into pieces of about `piece_chars_max`. */
export function pieces(entries: Entry[], write: (entry: Entry) => string): string[] {
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
