/** A PostgreSQL server, by DATABASE_URL, through postgres.js. For processes that live long: a pool. */
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import { migrationsFolder, type OpenDatabase, takeOverLegacy } from './database.ts';
import { postgresClient } from './postgres-client.ts';

/** Any number, the same in every instance: whoever holds it migrates. */
const migration_lock = 7_238_160_451;

/** Connects lazily: an unreachable server shows at the first statement. `connections_max` is the size of the pool. */
export function openPostgres(url: string, connections_max: number): OpenDatabase {
  const client = postgresClient(url, connections_max);
  // Drizzle rewrites the parsers of the client it is given: this one is its alone.
  const db = drizzle({ client });
  return {
    db,
    migrate: (say) => migrateAlone(url, say),
    close: () => client.end({ timeout: 5 }),
  };
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
      await takeOverLegacy(db, say);
    });
  } finally {
    await Promise.all([lock.end({ timeout: 5 }), client.end({ timeout: 5 })]);
  }
}
