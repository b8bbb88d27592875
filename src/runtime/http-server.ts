/** Node's HTTP server as we need it: nothing it answers by itself stays unexplained, no socket outlives it. */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerOptions } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { WebSocket, WebSocketServer } from 'ws';

const openSockets = new WeakMap<Server, Set<Socket>>();

/**
 * A server that leaks no upgraded socket. Node hands any `Upgrade:` request to the upgrade listener, and
 * node-server's leaves all but WebSockets hanging (Upgrade: h2c): those are answered here. And an answered handshake
 * is over, though the client may never close its own side.
 */
export const httpServer = ((options: ServerOptions, listener: RequestListener) => {
  const server = createServer(options, listener);
  const open = new Set<Socket>();
  openSockets.set(server, open);
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.on('clientError', answerUnreadable);
  const emit = server.emit.bind(server) as (event: string, ...rest: unknown[]) => boolean;
  server.emit = (event: string, ...rest: unknown[]) => {
    if (event !== 'upgrade') return emit(event, ...rest);
    const [request, socket] = rest as [IncomingMessage, Socket];
    socket.on('error', () => socket.destroy());
    socket.once('finish', () => socket.destroy());
    if (request.headers.upgrade?.toLowerCase() === 'websocket') return emit(event, ...rest);
    return answer(socket, 501, 'Not implemented', 'This service upgrades to WebSocket only.');
  };
  return server;
}) as typeof createServer;

/** What Node's own parser refuses never reaches the app: it gets the same kind of answer here. */
function answerUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
  else if (error.code === 'HPE_HEADER_OVERFLOW')
    answer(socket, 431, 'Too large', 'The address and headers of the request are too long.');
  else answer(socket, 400, 'Bad request', 'This is not an HTTP request.');
}

function answer(socket: Duplex, status: number, title: string, detail: string): true {
  const body = JSON.stringify({ type: 'about:blank', title, status, detail });
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${body.length}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  return true;
}

/** Pings every socket; one that did not answer the ping before is gone, whatever TCP believes. */
export function pingSockets(wss: WebSocketServer, every_ms: number): NodeJS.Timeout {
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
export async function closeServer(server: Server, grace_ms: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // close() ends the connections that are idle now; those that fall idle while it waits are ended here.
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  // closeAllConnections() would leave the upgraded ones, and close() waits for those too.
  const late = setTimeout(() => {
    for (const socket of openSockets.get(server) ?? []) socket.destroy();
  }, grace_ms);
  await closed;
  clearInterval(idle);
  clearTimeout(late);
}
