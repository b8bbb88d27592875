/** The start on a database that is not set up: the service and `npm run migrate` exit with one sentence that names the remedy. */
import { execFile } from 'node:child_process';
import { chmod, cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, inject, it } from 'vitest';
import { serverClient } from '../../src/runtime/postgres.ts';
import { sqlClient } from '../support/harness.ts';
import { packagedBin, startServer, withoutSync } from '../support/postgres-server.ts';
import { spawnService, startOutcome } from '../support/process.ts';

const run = promisify(execFile);
const admin = sqlClient(inject('serverUrl'), 1);
const created: string[] = [];
afterAll(async () => {
  for (const name of created) {
    await admin.unsafe(`drop database if exists ${name} with (force)`);
    await admin.unsafe(`drop role if exists ${name}`);
  }
});

/** A new database and a role of the same name, THIS, after some statements by a superuser; the role's URL. */
async function prepared(statements: string[]): Promise<string> {
  const name = `start_${process.pid}_${created.length}`;
  created.push(name);
  await admin.unsafe(`create role ${name} login password 'x'`);
  await admin.unsafe(`create database ${name}`);
  const url = Object.assign(new URL(inject('serverUrl')), { pathname: `/${name}` });
  const own = serverClient(url.href, 1, null);
  for (const statement of statements) await own.unsafe(statement.replaceAll('THIS', name));
  await own.end();
  return Object.assign(url, { username: name, password: 'x' }).href;
}

/** Claims that the service and the command exit with this sentence and no stack. */
async function refuses(DATABASE_URL: string, message: RegExp): Promise<void> {
  const { first, text } = await startOutcome('node', DATABASE_URL);
  expect(first, text).toBe(1);
  expect(text).toMatch(message);
  expect(text).not.toMatch(/\n\s+at |"at":/);
  const migrate = run(process.execPath, ['--import', 'tsx', 'src/commands/migrate.ts'], {
    env: { PATH: process.env.PATH ?? '', DATABASE_URL },
  });
  await expect(migrate).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(message) });
}

const owned = 'alter database THIS owner to THIS';

it.each<[what: string, statements: string[], message: RegExp]>([
  ['no right to create schemas', [], /GRANT CREATE ON DATABASE/],
  [
    'no right to create tables',
    ['grant create on database THIS to THIS'],
    /CREATE EXTENSION|GRANT USAGE, CREATE ON SCHEMA/,
  ],
  [
    'a search_path without a schema that exists',
    [owned, 'alter role THIS set search_path = missing'],
    /no schema of the search_path exists. Run: CREATE SCHEMA/,
  ],
  [
    'pg_trgm in a schema off the search_path',
    [owned, 'create schema elsewhere', 'create extension pg_trgm schema elsewhere'],
    /pg_trgm is in a schema that is not on the search_path. Run: ALTER EXTENSION pg_trgm SET SCHEMA/,
  ],
  [
    'an old server',
    // No older server is at hand: this one says that it is one.
    [
      owned,
      'create schema old authorization THIS',
      "create function old.current_setting(text) returns text language sql as $$ select '13.4' $$",
      'grant execute on function old.current_setting to THIS',
      'alter role THIS set search_path = old, public, pg_catalog',
    ],
    /the server is PostgreSQL 13.4; version 14 or newer is needed/,
  ],
])('%s', { timeout: 300_000 }, async (_what, statements, message) => {
  await refuses(await prepared(statements), message);
});

it('a server without pg_trgm', { timeout: 300_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-no-trgm-'));
  await chmod(folder, 0o755); // The server's own user must get through.
  const programs = dirname(await packagedBin());
  await cp(programs, join(folder, 'native'), { recursive: true, verbatimSymlinks: true });
  const found = await readdir(join(folder, 'native'), { recursive: true });
  const control = found.find((name) => name.endsWith('pg_trgm.control'));
  await rm(join(folder, 'native', control ?? 'missing'));
  const server = await startServer(join(folder, 'postgres'), { bin: join(folder, 'native/bin'), flags: withoutSync });
  try {
    await refuses(server.url, /install the server's contrib package, which has the extension pg_trgm/);
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

it('no tables and MIGRATE=off', async () => {
  const { first, text } = await startOutcome('node', await prepared([owned]), { MIGRATE: 'off' });
  expect(first, text).toBe(1);
  expect(text).toMatch(/the tables are missing or out of date: run npm run migrate/);
});

it('tables of a newer version are used, and a line says so', { timeout: 300_000 }, async () => {
  const url = await prepared([owned]);
  expect((await startOutcome('node', url)).text).not.toMatch(/newer/);
  const own = serverClient(url, 1, null);
  await own`insert into drizzle.__drizzle_migrations (hash, created_at) values ('later', 9000000000000)`;
  await own.end();
  const { first, text } = await startOutcome('node', url);
  expect(first, text).toBe('ready');
  expect(text).toMatch(/the tables were migrated by a newer version of Edgetrail/);
});

it('HOST=0.0.0.0 prints an address that can be opened', { timeout: 300_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-host-'));
  const service = spawnService({ USERS: 'admin:admin:admin-password', HOST: '0.0.0.0', DATA_DIR: folder });
  const url = await service.ready;
  expect(service.output()).toMatch(/address http:\/\/localhost:\d+ \(and every address of this machine\) with /);
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  service.child.kill('SIGTERM');
  await service.ended;
  await rm(folder, { recursive: true, force: true });
});
