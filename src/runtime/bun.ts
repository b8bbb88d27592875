/** The service on Bun: `npm run start:bun`. */
// Not all of bun-types: it redeclares `fetch` and streams for every other file.
/// <reference path="../../node_modules/bun-types/bun.ns.d.ts" />
/// <reference path="../../node_modules/bun-types/bun.d.ts" />
/// <reference path="../../node_modules/bun-types/serve.d.ts" />
import { type Server, type ServerWebSocket, serve } from 'bun';
import { type BunWebSocketData, getBunServer, serveStatic, websocket } from 'hono/bun';
import { defineWebSocketHelper } from 'hono/ws';
import { Problem } from '../http/problem.ts';
import type { Sockets } from '../parts.ts';
import type { Settings } from '../settings.ts';
import { publicFolder, type Running, runAsService, urlOf } from './process.ts';
import { openService } from './service.ts';

/** Clients have nothing to say on a socket; Bun would take 16 MiB. */
const socket_message_bytes_max = 4_096;
/** How long a connection may be silent. Bun lets a head or body that trickles in have no longer either. */
const request_s_max = 60;
/** The longest that Bun counts. */
const idle_s_max = 255;
const socket_idle_s_max = 960;
/** Bun pings a socket this long before its time is over, or later. */
const ping_s = 8;
const settle_ms = 50;

type BunServer = Server<BunWebSocketData>;

/** hono's own passes on what is not a handshake, to an answer about methods. */
const upgrade = defineWebSocketHelper((c, events) => {
  const data = { events, url: new URL(c.req.url), protocol: '' };
  if (!getBunServer<BunServer>(c)?.upgrade(c.req.raw, { data }))
    throw new Problem(400, 'This is not the handshake of a WebSocket.');
  return new Response(null);
});

/** Starts the service and resolves when it answers. `close` ends it as SIGTERM does. */
export async function startBun(settings: Settings, say: (line: string) => void = () => {}): Promise<Running> {
  // hono makes a new context for each event: the socket itself is `raw`.
  const sockets: Sockets = {
    upgrade,
    unsent: (raw) => (raw as ServerWebSocket<unknown>).getBufferedAmount(),
    cut: (raw) => (raw as ServerWebSocket<unknown>).terminate(),
  };
  const assets = serveStatic({
    root: publicFolder,
    rewriteRequestPath: (path) => path.replace(/^\/public/, ''),
  });
  const service = await openService(settings, { sockets, assets, say });
  let server: BunServer;
  try {
    server = listen(settings, service.app.fetch);
  } catch (error) {
    await service.close();
    throw error;
  }
  return {
    url: urlOf(settings, server.port ?? settings.PORT),
    development: service.development,
    isOpen: service.isOpen,
    opened: service.opened,
    close: async () => {
      service.tail.stop();
      // Bun takes a connection for idle whose request it has not read yet: those get a moment.
      await new Promise((resolve) => setTimeout(resolve, settle_ms));
      // Stops accepting, ends idle connections, and waits for the others.
      const stopped = server.stop();
      const late = setTimeout(() => void server.stop(true), settings.SHUTDOWN_MS_MAX);
      await stopped;
      clearTimeout(late);
      await service.close();
    },
  };
}

type Fetch = (request: Request, server: BunServer) => Response | Promise<Response>;

function listen({ PORT, HOST, HEARTBEAT_MS, UNSENT_BYTES_MAX }: Settings, fetch: Fetch): BunServer {
  const heartbeat_s = Math.ceil(HEARTBEAT_MS / 1_000);
  // A stream is never quiet for longer than its heartbeat, unless its reader has stalled: an answer that is broken off
  // leaves Bun waiting for that reader. 0 is no limit.
  const stream_idle_s = heartbeat_s * 2 + ping_s <= idle_s_max ? heartbeat_s * 2 + ping_s : 0;
  return serve<BunWebSocketData>({
    port: PORT,
    hostname: HOST,
    // An error page would show the source. Without it Bun would share the port with whoever has it already.
    development: false,
    reusePort: false,
    // Ours answers with a problem, and reads what it refuses so that the connection goes on.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    idleTimeout: request_s_max,
    fetch: async (request, server) => {
      const answer = await fetch(request, server);
      if (answer.headers.get('content-type')?.startsWith('text/event-stream')) server.timeout(request, stream_idle_s);
      return answer;
    },
    websocket: {
      ...websocket,
      maxPayloadLength: socket_message_bytes_max,
      // Ours comes first; this is for what should never be.
      backpressureLimit: 2 * UNSENT_BYTES_MAX + 1024 * 1024,
      closeOnBackpressureLimit: true,
      sendPings: true,
      idleTimeout: Math.min(heartbeat_s + ping_s, socket_idle_s_max),
    },
  });
}

runAsService(import.meta.url, startBun);
