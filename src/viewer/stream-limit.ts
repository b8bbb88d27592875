/** How many live pages one session may have where a browser shares a few connections between all of its tabs. */

/**
 * Without HTTP/2 browsers open six connections to a host, and each live page occupies one: a seventh page would never
 * load. One connection stays free for the pages themselves.
 */
export const streams_per_session_max = 5;

/** Registers a stream that was opened; `signal` is its end. The oldest stream beyond the limit is closed. */
export type StreamLimit = (session: string, close: () => void, signal: AbortSignal) => void;

/** A limit of its own for each service. Only streams of this instance are counted. */
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
