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
import { openService } from './service.ts';
import { publicFolder, type Running, runAsService, urlOf } from './service-process.ts';

/** Clients send no messages on a socket. Bun's default limit is 16 MiB. */
const socket_message_bytes_max = 4_096;
/** The idle timeout of a connection. Bun applies it to the whole of a head or body that arrives slowly, too. */
const request_s_max = 60;
/** Bun's largest idleTimeout for a request. */
const idle_s_max = 255;
/** Bun's largest idleTimeout for a WebSocket. */
const socket_idle_s_max = 960;
/** Bun sends its ping this long before the idle timeout, or later. */
const ping_s = 8;
const drain_ms = 50;

type BunServer = Server<BunWebSocketData>;

/** hono's own helper calls `next` when the upgrade fails, and the response would then be about the method. */
const upgrade = defineWebSocketHelper((c, events) => {
  const data = { events, url: new URL(c.req.url), protocol: '' };
  if (!getBunServer<BunServer>(c)?.upgrade(c.req.raw, { data }))
    throw new Problem(400, 'This is not the handshake of a WebSocket.');
  return new Response(null);
});

/** Starts the service and resolves when it listens. `close` does what SIGTERM does. */
export async function startBun(settings: Settings, logLine: (line: string) => void = () => {}): Promise<Running> {
  // hono makes a new WSContext for each event: `raw` is the one object per socket.
  const sockets: Sockets = {
    upgrade,
    unsent: (raw) => (raw as ServerWebSocket<unknown>).getBufferedAmount(),
    cut: (raw) => (raw as ServerWebSocket<unknown>).terminate(),
  };
  const assets = serveStatic({
    root: publicFolder,
    rewriteRequestPath: (path) => path.replace(/^\/public/, ''),
  });
  const service = await openService(settings, {
    sockets,
    peerAddress: (c) => getBunServer<BunServer>(c)?.requestIP(c.req.raw)?.address,
    assets,
    runtime: 'bun',
    logLine,
  });
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
    isReady: service.isReady,
    ready: service.ready,
    close: async () => {
      service.tail.stop();
      // Bun counts a connection as idle until it has read its request: wait, so that received requests are read.
      await new Promise((resolve) => setTimeout(resolve, drain_ms));
      // Stops accepting, closes idle connections, and waits for the others.
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
  // A stream writes at least one heartbeat per period. Only a stalled reader exceeds this timeout: without it, Bun would
  // wait for that reader after the response failed. 0 means no limit.
  const stream_idle_s = heartbeat_s * 2 + ping_s <= idle_s_max ? heartbeat_s * 2 + ping_s : 0;
  return serve<BunWebSocketData>({
    port: PORT,
    hostname: HOST,
    // The development error page shows source code. `reusePort` would share a port that another process listens on.
    development: false,
    reusePort: false,
    // The app enforces BODY_BYTES_MAX itself: with a problem response, and it drains the body so that keep-alive works.
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
      // UNSENT_BYTES_MAX applies first; this is a second line of defence.
      backpressureLimit: 2 * UNSENT_BYTES_MAX + 1024 * 1024,
      closeOnBackpressureLimit: true,
      sendPings: true,
      idleTimeout: Math.min(heartbeat_s + ping_s, socket_idle_s_max),
    },
  });
}

runAsService(import.meta.url, startBun);
