/**
 * The load generator of the benchmark, a process of its own: each caller keeps one connection and sends a request after
 * each response. It uses raw sockets, because node:http would need as much CPU time as the service.
 */
import { fork } from 'node:child_process';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { shopEvent, shopTexts } from './shop.ts';

export type LoadOptions = {
  port: number;
  token: string;
  callers: number;
  /** Events per POST; 0 for GETs of `path`, each of which counts as one. */
  rows: number;
  path?: string;
  warm_ms: number;
  ms: number;
};

/** The events acknowledged with a 201, warm-up included; then rows, seconds and latencies (ms) of the measured part. */
export type LoadResult = { acknowledged: number; rows: number; seconds: number; latencies: number[] };

const singles_in_pool = 8_192;
const batches_in_pool = 24;

function bodies(rows: number): string[] {
  if (rows > 1) return shopTexts(batches_in_pool, rows);
  return Array.from({ length: singles_in_pool }, (_, i) => JSON.stringify(shopEvent(i)));
}

const getOf = ({ port, token, path }: LoadOptions) =>
  Buffer.from(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${token}\r\n\r\n`);

const postOf = ({ port, token }: LoadOptions, body: string) =>
  Buffer.from(
    `POST /api/logs HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${token}\r\n` +
      `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );

/** One connection: `request` resolves when the response is complete, and rejects unless it is a 200 or 201. */
function openCaller(port: number) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let answered: { resolve(): void; reject(error: Error): void } | null = null;
  let head = '';
  let missing_bytes = 0;
  const fail = (why: string) => answered?.reject(new Error(why));
  socket.on('error', (error) => fail(error.message));
  socket.on('close', () => fail('the service closed the connection'));
  socket.on('data', (chunk) => {
    if (missing_bytes === 0) {
      // The head may arrive in pieces; the rest is the start of the body.
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = /\r\ncontent-length: (\d+)\r\n/i.exec(head.slice(0, end + 2))?.[1];
      if (!/^HTTP\/1\.1 20[01] /.test(head) || !length) return fail(head.slice(0, 600));
      missing_bytes = Number(length) - (head.length - end - 4);
      head = '';
    } else missing_bytes -= chunk.length;
    if (missing_bytes === 0) answered?.resolve();
  });
  return {
    request: (bytes: Buffer) =>
      new Promise<void>((resolve, reject) => {
        answered = { resolve, reject };
        socket.write(bytes);
      }),
    close: () => {
      answered = null;
      socket.destroy();
    },
  };
}

async function run(order: LoadOptions): Promise<LoadResult> {
  const requests = order.rows > 0 ? bodies(order.rows).map((body) => postOf(order, body)) : [getOf(order)];
  const counted = order.rows || 1;
  const outcome: LoadResult = { acknowledged: 0, rows: 0, seconds: order.ms / 1000, latencies: [] };
  const from = performance.now() + order.warm_ms;
  const until = from + order.ms;
  let next = 0;
  async function call(): Promise<void> {
    const caller = openCaller(order.port);
    for (let now = performance.now(); now < until; ) {
      const request = requests[next++ % requests.length] as Buffer;
      await caller.request(request);
      const then = performance.now();
      outcome.acknowledged += counted;
      if (then >= from && then < until) {
        outcome.rows += counted;
        outcome.latencies.push(then - now);
      }
      now = then;
    }
    caller.close();
  }
  await Promise.all(Array.from({ length: order.callers }, call));
  return outcome;
}

/** Runs the load generator in its own process, so that it does not share the service's event loop. */
export function runLoad(order: LoadOptions): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const execArgv = process.execArgv.filter((flag) => !/prof/.test(flag));
    const child = fork(fileURLToPath(import.meta.url), { execArgv });
    child.once('message', (outcome) => resolve(outcome as LoadResult));
    child.once('exit', (code) => reject(new Error(`the load ended with code ${code}`)));
    child.send(order);
  });
}

const isOwnProcess = process.argv[1] === fileURLToPath(import.meta.url);
if (isOwnProcess)
  process.once('message', (order: LoadOptions) => {
    run(order).then(
      (outcome) => process.send?.(outcome, () => process.exit(0)),
      (error) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
