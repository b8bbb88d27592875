/** A PostgreSQL server, by DATABASE_URL, through postgres.js. For processes that live long: a pool. */
import { drizzle } from 'drizzle-orm/postgres-js';
import { isStartupRefused } from '../http/problem.ts';
import { type Reads, transactionReads } from '../log/reads.ts';
import { serverRoom } from '../log/room.ts';
import type { Database } from '../log/schema.ts';
import { type OpenDatabase, takeOverLegacy } from './database.ts';
import { MigrationUrlError } from './database-errors.ts';
import { grantService, identityOf, requireLog, roleOf } from './grants.ts';
import { applyMigrations } from './migrations.ts';
import { type ClientOptions, postgresClient } from './postgres-client.ts';
import { serverSockets } from './server-socket.ts';

/** Any number, the same in every instance: whoever holds it migrates. */
const migration_lock = 7_238_160_451;

/** Of the connections, these are for writers: readers must not keep them waiting. */
const write_connections_max = 3;

/** How long the server may send nothing while a writer waits for it. Writers wait for locks for two seconds. */
const write_silence_ms_max = 10_000;
/** The server cancels a read at its deadline: when that does not arrive either, the connection is dead. */
const read_silence_ms_more = 5_000;

/** A client of a long-running process. `silence_ms_max` is for requests; null for migrations, which run long statements. */
export const serverClient = (url: string, max: number, silence_ms_max: number | null, options: ClientOptions = {}) =>
  postgresClient(url, max, { ...options, sockets: serverSockets(silence_ms_max) });

/**
 * Connects lazily: an unreachable server shows at the first statement. With a `migration_url` migrations run with that one,
 * and its role grants the role of `url` its rights. A third of the connections, at most three, are
 * for writers, the others for readers, whose statements are cancelled after `read_ms_max`.
 */
export function openPostgres(
  url: string,
  connections_max: number,
  read_ms_max = default_read_ms_max,
  migration_url = '',
): OpenDatabase {
  const n_writers = Math.min(write_connections_max, Math.max(1, Math.floor(connections_max / 3)));
  const client = serverClient(url, n_writers, write_silence_ms_max);
  // Drizzle rewrites the parsers of the client it is given: this one is its alone.
  const db = drizzle({ client });
  const closed = new AbortController();
  const readers = connections_max > n_writers ? openReaders(url, connections_max - n_writers, read_ms_max) : null;
  return {
    db,
    reads: readers?.reads ?? transactionReads(db, read_ms_max),
    room: serverRoom,
    migrate: async (say) => {
      if (migration_url === '') return void (await migrateAlone(url, say, closed.signal));
      const role = await roleOf(db);
      const identity = await migrateAlone(migration_url, say, closed.signal, role).catch((error) => {
        throw new MigrationUrlError(error);
      });
      await requireLog(db, role, identity);
    },
    close: async () => {
      closed.abort();
      await Promise.all([client.end({ timeout: 5 }), readers?.close()]);
    },
  };
}

const default_read_ms_max = 15_000;

/**
 * A pool for readers. The deadline is a parameter of its connections, which costs nothing. A transaction pooler refuses
 * it: then each read is a transaction that sets the deadline itself.
 */
function openReaders(url: string, max: number, read_ms_max: number): { reads: Reads; close(): Promise<void> } {
  const session = { statement_timeout: String(read_ms_max), jit: 'off' };
  const silence_ms_max = read_ms_max + read_silence_ms_more;
  let client = serverClient(url, max, silence_ms_max, { session });
  let db = drizzle({ client });
  let inTransactions: Reads | null = null;
  const read = async <T>(run: (from: Database) => Promise<T>): Promise<T> => {
    if (inTransactions) return inTransactions(run);
    return run(db).catch((error) => {
      if (!isStartupRefused(error)) throw error;
      if (!inTransactions) {
        const refused = client;
        client = serverClient(url, max, silence_ms_max);
        db = drizzle({ client });
        inTransactions = transactionReads(db, read_ms_max);
        void refused.end({ timeout: 0 });
      }
      return inTransactions(run);
    });
  };
  return { reads: Object.assign(read, { deadline_ms: read_ms_max }), close: () => client.end({ timeout: 5 }) };
}

/**
 * Two instances that start together would run the same DDL. The lock is held by a transaction on a connection of its own
 * (so it also works through a transaction pooler) and dies with it. `role` gets its rights. Returns the identity of the log.
 */
async function migrateAlone(
  url: string,
  say: (line: string) => void,
  closed: AbortSignal,
  role?: string,
): Promise<string> {
  const lock = serverClient(url, 1, null);
  const client = serverClient(url, 1, null);
  try {
    return await lock.begin(async (held) => {
      await held`set local idle_in_transaction_session_timeout = 0`;
      const [tried] = await held`select pg_try_advisory_xact_lock(${migration_lock}) as is_mine`;
      if (!tried?.is_mine) {
        say('another process migrates the tables: this one waits for it');
        await held`select pg_advisory_xact_lock(${migration_lock})`;
      }
      const db = drizzle({ client });
      await applyMigrations(db, say, closed);
      await takeOverLegacy(db, serverRoom, say);
      if (role !== undefined) await grantService(db, role);
      return identityOf(db);
    });
  } finally {
    await Promise.all([lock.end({ timeout: 5 }), client.end({ timeout: 5 })]);
  }
}
