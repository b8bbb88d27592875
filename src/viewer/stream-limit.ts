/** Limits the live pages of one session without HTTP/2, where a browser shares six connections between all tabs. */

/**
 * Without HTTP/2 a browser opens six connections per host, and each live page occupies one: a seventh page would never
 * load. One connection stays free for ordinary requests.
 */
export const streams_per_session_max = 5;

/** Registers an open stream; `signal` aborts when it ends. Beyond the limit the oldest stream is closed. */
export type StreamLimit = (session: string, close: () => void, signal: AbortSignal) => void;

/** Creates the limit of one service. It counts only the streams of this instance. */
export function streamLimit(): StreamLimit {
  const open = new Map<string, Set<() => void>>();
  return (session, close, signal) => {
    if (signal.aborted) return;
    const streams = open.get(session) ?? new Set();
    open.set(session, streams.add(close));
    const forget = () => {
      streams.delete(close);
      if (streams.size === 0 && open.get(session) === streams) open.delete(session);
    };
    signal.addEventListener('abort', forget, { once: true });
    const [oldest] = streams;
    if (oldest && streams.size > streams_per_session_max) oldest();
  };
}
