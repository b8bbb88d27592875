/** A proxy that caches query results as Hyperdrive does by default. */
import { connect, createServer, type Socket } from 'node:net';
import { afterAll } from 'vitest';

const sync = 0x53; // 'S' from the client: its question is complete
const simple = 0x51; // 'Q': a statement without parameters, a question by itself
const flush = 0x48; // 'H': it wants to hear what it has asked so far
const parse = 0x50; // 'P': the statement's text
const ready = 0x5a; // 'Z' from the server: so is the answer

/** Functions that PostgreSQL calls volatile or stable: statements with one are not cached. */
const uncached = /append_logs|drain_inbox|make_partitions|now\(|current_setting/;

/** Messages of the wire protocol (a type byte, then a length that counts itself), and what is not yet whole. */
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

/** Starts it in front of a database; ended after the file's tests. Returns the database's URL through it. */
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
    let asked = Buffer.alloc(0);
    let answered = Buffer.alloc(0);
    let statement = '';
    let question: Buffer[] = [];
    let answer: Buffer[] = [];
    /** Where the answer under way is to be kept, in the order of the questions. */
    const awaited: (string | null)[] = [];

    near.on('data', (bytes) => {
      if (!signedIn) return void far.write(bytes);
      const { frames, rest } = split(Buffer.concat([asked, bytes]));
      asked = Buffer.from(rest);
      for (const frame of frames) {
        question.push(frame);
        if (frame[0] === parse || frame[0] === simple) statement = frame.toString('latin1');
        if (frame[0] !== sync && frame[0] !== flush && frame[0] !== simple) continue;
        const whole = Buffer.concat(question);
        question = [];
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
          awaited.push(key);
          far.write(whole);
        }
      }
    });

    far.on('data', (bytes) => {
      near.write(bytes);
      const { frames, rest } = split(Buffer.concat([answered, bytes]));
      answered = Buffer.from(rest);
      for (const frame of frames) {
        answer.push(frame);
        if (frame[0] !== ready) continue;
        const key = signedIn ? awaited.shift() : null;
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
