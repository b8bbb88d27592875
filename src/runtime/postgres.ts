/** A PostgreSQL server, by DATABASE_URL, through postgres.js. For processes that live long: a pool. */
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import { isStartupRefused } from '../http/problem.ts';
import { type Reads, transactionReads } from '../log/reads.ts';
import { serverRoom } from '../log/room.ts';
import { migrationsFolder, type OpenDatabase, takeOverLegacy } from './database.ts';
import { postgresClient } from './postgres-client.ts';

/** Any number, the same in every instance: whoever holds it migrates. */
const migration_lock = 7_238_160_451;

/** Of the connections, these are for writers: readers must not keep them waiting. */
const write_connections_max = 3;

/**
 * Connects lazily: an unreachable server shows at the first statement. A third of the connections, at most three, are
 * for writers, the others for readers, whose statements are cancelled after `read_ms_max`.
 */
export function openPostgres(url: string, connections_max: number, read_ms_max = default_read_ms_max): OpenDatabase {
  const n_writers = Math.min(write_connections_max, Math.max(1, Math.floor(connections_max / 3)));
  const client = postgresClient(url, n_writers);
  // Drizzle rewrites the parsers of the client it is given: this one is its alone.
  const db = drizzle({ client });
  const readers = connections_max > n_writers ? openReaders(url, connections_max - n_writers, read_ms_max) : null;
  return {
    db,
    reads: readers?.reads ?? transactionReads(db, read_ms_max),
    room: serverRoom,
    migrate: (say) => migrateAlone(url, say),
    close: async () => void (await Promise.all([client.end({ timeout: 5 }), readers?.close()])),
  };
}

const default_read_ms_max = 15_000;

/**
 * A pool for readers. The deadline is a parameter of its connections, which costs nothing. A transaction pooler refuses
 * it: then each read is a transaction that sets the deadline itself.
 */
function openReaders(url: string, max: number, read_ms_max: number): { reads: Reads; close(): Promise<void> } {
  const session = { statement_timeout: String(read_ms_max), jit: 'off' };
  let client = postgresClient(url, max, { session });
  let db = drizzle({ client });
  let inTransactions: Reads | null = null;
  const reads: Reads = async (run) => {
    if (inTransactions) return inTransactions(run);
    return run(db).catch((error) => {
      if (!isStartupRefused(error)) throw error;
      if (!inTransactions) {
        const refused = client;
        client = postgresClient(url, max);
        db = drizzle({ client });
        inTransactions = transactionReads(db, read_ms_max);
        void refused.end({ timeout: 0 });
      }
      return inTransactions(run);
    });
  };
  return { reads, close: () => client.end({ timeout: 5 }) };
}

/**
 * Drizzle's migrator takes no lock, and two instances that start together would run the same DDL. The lock is held by
 * a transaction on a connection of its own (so it also works through a transaction pooler) and dies with it.
 */
async function migrateAlone(url: string, say: (line: string) => void): Promise<void> {
  const lock = postgresClient(url, 1);
  const client = postgresClient(url, 1);
  try {
    await lock.begin(async (held) => {
      await held`set local idle_in_transaction_session_timeout = 0`;
      await held`select pg_advisory_xact_lock(${migration_lock})`;
      const db = drizzle({ client });
      await migrate(db, { migrationsFolder });
      await takeOverLegacy(db, serverRoom, say);
    });
  } finally {
    await Promise.all([lock.end({ timeout: 5 }), client.end({ timeout: 5 })]);
  }
}
