/** A follower over WebSocket: its messages, its end, its close codes. */
import type { WSContext } from 'hono/ws';
import { pause } from '../http/pause.ts';
import type { RequestIds } from '../http/request-id.ts';
import type { Outlet } from '../http/slow-reader.ts';
import type { Filter } from '../log/filter.ts';
import { type Position, positionOf, writePosition } from '../log/position.ts';
import type { Entry } from '../log/schema.ts';
import type { Parts } from '../parts.ts';
import { piece_chars_max, sendFollowed } from './send-followed.ts';

/** The message form of the old dashboard's socket, one message a piece. */
function envelopes(entries: Entry[]): string[] {
  const made: string[] = [];
  let texts: string[] = [];
  let chars = 0;
  let cursor = '';
  const close = () => {
    if (texts.length > 0)
      made.push(`{"type":"logs","data":[${texts.join(',')}],"count":${texts.length},"cursor":"${cursor}"}`);
    texts = [];
    chars = 0;
  };
  for (const entry of entries) {
    const text = JSON.stringify(entry);
    cursor = writePosition(positionOf(entry));
    texts.push(text);
    chars += text.length;
    if (chars >= piece_chars_max) close();
  }
  close();
  return made;
}

/** WebSocket close codes (RFC 6455 §7.4.1, and 1013 "try again later" of the IANA registry). */
const closing = { goingAway: 1001, signedOut: 1008, failed: 1011, tooSlow: 1013 } as const;

/** A socket's event handlers: entries are sent to it, messages from it are ignored. */
export function socketEvents(
  parts: Parts,
  filter: Filter,
  start: Position & { log_id?: string },
  session?: string,
  ids?: RequestIds,
) {
  const over = new AbortController();
  return {
    onOpen(_event: Event, socket: WSContext) {
      const outlet: Outlet<string> = {
        send: (text) => socket.send(text),
        unsent: () => parts.sockets.unsent(socket.raw),
        taken: (ms) => pause(Math.min(ms, buffer_poll_ms), over.signal),
      };
      const { followers, cuts } = parts.meter;
      followers.websocket += 1;
      over.signal.addEventListener('abort', () => {
        followers.websocket -= 1;
      });
      const moved = (position: Position) => parts.sockets.saveCursor?.(socket.raw, position);
      moved(start);
      // The first message says which log this is, in the envelope that every client of the socket knows.
      const { log_id: log } = start;
      if (log) outlet.send(JSON.stringify({ type: 'logs', data: [], count: 0, log, cursor: writePosition(start) }));
      void parts.sessions.watch(session, over.signal, () => {
        cuts.signed_out += 1;
        socket.close(closing.signedOut, 'signed out');
        over.abort();
      });
      void sendFollowed(parts, filter, start.id, over.signal, outlet, (batch) => batch.as('ws', envelopes), moved).then(
        (delivered) => {
          if (delivered) return socket.close(closing.goingAway, 'the service is going away');
          cuts.slow += 1;
          socket.close(closing.tooSlow, 'too slow: resume with ?after=');
          // The close frame is queued behind the unread messages, which would stay in memory.
          parts.sockets.cut(socket.raw);
        },
        (error) => {
          parts.report('a socket was closed', error, ids);
          cuts.failed += 1;
          socket.close(closing.failed, 'something went wrong on our side');
        },
      );
    },
    onClose: () => over.abort(),
    onError: () => over.abort(),
  };
}

/** A socket has no event for "the client has read": its buffer is polled this often. */
const buffer_poll_ms = 25;
