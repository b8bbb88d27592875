/** Applies Drizzle's migrations to a PostgreSQL log that is in use: each in a transaction of its own, and none waits long for a lock. */
import { sql } from 'drizzle-orm';
import { type MigrationMeta, readMigrationFiles } from 'drizzle-orm/migrator';
import { pause } from '../http/pause.ts';
import { isLocked } from '../http/problem.ts';
import type { Database } from '../log/schema.ts';
import { migrationsFolder } from './database.ts';

/**
 * Who waits for a lock on a table makes everybody wait who comes after. So a migration waits for so long, and then gives
 * up, lets the others through and tries again.
 */
const lock_ms_max = 100;
/**
 * Each tenth attempt waits for longer than `deadlock_timeout`, after which the server ends an autovacuum that is in the way,
 * and for less than the two seconds after which a writer gives up.
 */
const long_lock_ms_max = 1_200;
const long_each = 10;
const retry_ms_min = 500;
const retry_ms_max = 1_000;
/**
 * Between two migrations. Others get in between, and a call of a function that the first one replaced ends, or queues for
 * its lock, before the second one changes the tables of that function.
 */
const between_ms = 200;
/** It says again after this long what it waits for. */
const report_ms = 30_000;

type Migration = Pick<MigrationMeta, 'sql' | 'hash' | 'folderMillis'>;

/**
 * Applies what is pending, as Drizzle's migrator does and into its table. Only one process may do so at a time. Rejects
 * when `closed` fires. Those of an empty database are one transaction, so that no writer meets half of the tables.
 */
export async function applyMigrations(
  db: Database,
  say: (line: string) => void,
  closed: AbortSignal,
  all: Migration[] = readMigrationFiles({ migrationsFolder }),
): Promise<void> {
  await db.execute(sql`create schema if not exists drizzle`);
  await db.execute(
    sql`create table if not exists drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)`,
  );
  const [applied] = await db
    .select({ newest: sql<number | null>`max(created_at)::float8` })
    .from(sql`drizzle.__drizzle_migrations`);
  const newest = applied?.newest ?? 0;
  // Not refused: instances are updated one after the other, and each migration keeps the older version working.
  if (newest > (all.at(-1)?.folderMillis ?? 0))
    say('the tables were migrated by a newer version of Edgetrail than this one');
  const pending = all.filter(({ folderMillis }) => folderMillis > newest);
  const groups = newest === 0 ? [pending] : pending.map((one) => [one]);
  for (const [i, group] of groups.entries()) {
    if (i > 0) await pause(between_ms, closed);
    requireOpen(closed);
    await applyWhenFree(db, group, say, closed);
  }
}

async function applyWhenFree(db: Database, group: Migration[], say: (line: string) => void, closed: AbortSignal) {
  const from = Date.now();
  let said: number | null = null;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await apply(db, group, attempt % long_each === 0 ? long_lock_ms_max : lock_ms_max);
      if (said !== null) say(`the tables were free after ${Math.round((Date.now() - from) / 1000)} s and are migrated`);
      return;
    } catch (error) {
      if (!isLocked(error)) throw error;
    }
    if (said === null || Date.now() - said >= report_ms) {
      said = Date.now();
      say(`a migration waits until its tables are free for a moment, and keeps nobody waiting: ${await holderOf(db)}`);
    }
    await pause(retry_ms_min + Math.random() * (retry_ms_max - retry_ms_min), closed);
    requireOpen(closed);
  }
}

function requireOpen(closed: AbortSignal): void {
  if (closed.aborted) throw new Error('the database was closed while a migration waited for its tables');
}

const apply = (db: Database, group: Migration[], lock_ms: number): Promise<void> =>
  db.transaction(async (tx) => {
    await tx.execute(sql.raw(`set local lock_timeout = ${lock_ms}`));
    for (const { sql: statements, hash, folderMillis } of group) {
      for (const statement of statements) await tx.execute(sql.raw(statement));
      await tx.execute(
        sql`insert into drizzle.__drizzle_migrations (hash, created_at) values (${hash}, ${folderMillis})`,
      );
    }
  });

type Holder = { pid: number; application_name: string; state: string | null; since: string | null };

/** Who has used a table for longest, as far as the role may see it. */
async function holderOf(db: Database): Promise<string> {
  const [holder] = await db
    .select({
      pid: sql<number>`a.pid`,
      application_name: sql<string>`a.application_name`,
      state: sql<string | null>`coalesce(a.state, a.backend_type)`,
      since: sql<string | null>`to_char(a.xact_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`,
    } satisfies Record<keyof Holder, unknown>)
    .from(sql`pg_stat_activity a`)
    .where(
      sql`a.datname = current_database() and a.pid <> pg_backend_pid() and exists (
        select from pg_locks l join pg_class c on c.oid = l.relation
        where l.pid = a.pid and l.granted and c.relkind in ('r', 'p') and c.relnamespace <> 'pg_catalog'::regnamespace)`,
    )
    .orderBy(sql`a.xact_start nulls last`)
    .limit(1);
  if (!holder) return 'many use them for a short time';
  const { pid, application_name, state, since } = holder;
  const who = [application_name, state].filter(Boolean).join(', ');
  return `process ${pid}${who && ` (${who})`} has used them ${since === null ? 'for longest' : `since ${since}`}`;
}
