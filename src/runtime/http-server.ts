/** Node's HTTP server: problem+json for requests that Node itself refuses, pings, and a shutdown that closes every socket. */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerOptions } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { WebSocket, WebSocketServer } from 'ws';

const openSockets = new WeakMap<Server, Set<Socket>>();

/**
 * A server that leaks no upgraded socket. Node passes every `Upgrade:` request to the upgrade listener, and node-server's
 * listener never responds to other protocols (h2c): they get a 501 here. After the response to a refused handshake the
 * socket is destroyed, because a client may never close its own side.
 */
export const httpServer = ((options: ServerOptions, listener: RequestListener) => {
  const server = createServer(options, listener);
  const open = new Set<Socket>();
  openSockets.set(server, open);
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.on('clientError', respondToParseError);
  const emit = server.emit.bind(server) as (event: string, ...rest: unknown[]) => boolean;
  server.emit = (event: string, ...rest: unknown[]) => {
    if (event !== 'upgrade') return emit(event, ...rest);
    const [request, socket] = rest as [IncomingMessage, Socket];
    socket.on('error', () => socket.destroy());
    socket.once('finish', () => socket.destroy());
    if (request.headers.upgrade?.toLowerCase() === 'websocket') return emit(event, ...rest);
    return respond(socket, 501, 'Not implemented', 'This service upgrades to WebSocket only.', request.method);
  };
  return server;
}) as typeof createServer;

/** Requests that Node's parser refuses never reach the app: they get the same kind of response here. */
function respondToParseError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
  else if (error.code === 'HPE_HEADER_OVERFLOW')
    respond(socket, 431, 'Too large', 'The address and headers of the request are too long.');
  else if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT')
    respond(socket, 408, 'Too slow', 'The request did not arrive completely in time.');
  else respond(socket, 400, 'Bad request', 'This is not an HTTP request.');
}

/** Without a body where the method is HEAD: a client would take it for the next response. */
function respond(socket: Duplex, status: number, title: string, detail: string, method?: string): true {
  const body = JSON.stringify({ type: 'about:blank', title, status, detail });
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${body.length}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${method === 'HEAD' ? '' : body}`);
  return true;
}

/**
 * Pings every socket, and terminates one that did not answer the previous ping: TCP alone may not notice a dead peer.
 * Returns how to stop.
 */
export function pingSockets(wss: WebSocketServer, every_ms: number, onSilent: () => void): () => void {
  const alive = new WeakSet<WebSocket>();
  wss.on('connection', (socket) => {
    alive.add(socket);
    socket.on('pong', () => alive.add(socket));
    socket.on('error', () => socket.terminate());
  });
  const check = () => {
    for (const socket of wss.clients) {
      if (alive.delete(socket)) socket.ping();
      else {
        socket.terminate();
        onSilent();
      }
    }
    timer = setTimeout(readFirst, every_ms);
  };
  let isStopped = false;
  // A timer that a busy process calls late comes before the answers that have arrived meanwhile: those are read first.
  const readFirst = () => setImmediate(() => setImmediate(() => isStopped || check()));
  let timer = setTimeout(readFirst, every_ms);
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}

/** Stops accepting, waits for running requests, and destroys the remaining sockets after `grace_ms`. */
export async function closeServer(server: Server, grace_ms: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // close() ends the connections that are idle now; this ends those that become idle later.
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  // closeAllConnections() skips upgraded sockets, and close() waits for those too.
  const late = setTimeout(() => {
    for (const socket of openSockets.get(server) ?? []) socket.destroy();
  }, grace_ms);
  await closed;
  clearInterval(idle);
  clearTimeout(late);
}
