/** Global set-up: a PostgreSQL server and a PGlite folder, both migrated once. Every test file works on copies. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { openPglite } from '../../src/runtime/pglite.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { startServer } from './postgres-server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The server, as a URL of its `postgres` database. */
    serverUrl: string;
    /** A database that is migrated and never written to. */
    templateDatabase: string;
    /** A DATA_DIR that is migrated and never opened. */
    templateFolder: string;
  }
}

const templateDatabase = `edgetrail_template_${process.pid}`;

export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-test-'));
  await chmod(folder, 0o755); // The server's own user must get through.
  const server = process.env.TEST_DATABASE_URL
    ? { url: process.env.TEST_DATABASE_URL, stop: async () => {} }
    : await startServer(join(folder, 'postgres'));
  const tearDown = async () => {
    const sql = postgres(server.url, { max: 1, onnotice: () => {} });
    await sql`drop database if exists ${sql(templateDatabase)} with (force)`;
    await sql.end();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const templateFolder = join(folder, 'template');
    // One after the other: PGlite's set-up holds the event loop longer than a connection may take.
    await migratedDatabase(server.url);
    await migratedFolder(templateFolder);
    provide('serverUrl', server.url);
    provide('templateDatabase', templateDatabase);
    provide('templateFolder', templateFolder);
  } catch (error) {
    // vitest calls the tear-down of a set-up that succeeded only: the server would outlive the run.
    await tearDown();
    throw error;
  }
  return tearDown;
}

async function migratedDatabase(serverUrl: string): Promise<void> {
  const sql = postgres(serverUrl, { max: 1 });
  await sql`create database ${sql(templateDatabase)}`;
  await sql.end();
  const url = new URL(serverUrl);
  url.pathname = `/${templateDatabase}`;
  const database = openPostgres(url.href, 1);
  await database.migrate(() => {});
  await database.close();
}

async function migratedFolder(folder: string): Promise<void> {
  const database = await openPglite(folder);
  await database.migrate(() => {});
  await database.close();
}
