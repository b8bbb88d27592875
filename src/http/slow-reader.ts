/** The limits of a slow reader: how much a client may leave unread, and for how long, before it is disconnected. */
import type { Context } from 'hono';
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

/** Whether a chunk may be sent: an empty outlet takes a chunk of any size. */
export function hasRoom<Chunk>(
  outlet: Outlet<Chunk>,
  chunk_bytes: number,
  { unsent_bytes_max }: Pick<OutletLimits, 'unsent_bytes_max'>,
): boolean {
  const unread = outlet.unsent();
  return unread <= 0 || unread + chunk_bytes <= unsent_bytes_max;
}

/**
 * Sends a chunk as soon as the client's unread bytes allow it. Resolves to false when the client has stalled and must
 * be disconnected: waiting bounds the memory, and the deadline bounds the waiting.
 */
export async function sendWhenRoom<Chunk>(
  outlet: Outlet<Chunk>,
  chunk: Chunk,
  chunk_bytes: number,
  limits: OutletLimits,
  signal: AbortSignal,
): Promise<boolean> {
  const { stall_ms_max } = limits;
  let deadline = performance.now() + stall_ms_max;
  for (let unread = outlet.unsent(); !hasRoom(outlet, chunk_bytes, limits); ) {
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

/** A live response, which is written to from outside. */
export type OpenedStream = {
  response: Response;
  outlet: Outlet<Uint8Array>;
  /** Fires when the client has left or the response has ended. */
  signal: AbortSignal;
  /** Whether bytes are unread and none were read since the last call. */
  stalled(): boolean;
  /** Aborts the response, so that the client sees an error. */
  cut(): void;
  /** Ends the response after the unread bytes. */
  end(): void;
};

/** Opens the response to a request, with status 200. `unsent_bytes_max` is the size of its buffer. */
export type OpenStream = (c: Context, headers: Record<string, string>, unsent_bytes_max: number) => OpenedStream;

/** A live response as a Web stream, for runtimes that have nothing cheaper. */
export const openWebStream: OpenStream = (c, headers, unsent_bytes_max) => {
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
  // On Workers the body is not cancelled when the client leaves: there only the request's signal fires.
  const { signal } = c.req.raw;
  const end = () => finish(() => controller.close());
  signal.addEventListener('abort', end);
  if (signal.aborted) end();
  return {
    response: c.body(body, 200, headers),
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
    end,
  };
};
