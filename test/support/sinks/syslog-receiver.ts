/** A strict receiver of syslog over TLS: frames with octet counting, one request a connection, and an end that it decides. */
import { readFile } from 'node:fs/promises';
import type { AddressInfo, Socket } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';

export type SyslogReceiver = {
  url: string;
  /** The ids of the messages of each connection that has ended, in the order received. */
  requests: number[][];
  /** What was wrong with a frame. */
  faults: string[];
  /** What it does with the next connection: breaks it off after the first bytes, or reads it and waits for `release`. */
  next: 'take' | 'break' | 'wait';
  /** Lets the connections end that have waited. */
  release(): void;
  close(): Promise<void>;
};

const decoder = new TextDecoder('utf-8', { fatal: true });

/** The messages of the frames `MSG-LEN SP MSG`; throws where one is cut or is no message of version 1. */
export function framesOf(bytes: Uint8Array): string[] {
  const messages: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = decoder.decode(bytes.subarray(at, space));
    if (space < 0 || !/^[1-9]\d*$/.test(length)) throw new Error(`the length ${length}`);
    const end = space + 1 + Number(length);
    if (end > bytes.length) throw new Error('the frame is cut');
    const message = decoder.decode(bytes.subarray(space + 1, end));
    if (!/^<\d{1,3}>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+ \S+ - \S+ [-[]/.test(message))
      throw new Error(message);
    messages.push(message);
    at = end;
  }
  return messages;
}

export async function syslogReceiver({ cert, key }: { cert: string; key: string }): Promise<SyslogReceiver> {
  const open = new Set<Socket>();
  const waiting = new Set<TLSSocket>();
  const options = { cert: await readFile(cert), key: await readFile(key), allowHalfOpen: true };
  const server = createServer(options, (socket) => {
    const does = receiver.next;
    receiver.next = 'take';
    const chunks: Buffer[] = [];
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      if (does === 'break') socket.destroy();
      chunks.push(chunk);
    });
    socket.on('end', () => {
      if (does === 'break') return;
      try {
        const messages = framesOf(Buffer.concat(chunks));
        receiver.requests.push(messages.map((message) => Number(/ id="(\d+)"/.exec(message)?.[1])));
      } catch (error) {
        receiver.faults.push(String(error));
      }
      if (does === 'wait') waiting.add(socket);
      else socket.end();
    });
  });
  // Below TLS: also those whose handshake was broken off.
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  // A client that does not trust the certificate breaks the handshake off.
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const receiver: SyslogReceiver = {
    url: `tls://localhost:${(server.address() as AddressInfo).port}`,
    requests: [],
    faults: [],
    next: 'take',
    release: () => {
      for (const socket of waiting) socket.end();
      waiting.clear();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
  return receiver;
}
