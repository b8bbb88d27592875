/** A TCP proxy in front of a database: a test can count its bytes, cut or silence the connections, and restore them. */
import { connect, createServer, type Socket } from 'node:net';
import { atEnd } from './at-end.ts';
import { freePort } from './postgres-server.ts';

export type Proxy = {
  /** The database's URL through the proxy. */
  url: string;
  /** Bytes that the database has sent so far. */
  received(): number;
  /** Statements so far that read entries of the log. */
  logReads(): number;
  /** Connections so far. */
  opened(): number;
  /** Drops every connection and refuses new ones. */
  close(): Promise<void>;
  /** Listens again on the same port. */
  open(): Promise<void>;
  /** Keeps every connection open and passes no byte on, in either direction; with `fresh`, those of new ones neither. */
  swallow(how?: { fresh: boolean }): void;
  /** Passes the bytes of new connections on again. A connection that was swallowed stays dead. */
  pass(): void;
};

const readsLog = 'from "activity_logs"';

/**
 * Opens a proxy to a database; closes it after the file's tests. Connections above `connections_max` wait until others
 * end, as with a connection pooler.
 */
export async function proxyTo(databaseUrl: string, connections_max = Number.POSITIVE_INFINITY): Promise<Proxy> {
  const target = new URL(databaseUrl);
  const open = new Set<Socket>();
  const waiting = new Set<Socket>();
  let received = 0;
  let n_logReads = 0;
  let n_opened = 0;
  let n_joined = 0;
  let isSwallowing = false;
  const silence = (socket: Socket) => socket.unpipe().resume();
  const server = createServer((near) => {
    near.on('error', () => {});
    n_opened += 1;
    if (n_joined < connections_max) return join(near);
    waiting.add(near);
    near.on('close', () => waiting.delete(near));
  });
  function join(near: Socket): void {
    n_joined += 1;
    const far = connect(Number(target.port), target.hostname);
    far.on('data', (chunk) => {
      received += chunk.length;
    });
    // A statement may arrive in pieces.
    let asked = '';
    near.on('data', (chunk: Buffer) => {
      const parts = (asked + chunk.toString('latin1')).split(readsLog);
      n_logReads += parts.length - 1;
      asked = parts.at(-1)?.slice(-readsLog.length) ?? '';
    });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        open.delete(socket);
        other.destroy();
      });
      if (isSwallowing) silence(socket);
      else socket.pipe(other);
    }
    far.on('close', () => {
      n_joined -= 1;
      const [next] = waiting;
      if (!next || n_joined >= connections_max) return;
      waiting.delete(next);
      join(next);
    });
  }
  // Of its own choice: while the proxy is closed no other process may get its port.
  const port = await freePort();
  const listen = () =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
  await listen();
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of [...waiting, ...open]) socket.destroy();
    });
  atEnd(close);
  const url = new URL(databaseUrl);
  url.port = String(port);
  const swallow = ({ fresh } = { fresh: false }) => {
    isSwallowing = fresh;
    for (const socket of open) silence(socket);
  };
  const pass = () => {
    isSwallowing = false;
  };
  return {
    url: url.href,
    received: () => received,
    logReads: () => n_logReads,
    opened: () => n_opened,
    close,
    open: listen,
    swallow,
    pass,
  };
}
