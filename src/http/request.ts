/** Reads a request: its query, and its body as text up to a limit. */
import type { Context } from 'hono';
import { Problem } from './problem.ts';

export const bodyLimits = { discarded_bytes_max: 64 * 1024 * 1024 } as const;

export const queryOf = (c: Context) => new URL(c.req.url).searchParams;

/** JSON of a text, or null. */
export function jsonOf<T>(text: string): T | null {
  try {
    return JSON.parse(text) as T;
  } catch {
    return null;
  }
}

const newDecoder = () => new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });
/** Keeps nothing between two calls. Making a decoder takes longer than a small body. */
const wholeDecoder = newDecoder();

/** Inflates gzip data; null when its content is longer than `bytes_max`. Rejects when it is broken. */
export type Gunzip = (bytes: Uint8Array, bytes_max: number) => Promise<Uint8Array | null>;

/**
 * The body as UTF-8 text. The limit holds for the body as it is sent, and for what `gunzip` makes of it. A read error is
 * reported as a 400: the connection to the client failed, not the service.
 */
export async function readText(c: Context, bytes_max: number, gunzip?: Gunzip): Promise<string> {
  const sent = await readChunks(c, bytes_max).catch((error) => {
    throw error instanceof Problem ? error : new Problem(400, 'The body could not be read to its end.');
  });
  const chunks = gunzip ? [await inflated(sent, bytes_max, gunzip)] : sent;
  try {
    const [only] = chunks;
    if (only && chunks.length === 1) return wholeDecoder.decode(only);
    const decoder = newDecoder();
    return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join('') + decoder.decode();
  } catch {
    throw new Problem(400, 'The body is not UTF-8.');
  }
}

async function inflated(sent: Uint8Array[], bytes_max: number, gunzip: Gunzip): Promise<Uint8Array> {
  const [only] = sent;
  const bytes = only && sent.length === 1 ? only : joined(sent);
  const content = await gunzip(bytes, bytes_max).catch(() => {
    throw new Problem(400, 'The body is not gzip, or it is cut off.');
  });
  if (!content) throw tooLarge(bytes_max, 'decompressed');
  return content;
}

function joined(chunks: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

const tooLarge = (bytes_max: number, how: 'sent' | 'decompressed') =>
  new Problem(
    413,
    `A request body may be at most ${bytes_max} bytes long${how === 'sent' ? '' : ` when it is ${how}`}: send the events in smaller batches.`,
  );

/**
 * Reads and discards a body that nobody has read, up to `discarded_bytes_max`: where the HTTP server resets a connection
 * whose request is answered before its end, a client that is still sending would not read the answer.
 */
export async function discardBody(request: Request): Promise<void> {
  if (!request.body || request.bodyUsed) return;
  let bytes = 0;
  try {
    for await (const chunk of request.body) {
      bytes += chunk.byteLength;
      if (bytes > bodyLimits.discarded_bytes_max) return;
    }
  } catch {
    // The client has gone: nobody reads the answer.
  }
}

/** The bytes of the body up to the limit; Content-Length may be missing or wrong. */
async function readChunks(c: Context, bytes_max: number): Promise<Uint8Array[]> {
  if (Number(c.req.header('content-length') ?? 0) > bytes_max) throw tooLarge(bytes_max, 'sent');
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  if (/^\d+$/.test(c.req.header('content-length') ?? '')) {
    // The HTTP server enforces Content-Length. Read at once: reading a stream costs a fifth of a small write.
    chunks.push(new Uint8Array(await c.req.arrayBuffer()));
  } else {
    // A body that is too large is read to its end and discarded: the rest would otherwise be parsed as the connection's
    // next request. Above `discarded_bytes_max` the connection is given up.
    for await (const chunk of c.req.raw.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes <= bytes_max) chunks.push(chunk);
      if (bytes > bodyLimits.discarded_bytes_max) throw tooLarge(bytes_max, 'sent');
    }
  }
  if (bytes > bytes_max) throw tooLarge(bytes_max, 'sent');
  return chunks;
}
