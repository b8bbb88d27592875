/** A PostgreSQL server, by DATABASE_URL, through postgres.js. For processes that live long: a pool. */
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import postgres from 'postgres';
import { migrationsFolder, type OpenDatabase, takeOverLegacy } from './database.ts';

const connect_timeout_s = 5;
const reconnect_s = 0.25;
/** Any number, the same in every instance: whoever holds it migrates. */
const migration_lock = 7_238_160_451;

/** Connects lazily: an unreachable server shows at the first statement. `connections_max` is the size of the pool. */
export function openPostgres(url: string, connections_max: number): OpenDatabase {
  const client = connect(url, connections_max);
  // Drizzle rewrites the parsers of the client it is given: this one is its alone.
  const db = drizzle({ client });
  return {
    db,
    migrate: (say) => migrateAlone(url, say),
    close: () => client.end({ timeout: 5 }),
  };
}

const connect = (url: string, max: number) =>
  postgres(url, {
    max,
    connect_timeout: connect_timeout_s,
    onnotice: () => {},
    // It would ask for array types, which we do not use; cut off in that question, its rejection is nobody's to catch.
    fetch_types: false,
    // Its own would wait up to 20 s before it looks again, and every request with it.
    backoff: () => reconnect_s,
    // Times are read as ISO text in UTC, whatever the server, the database or the role is set to.
    connection: { application_name: 'edgetrail', TimeZone: 'UTC', DateStyle: 'ISO, MDY' },
  });

/**
 * Drizzle's migrator takes no lock, and two instances that start together would run the same DDL. The lock is held by
 * a transaction on a connection of its own (so it also works through a transaction pooler) and dies with it.
 */
async function migrateAlone(url: string, say: (line: string) => void): Promise<void> {
  const lock = connect(url, 1);
  const client = connect(url, 1);
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
