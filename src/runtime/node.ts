/** The service on Node: `npm start`. */
import type { Server } from 'node:http';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serve, upgradeWebSocket, type WebSocketServerLike } from '@hono/node-server';
import { serveStatic } from '@hono/node-server/serve-static';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Sockets } from '../parts.ts';
import { readSettings, type Settings, SettingsError } from '../settings.ts';
import { FolderInUse } from './folder-lock.ts';
import { closeServer, httpServer, pingSockets } from './http-server.ts';
import { report } from './report.ts';
import { openService } from './service.ts';

const publicFolder = fileURLToPath(new URL('../../public', import.meta.url));

/** Clients have nothing to say on a socket; ws would take 100 MiB. */
const socket_message_bytes_max = 4_096;
const request_ms_max = 60_000;

export type Running = { url: string; development: boolean; close(): Promise<void> };

/** Starts the service and resolves when it answers. `close` ends it as SIGTERM does. */
export async function startNode(settings: Settings, say: (line: string) => void = () => {}): Promise<Running> {
  const wss = new WebSocketServer({ noServer: true, maxPayload: socket_message_bytes_max });
  const sockets: Sockets = {
    upgrade: upgradeWebSocket,
    unsent: (raw) => (raw as WebSocket).bufferedAmount,
    cut: (raw) => (raw as WebSocket).terminate(),
  };
  const assets = serveStatic({
    root: publicFolder,
    rewriteRequestPath: (path) => path.replace(/^\/public/, ''),
    onFound: (_path, c) => c.header('cache-control', 'public, max-age=300'),
  });
  const service = await openService(settings, { sockets, assets, say });
  const pinging = pingSockets(wss, settings.HEARTBEAT_MS);
  const server = await listen(settings, (options) =>
    serve({
      fetch: service.app.fetch,
      createServer: httpServer,
      websocket: { server: wss as WebSocketServerLike },
      ...options,
    }),
  ).catch(async (error) => {
    clearInterval(pinging);
    await service.close();
    throw error;
  });
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : settings.PORT;
  const host = settings.HOST.includes(':') ? `[${settings.HOST}]` : settings.HOST;
  return {
    url: `http://${host === '127.0.0.1' ? 'localhost' : host}:${port}`,
    development: service.development,
    close: async () => {
      service.tail.stop();
      await closeServer(server, settings.SHUTDOWN_MS_MAX);
      clearInterval(pinging);
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
    server.once('error', reject);
    server.once('listening', () => resolve(server));
  });
}

async function main(): Promise<void> {
  const started = Date.now();
  const settings = readSettings(process.env);
  const running = await startNode(settings, (line) => console.log(line));
  // Before it is said that all is ready: who waits for that may send the signal at once.
  let stopping = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      if (stopping) process.exit(1);
      stopping = true;
      running.close().then(
        () => process.exit(0),
        (error) => {
          report('the shutdown failed', error);
          process.exit(1);
        },
      );
    });
  const embedded = `PGlite in ${resolve(settings.DATA_DIR)} (survives a killed process; a power cut may lose the last seconds)`;
  console.log(`Edgetrail is ready after ${((Date.now() - started) / 1000).toFixed(1)} s
  address   ${running.url}
  data      ${settings.DATABASE_URL ? 'PostgreSQL by DATABASE_URL' : embedded}
  sign in   ${running.development ? 'admin / admin123 or guest / guest123: for development only, set USERS' : 'as one of USERS'}`);
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url))
  main().catch((error) => {
    if (error instanceof SettingsError) console.error(`Settings:\n  ${error.faults.join('\n  ')}`);
    else if (error instanceof FolderInUse) console.error(error.message);
    else if (error?.code === 'EADDRINUSE') console.error(`PORT: ${error.port} is in use on this machine`);
    else report('Edgetrail could not start', error);
    process.exit(1);
  });
