/** A proxy that caches query results as Hyperdrive does by default. */
import { connect, createServer, type Socket } from 'node:net';
import { afterAll } from 'vitest';

const sync = 0x53; // 'S' from the client: the end of a query
const simple = 0x51; // 'Q': a simple query, complete in one message
const flush = 0x48; // 'H': a request for the results so far
const parse = 0x50; // 'P': the text of a statement
const ready = 0x5a; // 'Z' from the server: the end of a response

/** Functions that PostgreSQL calls volatile or stable: statements with one are not cached. */
const uncached = /append_logs|drain_inbox|make_partitions|make_months|now\(|current_setting/;

/** Splits bytes into messages of the wire protocol (a type byte, then a length that includes itself) and the rest. */
function split(bytes: Buffer): { frames: Buffer[]; rest: Buffer } {
  const frames: Buffer[] = [];
  let at = 0;
  while (bytes.length - at >= 5) {
    const end = at + 1 + bytes.readUInt32BE(at + 1);
    if (end > bytes.length) break;
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  return { frames, rest: bytes.subarray(at) };
}

/** Starts the proxy in front of a database; returns the URL of the database through it. Stops it after the file's tests. */
export async function cachingProxyTo(databaseUrl: string): Promise<string> {
  const target = new URL(databaseUrl);
  const answers = new Map<string, Buffer>();
  const open = new Set<Socket>();

  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => other.destroy());
    }
    let signedIn = false;
    let clientRest = Buffer.alloc(0);
    let serverRest = Buffer.alloc(0);
    let statement = '';
    let query: Buffer[] = [];
    let answer: Buffer[] = [];
    /** The cache keys of the running queries, in order; null for a query that is not cached. */
    const pending: (string | null)[] = [];

    near.on('data', (bytes) => {
      if (!signedIn) return void far.write(bytes);
      const { frames, rest } = split(Buffer.concat([clientRest, bytes]));
      clientRest = Buffer.from(rest);
      for (const frame of frames) {
        query.push(frame);
        if (frame[0] === parse || frame[0] === simple) statement = frame.toString('latin1');
        if (frame[0] !== sync && frame[0] !== flush && frame[0] !== simple) continue;
        const whole = Buffer.concat(query);
        query = [];
        answer = [];
        if (frame[0] === flush) {
          far.write(whole);
          continue;
        }
        const key =
          /select/i.test(statement) && !uncached.test(statement) ? statement + whole.toString('latin1') : null;
        const known = key === null ? undefined : answers.get(key);
        if (known) near.write(known);
        else {
          pending.push(key);
          far.write(whole);
        }
      }
    });

    far.on('data', (bytes) => {
      near.write(bytes);
      const { frames, rest } = split(Buffer.concat([serverRest, bytes]));
      serverRest = Buffer.from(rest);
      for (const frame of frames) {
        answer.push(frame);
        if (frame[0] !== ready) continue;
        const key = signedIn ? pending.shift() : null;
        if (key) answers.set(key, Buffer.concat(answer));
        answer = [];
        signedIn = true;
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterAll(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  const address = server.address();
  const through = new URL(databaseUrl);
  through.port = String(typeof address === 'object' && address ? address.port : 0);
  return through.href;
}
