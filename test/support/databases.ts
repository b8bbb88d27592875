/** Global set-up: a PostgreSQL server and one migrated template database. Every test file copies the template. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { ownerUrl, startServer, withoutSync } from './postgres-server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The URL of the server's `postgres` database for a superuser. */
    serverUrl: string;
    /** The name of the template database, which is migrated and empty, and of the role that owns it. */
    templateDatabase: string;
    /** The schema of the tables, which is the role's search_path; not set: the server's default. */
    schema?: string;
    /** The folder in which test/support/pglite-template.ts makes a migrated DATA_DIR. */
    templateFolder: string;
  }
}

export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-test-'));
  await chmod(folder, 0o755); // The user of the server must be able to enter the folder.
  const server = process.env.TEST_DATABASE_URL
    ? { url: process.env.TEST_DATABASE_URL, stop: async () => {} }
    : await startServer(join(folder, 'postgres'), { flags: withoutSync });
  const template = templateOf(server.url);
  const tearDown = async () => {
    try {
      await template.drop();
    } finally {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    }
  };
  try {
    await template.migrate();
    provide('serverUrl', server.url);
    provide('templateDatabase', template.database);
    provide('templateFolder', join(folder, 'template'));
  } catch (error) {
    // vitest calls the tear-down only after a set-up that succeeded: otherwise the server would keep running.
    await tearDown();
    throw error;
  }
  return tearDown;
}

/** The role of a service whose migrations run as `owner`: it owns nothing. */
export const serviceRole = (owner: string) => `${owner}_service`;

/**
 * Makes the template database. Its owner is a role without superuser rights that may create objects only in it, as on a
 * managed server. The role has the name of the database; another one is for services and owns nothing. With a `searchPath`
 * the tables are in that schema, and the owner is the only role.
 */
export function templateOf(serverUrl: string, searchPath?: string) {
  const database = `edgetrail_template_${process.pid}`;
  const roles = [database, ...(searchPath ? [] : [serviceRole(database)])];
  const admin = () => postgres(serverUrl, { max: 1, onnotice: () => {} });
  return {
    database,
    migrate: async () => {
      const sql = admin();
      for (const role of roles) await sql`create role ${sql(role)} login password 'owner'`;
      await sql`create database ${sql(database)} owner ${sql(database)}`;
      await sql.end();
      const url = ownerUrl(serverUrl, database, database);
      if (searchPath) {
        const owner = postgres(url, { max: 1 });
        await owner`create schema ${owner(searchPath)}`;
        await owner`alter role ${owner(database)} set search_path = ${owner(searchPath)}`;
        await owner.end();
      }
      const migrated = searchPath
        ? openPostgres(url, 1)
        : openPostgres(ownerUrl(serverUrl, database, serviceRole(database)), 1, undefined, url);
      await migrated.migrate(() => {});
      await migrated.close();
    },
    drop: async () => {
      const sql = admin();
      // Also drops the copies that aborted tests left: a role with databases cannot be dropped.
      const owned = await sql<{ name: string }[]>`
        select d.datname as name from pg_database d join pg_roles r on r.oid = d.datdba where r.rolname = ${database}`;
      for (const { name } of owned) await sql`drop database if exists ${sql(name)} with (force)`;
      for (const role of roles) await sql`drop role if exists ${sql(role)}`;
      await sql.end();
    },
  };
}
