/** An async iterable of text as a response body. */

const encoder = new TextEncoder();

/** Each chunk costs a system call and a gzip call: text is collected to about this size. */
const chunk_bytes_min = 64 * 1024;

/**
 * Text as a stream of bytes. The source is read only as fast as the client reads. When the source fails, `cut` is sent
 * last, and the stream then errors if `errors_visible`: the client must not take a truncated body for a complete one.
 * The error goes to `report` and never to the client.
 */
export function textStream(
  source: AsyncIterable<string>,
  { cut, errors_visible, report }: { cut: string; errors_visible: boolean; report(error: unknown): void },
): ReadableStream<Uint8Array> {
  const pieces = source[Symbol.asyncIterator]();
  let cancelled = false;
  let failed = false;
  return new ReadableStream(
    {
      async pull(controller) {
        // Not before the next pull: an error drops the chunks that the client has not read yet.
        if (failed)
          return errors_visible ? controller.error(new Error('the response was cut off')) : controller.close();
        try {
          let collected = '';
          while (collected.length < chunk_bytes_min) {
            const { done, value } = await pieces.next();
            if (cancelled) return;
            if (done) {
              if (collected) controller.enqueue(encoder.encode(collected));
              return controller.close();
            }
            collected += value;
          }
          controller.enqueue(encoder.encode(collected));
        } catch (error) {
          if (cancelled) return;
          report(error);
          failed = true;
          controller.enqueue(encoder.encode(cut));
        }
      },
      async cancel() {
        cancelled = true;
        await pieces.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
