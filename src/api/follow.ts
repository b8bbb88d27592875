/** GET /api/logs/stream (server-sent events) and GET /ws/logs (WebSocket): follow the log from a cursor. */
import type { Context } from 'hono';
import { badField, Problem } from '../http/problem.ts';
import { queryOf } from '../http/request.ts';
import { requestIdsOf } from '../http/request-id.ts';
import { sseMessage } from '../http/sse.ts';
import { readFilter } from '../log/filter.ts';
import { foreignPosition, positionOf, readPosition, writePosition } from '../log/position.ts';
import type { Newest } from '../log/store.ts';
import {
  type App,
  allowMethods,
  type Env,
  forwardToFollower,
  isTrustedOrigin,
  logHeader,
  type Parts,
  requireRight,
} from '../parts.ts';
import { socketEvents } from './follow-socket.ts';
import { pieces, sseResponse } from './follow-sse.ts';

export function followRoutes(app: App, parts: Parts): void {
  app.get('/api/logs/stream', requireRight(parts, 'read'), forwardToFollower(parts), async (c) => {
    const filter = readFilter(queryOf(c), ['after']);
    return sseResponse(c, parts, filter, await startOf(c, parts), 'json', (entries) =>
      pieces(entries, (entry) => sseMessage({ id: writePosition(positionOf(entry)), data: JSON.stringify(entry) })),
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
      const start = await startOf(c, parts);
      const { session } = c.get('principal');
      const upgrade = parts.sockets.upgrade(() => socketEvents(parts, filter, start, session, requestIdsOf(c)));
      return upgrade(c, next);
    },
  );

  allowMethods(app, '/api/logs/stream', 'GET');
  allowMethods(app, '/ws/logs', 'GET');
}

/**
 * The position after which a follower starts: Last-Event-ID, else `after`, else the newest. The header comes first
 * because a browser that reconnects keeps its URL. Throws a 400 for a position that is not of this log, and for an id
 * above the newest: following it silently would look like "nothing new".
 */
export async function startOf(c: Context<Env>, { store }: Parts): Promise<Newest> {
  const resumed = c.req.header('last-event-id') || null;
  const field = resumed === null ? 'after' : 'Last-Event-ID';
  const text = resumed ?? (queryOf(c).get('after') || null);
  const newest = await store.newest();
  c.header(logHeader, newest.log_id);
  const position = text === null ? newest : readPosition(text);
  if (!position) throw badField(field, 'must be the id of an event');
  if (position.id > newest.id)
    throw badField(field, `is beyond the newest event, ${newest.id}: it is not from this log`);
  if (position.id === newest.id && position.at_ms === null) return newest;
  if (position !== newest && !(await store.isOwn(position))) throw badField(field, foreignPosition);
  return { log_id: newest.log_id, ...position };
}
