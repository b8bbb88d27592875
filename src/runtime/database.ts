/** What both databases are to the rest: a Drizzle handle, its migrations and an end. */
import { fileURLToPath } from 'node:url';
import { sql } from 'drizzle-orm';
import type { Database } from '../log/schema.ts';

export type OpenDatabase = {
  db: Database;
  /** Applies what is missing. Safe when several do it at once. `say` hears of work that takes long. */
  migrate(say: (line: string) => void): Promise<void>;
  close(): Promise<void>;
};

export const migrationsFolder = fileURLToPath(new URL('../../drizzle', import.meta.url));

const legacy_rows_max = 5_000;

/**
 * Copies the old dashboard's table, if there is one, in pieces that each commit: cut off anywhere, it goes on where it
 * was. Done before the service answers, so that the old events have the lowest ids and no follower takes them for new.
 */
export async function takeOverLegacy(db: Database, say: (line: string) => void): Promise<void> {
  let copied = 0;
  for (;;) {
    const [step] = await db
      .select({ n: sql<number>`n`.mapWith(Number) })
      .from(sql`take_over_legacy(${legacy_rows_max}) as n`);
    if (!step?.n) break;
    copied += step.n;
    say(`taking over the old activity_logs: ${copied} events copied`);
  }
}
