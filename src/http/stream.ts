/** An async iterable as a Web stream, the SSE line format, and the rule by which a reader is too slow. */
import { pause } from './pause.ts';

const encoder = new TextEncoder();

/**
 * One message of a server-sent event stream (WHATWG HTML §9.2.5): bare LF line ends, as a CR could be split from its
 * LF by a chunk. `id` and `event` must hold no line break: they are ours, never a caller's. A message without data
 * only moves the client's Last-Event-ID on.
 */
export function sseMessage({ id, event, data }: { id?: number; event?: string; data?: string }): string {
  const lines = data === undefined ? [] : data.split(/\r\n|\r|\n/).map((line) => `data: ${line}`);
  return [...(event ? [`event: ${event}`] : []), ...(id === undefined ? [] : [`id: ${id}`]), ...lines, '', ''].join(
    '\n',
  );
}

/** A comment: keeps proxies from closing a quiet stream; clients ignore it. */
export const sseComment = (text: string) => `: ${text}\n\n`;

/** Small writes cost a system call and a gzip call each: text is gathered to about this size. */
const chunk_bytes_min = 64 * 1024;

/**
 * Text as a stream of bytes, read only as fast as it is taken. When the source fails, `cut` is the last that is sent,
 * and then the stream errors if `errors_show`: the client must see a cut and not an end. The cause goes to `report`,
 * never over the wire.
 */
export function textStream(
  source: AsyncIterable<string>,
  { cut, errors_show, report }: { cut: string; errors_show: boolean; report(error: unknown): void },
): ReadableStream<Uint8Array> {
  const pieces = source[Symbol.asyncIterator]();
  let left = false;
  let failed = false;
  return new ReadableStream(
    {
      async pull(controller) {
        // At the next pull only: an error drops what the reader has not taken.
        if (failed) return errors_show ? controller.error(new Error('the answer was cut off')) : controller.close();
        try {
          let gathered = '';
          while (gathered.length < chunk_bytes_min) {
            const { done, value } = await pieces.next();
            if (left) return;
            if (done) {
              if (gathered) controller.enqueue(encoder.encode(gathered));
              return controller.close();
            }
            gathered += value;
          }
          controller.enqueue(encoder.encode(gathered));
        } catch (error) {
          if (left) return;
          report(error);
          failed = true;
          controller.enqueue(encoder.encode(cut));
        }
      },
      async cancel() {
        left = true;
        await pieces.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

/** Where a live stream goes: an SSE response or a socket. */
export type Outlet<Chunk> = {
  send(chunk: Chunk): void;
  /** Bytes handed over and not yet taken by the reader. */
  unsent(): number;
  /** Resolves when the reader may have taken something, at the latest after `ms`. */
  taken(ms: number): Promise<void>;
};

export type OutletLimits = {
  /** A reader may owe us this many bytes; beyond it nothing more is read for it. */
  unsent_bytes_max: number;
  /** A reader that owes that much and takes nothing for so long is cut; it resumes by its last id. */
  stall_ms_max: number;
};

/**
 * Hands a chunk over as soon as the reader has room. Resolves to false when the reader has stalled and must be cut:
 * memory is bounded by waiting, and waiting is bounded by time.
 */
export async function sendWhenRoom<Chunk>(
  outlet: Outlet<Chunk>,
  chunk: Chunk,
  chunk_bytes: number,
  { unsent_bytes_max, stall_ms_max }: OutletLimits,
  signal: AbortSignal,
): Promise<boolean> {
  let deadline = Date.now() + stall_ms_max;
  for (let owed = outlet.unsent(); owed > 0 && owed + chunk_bytes > unsent_bytes_max; ) {
    if (signal.aborted) return true;
    if (Date.now() >= deadline) return false;
    await outlet.taken(deadline - Date.now());
    const still = outlet.unsent();
    if (still < owed) deadline = Date.now() + stall_ms_max;
    owed = still;
  }
  if (!signal.aborted) outlet.send(chunk);
  return true;
}

/**
 * A response body that is written to from outside. `signal` fires when the reader has left or the body has ended.
 * `cut` breaks it off so that the reader notices; `end` lets what is owed go out first.
 */
export function openResponseBody(unsent_bytes_max: number): {
  body: ReadableStream<Uint8Array>;
  outlet: Outlet<Uint8Array>;
  signal: AbortSignal;
  /** Whether something lies there and nothing was taken since this was last asked. */
  stalled(): boolean;
  cut(): void;
  end(): void;
} {
  const over = new AbortController();
  let sent_bytes = 0;
  let taken_bytes = -1;
  let controller: ReadableStreamDefaultController<Uint8Array>;
  let nap = new AbortController();
  const body = new ReadableStream<Uint8Array>(
    {
      start(given) {
        controller = given;
      },
      pull: () => nap.abort(),
      cancel: () => leave(),
    },
    // The default strategy counts chunks. Below the mark `pull` is called at every read: that is how we notice one.
    { highWaterMark: unsent_bytes_max, size: (chunk) => chunk.byteLength },
  );
  const leave = () => {
    over.abort();
    nap.abort();
  };
  const finish = (how: () => void) => {
    if (over.signal.aborted) return;
    how();
    leave();
  };
  const unsent = () => unsent_bytes_max - (controller.desiredSize ?? unsent_bytes_max);
  return {
    body,
    stalled: () => {
      const before = taken_bytes;
      taken_bytes = sent_bytes - unsent();
      return unsent() > 0 && taken_bytes === before;
    },
    outlet: {
      send: (chunk) => {
        if (over.signal.aborted) return;
        sent_bytes += chunk.byteLength;
        controller.enqueue(chunk);
      },
      unsent,
      taken: (ms) => {
        if (!over.signal.aborted) nap = new AbortController();
        return pause(ms, nap.signal);
      },
    },
    signal: over.signal,
    cut: () => finish(() => controller.error(new Error('the reader was too slow'))),
    end: () => finish(() => controller.close()),
  };
}
