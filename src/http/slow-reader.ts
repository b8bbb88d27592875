/** The limits of a slow reader: how much a client may leave unread, and for how long, before it is disconnected. */
import { pause } from './pause.ts';

/** The destination of a live stream: an SSE response or a WebSocket. */
export type Outlet<Chunk> = {
  send(chunk: Chunk): void;
  /** Bytes that were sent and not yet read by the client. */
  unsent(): number;
  /** Resolves when the client may have read something, at the latest after `ms`. */
  taken(ms: number): Promise<void>;
};

export type OutletLimits = {
  /** A client may leave this many bytes unread; above it nothing more is sent. */
  unsent_bytes_max: number;
  /** A client above that limit that reads nothing for so long is disconnected; it resumes by its last id. */
  stall_ms_max: number;
};

/**
 * Sends a chunk as soon as the client's unread bytes allow it. Resolves to false when the client has stalled and must
 * be disconnected: waiting bounds the memory, and the deadline bounds the waiting.
 */
export async function sendWhenRoom<Chunk>(
  outlet: Outlet<Chunk>,
  chunk: Chunk,
  chunk_bytes: number,
  { unsent_bytes_max, stall_ms_max }: OutletLimits,
  signal: AbortSignal,
): Promise<boolean> {
  let deadline = performance.now() + stall_ms_max;
  for (let unread = outlet.unsent(); unread > 0 && unread + chunk_bytes > unsent_bytes_max; ) {
    if (signal.aborted) return true;
    if (performance.now() >= deadline) return false;
    await outlet.taken(deadline - performance.now());
    const now_unread = outlet.unsent();
    if (now_unread < unread) deadline = performance.now() + stall_ms_max;
    unread = now_unread;
  }
  if (!signal.aborted) outlet.send(chunk);
  return true;
}

/**
 * A response body that is written to from outside. `signal` fires when the client has left or the body has ended.
 * `cut` aborts the body so that the client sees an error; `end` closes it after the unread bytes.
 */
export function openResponseBody(unsent_bytes_max: number): {
  body: ReadableStream<Uint8Array>;
  outlet: Outlet<Uint8Array>;
  signal: AbortSignal;
  /** Whether bytes are unread and none were read since the last call. */
  stalled(): boolean;
  cut(): void;
  end(): void;
} {
  const ended = new AbortController();
  let sent_bytes = 0;
  let read_bytes = -1;
  let controller: ReadableStreamDefaultController<Uint8Array>;
  let sleeping = new AbortController();
  const body = new ReadableStream<Uint8Array>(
    {
      start(given) {
        controller = given;
      },
      pull: () => sleeping.abort(),
      cancel: () => leave(),
    },
    // The default strategy counts chunks. Below the mark `pull` is called at every read, which wakes a waiting sender.
    { highWaterMark: unsent_bytes_max, size: (chunk) => chunk.byteLength },
  );
  const leave = () => {
    ended.abort();
    sleeping.abort();
  };
  const finish = (how: () => void) => {
    if (ended.signal.aborted) return;
    how();
    leave();
  };
  const unsent = () => unsent_bytes_max - (controller.desiredSize ?? unsent_bytes_max);
  return {
    body,
    stalled: () => {
      const before = read_bytes;
      read_bytes = sent_bytes - unsent();
      return unsent() > 0 && read_bytes === before;
    },
    outlet: {
      send: (chunk) => {
        if (ended.signal.aborted) return;
        sent_bytes += chunk.byteLength;
        controller.enqueue(chunk);
      },
      unsent,
      taken: (ms) => {
        if (!ended.signal.aborted) sleeping = new AbortController();
        return pause(ms, sleeping.signal);
      },
    },
    signal: ended.signal,
    cut: () => finish(() => controller.error(new Error('the reader was too slow'))),
    end: () => finish(() => controller.close()),
  };
}
