/** Followers for tests: by SSE, by WebSocket, reconnecting, and one that never reads. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { Entry } from '../../src/log/schema.ts';
import { credentials, isEntry, type SseMessage, sseMessages, type TestService } from '../support/harness.ts';

export const order = (n: number, more: object = {}) => ({
  event_type: 'CREATE',
  entity_type: 'order',
  entity_id: String(n),
  ...more,
});
export const orders = (n: number, more: object = {}) => Array.from({ length: n }, (_, i) => order(i, more));

/** An SSE follower, as a guest. */
export const follow = (service: TestService, query = '', headers: Record<string, string> = {}) =>
  service.request(`/api/logs/stream${query}`, { as: 'guest', headers });

/** Reads the first `n` wanted messages of a stream, then closes it. */
export async function take(
  answer: Response,
  n: number,
  wanted: (message: SseMessage) => boolean = isEntry,
): Promise<SseMessage[]> {
  const taken: SseMessage[] = [];
  for await (const message of sseMessages(answer)) {
    if (wanted(message)) taken.push(message);
    if (taken.length === n) break;
  }
  return taken;
}

export const idsOf = (messages: SseMessage[]) => messages.map(({ id }) => Number(id));

export type Envelope = { type: string; count: number; data: Entry[] };

export type SocketFollower = {
  socket: WebSocket;
  messages: Envelope[];
  /** The ids of all events that it received. */
  ids(): number[];
  /** The code it was closed with. */
  closed: Promise<number>;
};

/** A WebSocket follower, as a guest, once it is open. */
export async function followSocket(
  service: TestService,
  query = '',
  onMessage: (message: Envelope) => void = () => {},
): Promise<SocketFollower> {
  const socket = new WebSocket(`${service.url.replace('http', 'ws')}/ws/logs${query}`, {
    headers: { authorization: credentials.guest },
  });
  const messages: Envelope[] = [];
  // Before `open`: the first message may arrive together with the response to the handshake.
  socket.on('message', (text) => {
    const message = JSON.parse(String(text)) as Envelope;
    // The first message names the log and has no event.
    if (message.count > 0) messages.push(message);
    onMessage(message);
  });
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => {});
  return { socket, messages, ids: () => messages.flatMap(({ data }) => data.map(({ id }) => id)), closed };
}

/** A follower that sends its request and never reads the response. */
export async function openUnreadStream(service: TestService, path: string): Promise<Socket> {
  const { hostname, port } = new URL(service.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  socket.pause();
  await once(socket, 'connect');
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: ${credentials.guest}\r\n\r\n`);
  return socket;
}
