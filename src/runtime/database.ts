/** The interface of both databases (PostgreSQL, PGlite): a Drizzle handle, `migrate` and `close`. */
import { fileURLToPath } from 'node:url';
import { sql } from 'drizzle-orm';
import type { Reads } from '../log/reads.ts';
import type { Room } from '../log/room.ts';
import type { Database } from '../log/schema.ts';

export type OpenDatabase = {
  /** For writers. */
  db: Database;
  /** For readers. */
  reads: Reads;
  /** Asked before each write. */
  room: Room;
  /** Applies pending migrations. Several processes may call it at once. `logLine` receives progress messages. */
  migrate(logLine: (line: string) => void): Promise<void>;
  close(): Promise<void>;
};

export const migrationsFolder = fileURLToPath(new URL('../../drizzle', import.meta.url));

const legacy_rows_max = 5_000;

/**
 * Copies the old dashboard's table, if there is one, in batches that each commit: after an interruption it resumes at
 * the next batch. It runs before the service accepts requests, so that the old events have the lowest ids and no
 * follower receives them as new.
 */
export async function takeOverLegacy(db: Database, room: Room, logLine: (line: string) => void): Promise<void> {
  let copied = 0;
  for (;;) {
    const [step] = await db
      .select({ n: sql<number>`n`.mapWith(Number) })
      .from(sql`take_over_legacy(${legacy_rows_max}) as n`);
    if (!step?.n) break;
    copied += step.n;
    room.forEvents(0);
    logLine(`taking over the old activity_logs: ${copied} events copied`);
  }
}
