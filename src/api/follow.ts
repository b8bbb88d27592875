/** GET /api/logs/stream (server-sent events) and GET /ws/logs (WebSocket): follow the log from a cursor. */
import type { Context } from 'hono';
import { badField, Problem } from '../http/problem.ts';
import { queryOf } from '../http/request.ts';
import { sseMessage } from '../http/sse.ts';
import { readFilter } from '../log/filter.ts';
import {
  type App,
  allowMethods,
  type Env,
  forwardToFollower,
  isTrustedOrigin,
  type Parts,
  requireRight,
} from '../parts.ts';
import { socketEvents } from './follow-socket.ts';
import { pieces, sseResponse } from './follow-sse.ts';

export function followRoutes(app: App, parts: Parts): void {
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
 * The id after which a follower starts: Last-Event-ID, else `after`, else the newest id. The header comes first because
 * a browser that reconnects keeps its URL. Throws a 400 for an id above the newest: such a cursor is from another log or
 * from before a restore, and following it silently would look like "nothing new".
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
