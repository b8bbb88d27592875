/** Compression of a response body on Node and Bun. */
import { pipeline, Readable } from 'node:stream';
import { createGzip } from 'node:zlib';

/** The fastest level: an export has a third of its size with it, and the next ones take several times as long for little. */
const level = 1;
const chunkSize = 64 * 1024;

/**
 * A body as gzip (RFC 1952), read only as fast as the compressed bytes are: Duplex.toWeb of Node 20 counts the chunks that
 * it holds and not the bytes, and reads a whole export ahead of its client.
 */
export function gzip(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const compressed = createGzip({ level, chunkSize });
  // Its error reaches the client by the iteration.
  pipeline(Readable.from(body, { objectMode: false, highWaterMark: 0 }), compressed, () => {});
  const chunks = compressed[Symbol.asyncIterator]();
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value as Uint8Array);
      },
      async cancel() {
        await chunks.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
