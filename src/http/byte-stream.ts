/** An async iterable of chunks as a response body. */

/**
 * Chunks as a stream of bytes. The source is read only as fast as the client reads. When the source fails, `cut` is sent
 * last, and the stream then errors if `errors_visible`: the client must not take a truncated body for a complete one.
 * The error goes to `report` and never to the client.
 */
export function byteStream(
  source: AsyncIterable<Uint8Array>,
  { cut, errors_visible, report }: { cut: string; errors_visible: boolean; report(error: unknown): void },
): ReadableStream<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]();
  let cancelled = false;
  let failed = false;
  return new ReadableStream(
    {
      async pull(controller) {
        // Not before the next pull: an error drops the chunks that the client has not read yet.
        if (failed)
          return errors_visible ? controller.error(new Error('the response was cut off')) : controller.close();
        try {
          const chunk = await nextChunk(chunks);
          if (cancelled) return;
          if (chunk) controller.enqueue(chunk);
          else controller.close();
        } catch (error) {
          if (cancelled) return;
          report(error);
          failed = true;
          controller.enqueue(new TextEncoder().encode(cut));
        }
      },
      async cancel() {
        cancelled = true;
        await chunks.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

/** The next chunk that is not empty, or null at the end: a stream takes an empty one for a mistake of its source. */
async function nextChunk(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array | null> {
  for (;;) {
    const { done, value } = await chunks.next();
    if (done) return null;
    if (value.byteLength > 0) return value;
  }
}
