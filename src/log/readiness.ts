/** Whether the log can be written to: the database responds in time, is writable, and ids are dense. */
import { sql } from 'drizzle-orm';
import { pause } from '../http/pause.ts';
import { isTransient, unavailable } from '../http/problem.ts';
import { densityCheck } from './density.ts';
import type { Reads } from './reads.ts';
import type { Room } from './room.ts';
import type { Database } from './schema.ts';

export const readinessLimits = {
  /** How long the database may take to respond, and how long an append may run while the log counts as ready. */
  response_ms_max: 3_000,
  /** How long readiness waits for the density check; a later result is not used. */
  density_ms_max: 1_000,
} as const;

export function readinessOf(db: Database, reads: Reads, head: () => Promise<number>, room: Room) {
  const densityFault = densityCheck(reads);
  /** When the running append began, by the monotonic clock; null while none runs. They run one at a time. */
  let appending_since: number | null = null;

  /** Passes an append on. Another connection may respond while the one that it runs on does not. */
  async function watchAppend<T>(append: Promise<T>): Promise<T> {
    appending_since = performance.now();
    return append.finally(() => {
      appending_since = null;
    });
  }

  async function isWritable(): Promise<boolean> {
    const [seen] = await db
      .select({
        writable: sql<boolean>`not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off'`,
      })
      // One row without columns: drizzle requires a FROM.
      .from(sql`(select) as nothing`);
    return seen?.writable === true;
  }

  /** Rejects unless the database responds in time and the log can be written to. */
  async function ready(): Promise<void> {
    const writable = await within(readinessLimits.response_ms_max, isWritable());
    const append_ms = appending_since === null ? 0 : performance.now() - appending_since;
    if (writable === null || append_ms > readinessLimits.response_ms_max)
      throw unavailable('The database does not respond in time.');
    if (!writable) throw unavailable('The database is read-only.');
    room.forEvents(0);
    // Slow reads must not make a log unready that can be written to: the newest id, too, is read where they queue.
    const check = head()
      .then(densityFault)
      .catch((error) => {
        if (isTransient(error)) return null;
        throw error;
      });
    const fault = await within(readinessLimits.density_ms_max, check);
    if (fault) throw unavailable(fault);
  }

  return { ready, watchAppend };
}

/** The value, or null when it takes longer. */
async function within<T>(ms: number, value: Promise<T>): Promise<T | null> {
  const late = new AbortController();
  try {
    return await Promise.race([value, pause(ms, late.signal).then(() => null)]);
  } finally {
    late.abort();
  }
}
