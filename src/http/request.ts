/** What a request carries: its query, and its body as text within a limit. */
import type { Context } from 'hono';
import { Problem } from './problem.ts';

export const bodyLimits = { discarded_bytes_max: 64 * 1024 * 1024 } as const;

export const queryOf = (c: Context) => new URL(c.req.url).searchParams;

/** The body as text. What keeps it from being read to its end is the sender's connection, not ours. */
export async function readText(c: Context, bytes_max: number): Promise<string> {
  const chunks = await readChunks(c, bytes_max).catch((error) => {
    throw error instanceof Problem ? error : new Problem(400, 'The body could not be read to its end.');
  });
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });
    return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join('') + decoder.decode();
  } catch {
    throw new Problem(400, 'The body is not UTF-8.');
  }
}

/** The bytes of the body, read no further than the limit: a Content-Length may be missing, or lie. */
async function readChunks(c: Context, bytes_max: number): Promise<Uint8Array[]> {
  const tooLarge = () =>
    new Problem(413, `A request body may be at most ${bytes_max} bytes long: send the events in smaller batches.`);
  if (Number(c.req.header('content-length') ?? 0) > bytes_max) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  if (/^\d+$/.test(c.req.header('content-length') ?? '')) {
    // The server holds a body to its Content-Length. Read whole: a stream costs a fifth of a small write.
    chunks.push(new Uint8Array(await c.req.arrayBuffer()));
  } else {
    // Read to its end even when it is too large: breaking off would leave the rest in the connection, and its next
    // request would find it there. A client that goes on for ever is cut off.
    for await (const chunk of c.req.raw.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes <= bytes_max) chunks.push(chunk);
      if (bytes > bodyLimits.discarded_bytes_max) throw tooLarge();
    }
  }
  if (bytes > bytes_max) throw tooLarge();
  return chunks;
}
