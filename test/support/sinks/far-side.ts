/** Far sides of sinks: HTTP servers on loopback that check what they are sent, keep it, and misbehave on a seed. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** What a far side says of a request; `cut` closes the connection instead, after it has kept what it was sent. */
export type Reply = {
  status?: number;
  headers?: Record<string, string>;
  body?: unknown;
  cut?: boolean;
  wait_ms?: number;
};
export type Asked = { method: string; path: string; headers: IncomingMessage['headers']; body: Buffer; at_ms: number };

export type FarSide = {
  url: string;
  /** The requests, without their bodies. */
  asked: Omit<Asked, 'body'>[];
  /** Requests that were open at the same time, at most. */
  overlap: number;
  /** What was wrong with a request: a strict far side would have refused it. */
  faults: string[];
  /** Sees each request before it is answered. */
  see?(asked: Asked): void;
  /** Refuses connections from now on, and cuts those that are open. */
  close(): Promise<void>;
  /** Listens again, at the same address. */
  open(): Promise<void>;
};

/** A random number generator with a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Starts a far side. What `reply` throws is a fault of the request, and answered with 500. */
export async function farSide(reply: (asked: Asked) => Reply): Promise<FarSide> {
  const sockets = new Set<Socket>();
  let open = 0;
  const nothing = async () => {};
  const side: FarSide = { url: '', asked: [], overlap: 0, faults: [], close: nothing, open: nothing };
  const server: Server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    open += 1;
    side.overlap = Math.max(side.overlap, open);
    response.once('close', () => {
      open -= 1;
    });
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return; // The sender was killed.
    }
    const asked = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      at_ms: performance.now(),
    };
    side.asked.push(asked);
    let answer: Reply;
    try {
      const whole = { ...asked, body: Buffer.concat(chunks) };
      side.see?.(whole);
      answer = reply(whole);
    } catch (error) {
      side.faults.push(String(error));
      answer = { status: 500, body: 'the far side has found a fault' };
    }
    const { status = 200, headers = {}, body = '', cut = false, wait_ms = 0 } = answer;
    if (wait_ms > 0) await new Promise((resolve) => setTimeout(resolve, wait_ms));
    if (cut) return void request.socket.destroy();
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  side.url = `http://127.0.0.1:${port}`;
  side.open = () => listen(port);
  side.close = () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return side;
}
