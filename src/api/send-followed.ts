/** What every follower shares: the log is followed, and each batch is sent in pieces at the client's pace. */
import { hasRoom, type Outlet, sendWhenRoom } from '../http/slow-reader.ts';
import type { Filter } from '../log/filter.ts';
import type { Position } from '../log/position.ts';
import type { Batch } from '../log/tail.ts';
import type { Parts } from '../parts.ts';

/** The size of one piece of a batch: small against UNSENT_BYTES_MAX, so that unread bytes are counted in fine steps. */
export const piece_chars_max = 64 * 1024;

/** Follows the log and sends to an outlet until either ends. Resolves to false when the client stalled and must be disconnected. */
export function sendFollowed<Chunk extends { length: number }>(
  { tail, limits }: Parts,
  filter: Filter,
  after: number,
  signal: AbortSignal,
  outlet: Outlet<Chunk>,
  chunksOf: (batch: Batch) => Chunk[],
  moved: (position: Position) => void = () => {},
): Promise<boolean> {
  const bounds = { unsent_bytes_max: limits.UNSENT_BYTES_MAX, stall_ms_max: limits.STALL_MS_MAX };
  const done = ({ cursor, at_ms }: Batch) => {
    moved({ id: cursor, at_ms });
    return true;
  };
  /** For a client that has no room for the chunks from `i` on. */
  const sendSlowly = async (batch: Batch, chunks: Chunk[], i: number) => {
    for (const chunk of chunks.slice(i))
      if (!(await sendWhenRoom(outlet, chunk, chunk.length, bounds, signal))) return false;
    return done(batch);
  };
  return tail.deliver(after, filter, signal, (batch) => {
    const chunks = chunksOf(batch);
    for (const [i, chunk] of chunks.entries()) {
      if (!hasRoom(outlet, chunk.length, bounds)) return sendSlowly(batch, chunks, i);
      outlet.send(chunk);
    }
    return done(batch);
  });
}
