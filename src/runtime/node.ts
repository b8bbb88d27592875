/** The service on Node: `npm start`. */
import type { Server } from 'node:http';
import { type HttpBindings, serve, upgradeWebSocket, type WebSocketServerLike } from '@hono/node-server';
import { serveStatic } from '@hono/node-server/serve-static';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Sockets } from '../parts.ts';
import type { Settings } from '../settings.ts';
import { closeServer, httpServer, pingSockets } from './http-server.ts';
import { openNodeStream } from './node-stream.ts';
import { openService } from './service.ts';
import { publicFolder, type Running, runAsService, urlOf } from './service-process.ts';

/** Clients send no messages on a socket. The default limit of ws is 100 MiB. */
const socket_message_bytes_max = 4_096;
const request_ms_max = 60_000;
/** Longer than proxies and clients keep an idle connection (60 s): a request on one that closes meanwhile would fail. */
const keep_alive_ms = 75_000;

/** Starts the service and resolves when it listens. `close` does what SIGTERM does. */
export async function startNode(settings: Settings, logLine: (line: string) => void = () => {}): Promise<Running> {
  const wss = new WebSocketServer({ noServer: true, maxPayload: socket_message_bytes_max });
  const sockets: Sockets = {
    upgrade: upgradeWebSocket,
    unsent: (raw) => (raw as WebSocket).bufferedAmount,
    cut: (raw) => (raw as WebSocket).terminate(),
  };
  const assets = serveStatic({
    root: publicFolder,
    rewriteRequestPath: (path) => path.replace(/^\/public/, ''),
  });
  const service = await openService(settings, {
    sockets,
    openStream: openNodeStream,
    peerAddress: (c) => (c.env as Partial<HttpBindings>).incoming?.socket.remoteAddress,
    assets,
    runtime: 'node',
    logLine,
  });
  const stopPinging = pingSockets(wss, settings.HEARTBEAT_MS, () => {
    service.meter.cuts.silent += 1;
  });
  const server = await listen(settings, (options) =>
    serve({
      fetch: service.app.fetch,
      createServer: httpServer,
      websocket: { server: wss as WebSocketServerLike },
      ...options,
    }),
  ).catch(async (error) => {
    stopPinging();
    await service.close();
    throw error;
  });
  const address = server.address();
  return {
    url: urlOf(settings, typeof address === 'object' && address ? address.port : settings.PORT),
    development: service.development,
    isReady: service.isReady,
    ready: service.ready,
    close: async () => {
      service.tail.stop();
      await closeServer(server, settings.SHUTDOWN_MS_MAX);
      stopPinging();
      await service.close();
    },
  };
}

function listen(
  { PORT: port, HOST: hostname }: Settings,
  start: (options: { port: number; hostname: string }) => ReturnType<typeof serve>,
): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = start({ port, hostname }) as Server;
    server.requestTimeout = request_ms_max;
    server.keepAliveTimeout = keep_alive_ms;
    server.once('error', reject);
    server.once('listening', () => resolve(server));
  });
}

runAsService(import.meta.url, startNode);
