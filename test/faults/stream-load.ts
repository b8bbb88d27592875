/** Followers by SSE and WebSocket in a process of their own: each checks that its ids are without a gap, and a sample takes the latency. */
import { type ChildProcess, fork } from 'node:child_process';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';

export type StreamLoad = { url: string; authorization: string; n_streams: number; n_sockets: number };

/** Since the last call. `wrong` are events that came twice, too late, or never before a later one; `ended` are followers that ended. */
export type Seen = { delivered: number; wrong: number; ended: number; latencies: number[]; behind_most: number };

/** In the description of an event: when it was sent, in ms since 1970. */
export const sentNow = () => `sent=${Math.floor(performance.timeOrigin + performance.now())}`;
const sent = /sent=(\d{13})/;
/** Each so many follower takes the latency of its messages. */
const sampled = 10;
/** Opened at once. */
const n_at_once = 20;

type Counters = Omit<Seen, 'behind_most'>;

/** What one follower makes of an id and the text around it. */
function follower(counters: Counters, isSampled: boolean) {
  let last = 0;
  return {
    last: () => last,
    take(id: number, text: string): void {
      counters.delivered += 1;
      // The first event that it gets may be any.
      if (last > 0 && id !== last + 1) counters.wrong += 1;
      last = id;
      if (!isSampled) return;
      const at = Number(sent.exec(text)?.[1]);
      if (at > 0) counters.latencies.push(performance.timeOrigin + performance.now() - at);
    },
  };
}

type Follower = ReturnType<typeof follower>;

function openStream({ url, authorization }: StreamLoad, counters: Counters, one: Follower): Promise<void> {
  const { hostname, port, host } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () =>
      socket.write(`GET /api/logs/stream HTTP/1.1\r\nhost: ${host}\r\nauthorization: ${authorization}\r\n\r\n`),
    );
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: unknown) => {
      text += chunk;
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const message = text.slice(0, end);
        text = text.slice(end + 2);
        // The first message names the log and has no event.
        if (/^event: /m.test(message)) continue;
        const id = /^id: (\d+)/m.exec(message)?.[1];
        if (id && message.includes('data: ')) one.take(Number(id), message);
      }
      resolve();
    });
    socket.on('error', reject);
    socket.on('close', () => {
      counters.ended += 1;
    });
  });
}

function openSocket({ url, authorization }: StreamLoad, counters: Counters, one: Follower): Promise<void> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws/logs`, { headers: { authorization } });
  socket.on('message', (bytes) => {
    const { data } = JSON.parse(String(bytes)) as { data: { id: number; description: string }[] };
    for (const { id, description } of data) one.take(id, description);
  });
  socket.on('close', () => {
    counters.ended += 1;
  });
  return new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
}

async function run(order: StreamLoad): Promise<void> {
  const counters: Counters = { delivered: 0, wrong: 0, ended: 0, latencies: [] };
  const followers: Follower[] = [];
  const n = order.n_streams + order.n_sockets;
  let next = 0;
  const opener = async () => {
    while (next < n) {
      const i = next++;
      const one = follower(counters, i % sampled === 0);
      followers.push(one);
      await (i < order.n_streams ? openStream : openSocket)(order, counters, one);
    }
  };
  await Promise.all(Array.from({ length: n_at_once }, opener));
  process.send?.('open');
  process.on('message', (head) => {
    const behind_most = Math.max(0, ...followers.map(({ last }) => Number(head) - last()));
    process.send?.({ ...counters, behind_most } satisfies Seen);
    Object.assign(counters, { delivered: 0, wrong: 0, ended: 0, latencies: [] });
  });
}

/** Opens the followers in a process of their own. `take` says what was seen since the last call, and who is behind the newest id. */
export async function followAlong(order: StreamLoad) {
  const child = fork(fileURLToPath(import.meta.url), { execArgv: process.execArgv });
  child.send(order);
  await next(child);
  return {
    take: (head: number) => {
      child.send(head);
      return next(child) as Promise<Seen>;
    },
    end: () => void child.kill('SIGKILL'),
  };
}

function next(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`the followers ended with ${code}`));
    child.once('exit', ended);
    child.once('message', (message) => {
      child.off('exit', ended);
      resolve(message);
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.once('message', (order) => void run(order as StreamLoad));
