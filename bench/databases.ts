/** Databases for a benchmark: migrated once, copied for each measurement, removed at the end. */
import { chmod, cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import postgres from 'postgres';
import type { OpenDatabase } from '../src/runtime/database.ts';
import { openPglite } from '../src/runtime/pglite.ts';
import { openPostgres } from '../src/runtime/postgres.ts';
import { startServer } from '../test/support/postgres-server.ts';

export type Place = { DATABASE_URL: string } | { DATA_DIR: string };

/** Direct calls of append_logs on a fresh database over one connection. */
export type Reference = { append(batch: string): Promise<unknown>; close(): Promise<void> };

export type BenchDatabase = { name: string; fresh(): Promise<Place>; reference(): Promise<Reference> };

export type BenchDatabases = { postgres: BenchDatabase; pglite: BenchDatabase; close(): Promise<void> };

/** Throws unless the log holds exactly the acknowledged events, with ids without gaps. */
export async function check({ db }: Pick<OpenDatabase, 'db'>, acknowledged: number): Promise<void> {
  const [seen] = await db
    .select({
      rows: sql<number>`(select count(*) from activity_logs)`.mapWith(Number),
      newest: sql<number>`(select coalesce(max(id), 0) from activity_logs)`.mapWith(Number),
      head: sql<number>`(select coalesce(max(last_id), 0) from log_batches)`.mapWith(Number),
    })
    .from(sql`(select) as nothing`);
  if (!seen || [seen.rows, seen.newest, seen.head].some((n) => n !== acknowledged))
    throw new Error(`${acknowledged} events were acknowledged, and the log says ${JSON.stringify(seen)}`);
}

/** The PostgreSQL server of TEST_DATABASE_URL, or a temporary one, and PGlite in temporary folders. */
export async function openBenchDatabases(): Promise<BenchDatabases> {
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-bench-'));
  await chmod(folder, 0o755); // The server's own user needs access.
  const server = process.env.TEST_DATABASE_URL
    ? { url: process.env.TEST_DATABASE_URL, stop: async () => {} }
    : await startServer(join(folder, 'postgres'), { flags: await serverFlags() });
  const onServer = await postgresDatabases(server.url);
  return {
    postgres: onServer,
    pglite: pgliteDatabases(folder),
    close: async () => {
      await onServer.close();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The settings of `postgresql.conf` as options of the server's command line. */
export async function serverFlags(): Promise<string[]> {
  const lines = (await readFile(new URL('postgresql.conf', import.meta.url), 'utf8')).split('\n');
  return lines.filter((line) => /^\w/.test(line)).flatMap((line) => ['-c', line.replace(' = ', '=')]);
}

async function postgresDatabases(serverUrl: string): Promise<BenchDatabase & { close(): Promise<void> }> {
  const server = postgres(serverUrl, { max: 1, onnotice: () => {} });
  const created: string[] = [];
  const urlOf = (database: string) => Object.assign(new URL(serverUrl), { pathname: `/${database}` }).href;
  const make = async (from: string) => {
    const database = `edgetrail_bench_${process.pid}_${created.length}`;
    created.push(database);
    await server`create database ${server(database)} template ${server(from)}`;
    return database;
  };
  const template = await make('template0');
  const migrated = openPostgres(urlOf(template), 1);
  await migrated.migrate(() => {});
  await migrated.close();
  const [version] = await server<[{ server_version: string }]>`show server_version`;
  return {
    name: `PostgreSQL ${version.server_version}`,
    fresh: async () => ({ DATABASE_URL: urlOf(await make(template)) }),
    reference: async () => {
      const client = postgres(urlOf(await make(template)), { max: 1 });
      return {
        append: (batch) => client`select count(*) from append_logs(${batch}::text::jsonb)`,
        close: () => client.end({ timeout: 1 }),
      };
    },
    close: async () => {
      for (const database of created.reverse()) await server`drop database if exists ${server(database)} with (force)`;
      await server.end();
    },
  };
}

/** The template is made when it is first needed: most benchmarks use PostgreSQL only. */
function pgliteDatabases(folder: string): BenchDatabase {
  let template: Promise<string> | null = null;
  const makeTemplate = async () => {
    const path = join(folder, 'pglite-template');
    const migrated = await openPglite(path);
    await migrated.migrate(() => {});
    await migrated.close();
    return path;
  };
  let n = 0;
  const fresh = async () => {
    template ??= makeTemplate();
    const DATA_DIR = join(folder, `pglite-${n++}`);
    await cp(await template, DATA_DIR, { recursive: true });
    return { DATA_DIR };
  };
  return {
    name: 'PGlite',
    fresh,
    reference: async () => {
      const { db, close } = await openPglite((await fresh()).DATA_DIR);
      return { append: (batch) => db.execute(sql`select count(*) from append_logs(${batch}::jsonb)`), close };
    },
  };
}
