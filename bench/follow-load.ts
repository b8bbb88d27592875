/** Followers and a writer, in a process of their own: each follower counts its messages and takes their latency. */
import { fork } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

export type FollowOptions = {
  port: number;
  authorization: string;
  followers: number;
  /** Each follower has one of so many filters, which all match every event; 1 is no filter. */
  filters: number;
  events_per_s: number;
  events: number;
  /** The body of each POST; the reference sends it as it is. */
  body: string;
};

/** `counted` messages arrived, in that order of size; `latencies` are of a sample, in ms. */
export type FollowResult = { delivered: number; latencies: number[] };

/** The user of the events. */
export const follow_user = 'ana';

/** In the body: the time of its POST in ms, which has a fixed length. */
export const sent_mark = 'sent=';
const sent_digits = 13;
export const sentNow = () => `${sent_mark}${(performance.timeOrigin + performance.now()).toFixed(0)}`;
const sent_pattern = new RegExp(`${sent_mark}\\d{${sent_digits}}`);
/** Taking the time of each message would cost the client more than the service. */
const sampled = 20;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Opens a follower, and resolves when its response has begun. */
function openFollower({ port, authorization, filters }: FollowOptions, i: number, onData: (chunk: Buffer) => void) {
  return new Promise<Socket>((resolve, reject) => {
    // Two values of a field are alternatives: each filter is another one, and all of them match the user of the events.
    const query = filters > 1 ? `?user_id=${follow_user}&user_id=other-${i % filters}` : '';
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(
        `GET /api/logs/stream${query} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: ${authorization}\r\n\r\n`,
      ),
    );
    let isOpen = false;
    socket.on('data', (chunk) => {
      if (isOpen) return onData(chunk);
      isOpen = true;
      if (chunk.toString('latin1').startsWith('HTTP/1.1 200 ')) resolve(socket);
      else reject(new Error(String(chunk)));
    });
    socket.on('error', reject);
  });
}

async function run(order: FollowOptions): Promise<FollowResult> {
  const latencies: number[] = [];
  let delivered = 0;
  const mark = Buffer.from(sent_mark);
  const receive = (i: number) => {
    let rest = Buffer.alloc(0);
    return (chunk: Buffer) => {
      const text = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
      let at = text.indexOf(mark);
      let end = 0;
      for (; at >= 0 && at + mark.length + sent_digits <= text.length; at = text.indexOf(mark, end)) {
        end = at + mark.length + sent_digits;
        delivered += 1;
        if (i % sampled !== 0) continue;
        latencies.push(
          performance.timeOrigin + performance.now() - Number(text.toString('latin1', at + mark.length, end)),
        );
      }
      // A mark may be split between two chunks.
      rest = Buffer.from(text.subarray(Math.max(end, text.length - mark.length - sent_digits)));
    };
  };
  const sockets: Socket[] = [];
  for (let i = 0; i < order.followers; i++) sockets.push(await openFollower(order, i, receive(i)));
  process.send?.('open');
  await new Promise((resolve) => process.once('message', resolve));
  const writer = connect(order.port, '127.0.0.1');
  writer.on('data', () => {});
  const started = performance.now();
  for (let n = 0; n < order.events; n++) {
    const wait_ms = started + (n * 1_000) / order.events_per_s - performance.now();
    if (wait_ms > 0) await sleep(wait_ms);
    const body = order.body.replace(sent_pattern, sentNow());
    writer.write(
      `POST /api/logs HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: ${order.authorization}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
  }
  const wanted = order.followers * order.events;
  for (let waited_ms = 0; delivered < wanted && waited_ms < late_ms; waited_ms += 20) await sleep(20);
  writer.destroy();
  for (const socket of sockets) socket.destroy();
  if (delivered !== wanted) throw new Error(`${wanted} messages were due, ${delivered} came`);
  return { delivered, latencies };
}

const late_ms = 30_000;

/** Runs the followers and their writer in a process of their own. `measured` is called when all have been opened. */
export function runFollowers(order: FollowOptions, opened: () => Promise<void>): Promise<FollowResult> {
  return new Promise((resolve, reject) => {
    const execArgv = process.execArgv.filter((flag) => !/prof/.test(flag));
    const child = fork(fileURLToPath(import.meta.url), { execArgv });
    child.on('message', (message) => {
      if (message !== 'open') return resolve(message as FollowResult);
      opened().then(() => child.send('go'), reject);
    });
    child.once('exit', (code) => reject(new Error(`the followers ended with code ${code}`)));
    child.send(order);
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.once('message', (order: FollowOptions) => {
    run(order).then(
      (outcome) => process.send?.(outcome, () => process.exit(0)),
      (error) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
