/** The service on Node: `npm start`. */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerOptions } from 'node:http';
import type { Socket } from 'node:net';
import { resolve } from 'node:path';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { serve, upgradeWebSocket, type WebSocketServerLike } from '@hono/node-server';
import { serveStatic } from '@hono/node-server/serve-static';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Sockets } from '../app.ts';
import { readSettings, type Settings, SettingsError } from '../settings.ts';
import { FolderInUse } from './folder-lock.ts';
import { openService, report } from './service.ts';

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
      createServer: webSocketOnly,
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
      await closeServer(server, wss, settings.SHUTDOWN_MS_MAX);
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
    server.on('clientError', answerUnreadable);
    server.once('error', reject);
    server.once('listening', () => resolve(server));
  });
}

/** What Node's own parser refuses never reaches the app: it gets the same kind of answer here. */
function answerUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const problem =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? {
          type: 'about:blank',
          title: 'Too large',
          status: 431,
          detail: 'The address and headers of the request are too long.',
        }
      : { type: 'about:blank', title: 'Bad request', status: 400, detail: 'This is not an HTTP request.' };
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${body.length}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/**
 * Node hands any `Upgrade:` request to the upgrade listener, and node-server's leaves all but WebSockets hanging: one
 * leaked socket a request (Upgrade: h2c), and a server that never closes. Those are answered here and closed.
 */
const webSocketOnly = ((options: ServerOptions, listener: RequestListener) => {
  const server = createServer(options, listener);
  const emit = server.emit.bind(server) as (event: string, ...rest: unknown[]) => boolean;
  server.emit = (event: string, ...rest: unknown[]) => {
    const [request, socket] = rest as [IncomingMessage, Socket];
    if (event !== 'upgrade' || request.headers.upgrade?.toLowerCase() === 'websocket') return emit(event, ...rest);
    socket.on('error', () => socket.destroy());
    socket.end('HTTP/1.1 501 Not Implemented\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    return true;
  };
  return server;
}) as typeof createServer;

/** Pings every socket; one that did not answer the ping before is gone, whatever TCP believes. */
function pingSockets(wss: WebSocketServer, every_ms: number): NodeJS.Timeout {
  const answered = new WeakSet<WebSocket>();
  wss.on('connection', (socket) => {
    answered.add(socket);
    socket.on('pong', () => answered.add(socket));
    socket.on('error', () => socket.terminate());
  });
  return setInterval(() => {
    for (const socket of wss.clients) {
      if (!answered.delete(socket)) socket.terminate();
      else socket.ping();
    }
  }, every_ms);
}

/** Stops accepting, lets running requests and writes finish, and cuts what is left after `grace_ms`. */
async function closeServer(server: Server, wss: WebSocketServer, grace_ms: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // close() ends the connections that are idle now; those that fall idle while it waits are ended here.
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const late = setTimeout(() => {
    for (const socket of wss.clients) socket.terminate();
    server.closeAllConnections();
  }, grace_ms);
  await closed;
  clearInterval(idle);
  clearTimeout(late);
  for (const socket of wss.clients) socket.terminate();
}

async function main(): Promise<void> {
  const started = Date.now();
  const settings = readSettings(process.env);
  const running = await startNode(settings, (line) => console.log(line));
  const embedded = `PGlite in ${resolve(settings.DATA_DIR)} (survives a killed process; a power cut may lose the last seconds)`;
  console.log(`Edgetrail is ready after ${((Date.now() - started) / 1000).toFixed(1)} s
  address   ${running.url}
  data      ${settings.DATABASE_URL ? 'PostgreSQL by DATABASE_URL' : embedded}
  sign in   ${running.development ? 'admin / admin123 or guest / guest123: for development only, set USERS' : 'as one of USERS'}`);
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
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url))
  main().catch((error) => {
    if (error instanceof SettingsError) console.error(`Settings:\n  ${error.faults.join('\n  ')}`);
    else if (error instanceof FolderInUse) console.error(error.message);
    else if (error?.code === 'EADDRINUSE') console.error(`PORT: ${error.port} is in use on this machine`);
    else report('Edgetrail could not start', error);
    process.exit(1);
  });
