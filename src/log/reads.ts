/** How readers reach the database: separately from writers, and with a deadline where the database has one. */
import { sql } from 'drizzle-orm';
import { eventLoopTurn } from '../http/pause.ts';
import type { Database } from './schema.ts';

/** Runs a reader's queries. Rejects with SQLSTATE 57014 when one of them passed its deadline. */
export type Reads = {
  <T>(run: (db: Database) => Promise<T>): Promise<T>;
  /** After how long the database cancels a statement; null for a database that cannot. */
  readonly deadline_ms: number | null;
};

/**
 * Reads on the writers' handle and without a deadline: for an embedded database, which has neither. It runs in the process:
 * between two reads the event loop has a turn, or the reads of one request would hold it together.
 */
export const sharedReads = (db: Database): Reads =>
  Object.assign(
    async <T>(run: (db: Database) => Promise<T>) => {
      await eventLoopTurn();
      return run(db);
    },
    { deadline_ms: null },
  );

/**
 * Reads in transactions that carry the deadline. It costs three round trips a read, and works through a transaction
 * pooler, which keeps no session. JIT is off: the planner overestimates what a filter matches, and compiling cannot be
 * cancelled.
 */
export const transactionReads = (db: Database, read_ms_max: number): Reads =>
  Object.assign(
    <T>(run: (db: Database) => Promise<T>) =>
      db.transaction(async (tx) => {
        await tx.execute(
          sql`select set_config('statement_timeout', ${String(read_ms_max)}, true), set_config('jit', 'off', true)`,
        );
        return run(tx);
      }),
    { deadline_ms: read_ms_max },
  );

/** Reads on a handle whose sessions have the deadline, or whose pooler keeps it. */
export const sessionReads = (db: Database, deadline_ms: number): Reads =>
  Object.assign(<T>(run: (db: Database) => Promise<T>) => run(db), { deadline_ms });
