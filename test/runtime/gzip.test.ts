/** A compressed body is read only as fast as its client reads, and ends as its source does. */
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { gzip } from '../../src/runtime/gzip.ts';

const chunk_bytes = 64 * 1024;

/** A body of chunks that do not become smaller; `end` is called after `n` of them. */
function bodyOf(n: number, end: (controller: ReadableStreamDefaultController<Uint8Array>) => void) {
  const seen = { pulled: 0, cancelled: false };
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (seen.pulled === n) return end(controller);
        seen.pulled += 1;
        controller.enqueue(crypto.getRandomValues(new Uint8Array(chunk_bytes)));
      },
      cancel() {
        seen.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { body, seen };
}

it('is complete', async () => {
  const { body } = bodyOf(20, (controller) => controller.close());
  const bytes = await new Response(gzip(body)).arrayBuffer();
  expect(gunzipSync(new Uint8Array(bytes))).toHaveLength(20 * chunk_bytes);
});

it('is not read from its source while its client does not read', async () => {
  const { body, seen } = bodyOf(1_000, (controller) => controller.close());
  const reader = gzip(body).getReader();
  await reader.read();
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(seen.pulled).toBeLessThan(20);
  await reader.cancel();
  await expect.poll(() => seen.cancelled).toBe(true);
});

it('fails when its source fails', async () => {
  const { body } = bodyOf(3, (controller) => controller.error(new Error('cut off')));
  await expect(new Response(gzip(body)).arrayBuffer()).rejects.toThrow();
});
