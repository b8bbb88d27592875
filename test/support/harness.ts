/** A running service for a test file: the real one, over HTTP on loopback, with its own database. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, inject } from 'vitest';
import type { Entry } from '../../src/log/schema.ts';
import { atEnd } from './at-end.ts';
import { serviceRole } from './databases.ts';
import { copyTemplate } from './pglite-template.ts';
import { ownerUrl } from './postgres-server.ts';
// Imported here so that its afterAll hook belongs to the file and not to the describe that starts a service first.
import './process.ts';
import {
  databases as allDatabases,
  type DatabaseName,
  type RuntimeName,
  start,
  type Target,
} from '../targets/index.ts';

export { isEntry, type SseMessage, sseMessages } from './sse-messages.ts';
export type { DatabaseName };

/** The databases of the tests that run on each. */
export const databases: readonly DatabaseName[] = inject('databases') ?? allDatabases;

/** The users and tokens of the tests; `null` sends no credentials. */
export const credentials = {
  admin: `Basic ${btoa('admin:admin-password')}`,
  guest: `Basic ${btoa('guest:guest-password')}`,
  writer: 'Bearer writer-secret-0001',
  exporter: 'Bearer exporter-secret-0001',
  scraper: 'Bearer scraper-secret-0001',
} as const;
export type Who = keyof typeof credentials | null;

/** Password hashes, computed once: with plain passwords each start would take a quarter of a second more for each. */
export const hashes = {
  admin: '$scrypt$ln=14,r=8,p=5$b/U1weAy7/XgoMKLkPG50A$CZcVJGsRTlK0qU1MsoFcLM/oH8n96TSP44rruuN2NDM',
  guest: '$scrypt$ln=14,r=8,p=5$DytsCwf6SxPvIq4zxH0rWg$HNsxbw6ery25c4W3e/D3jmLRy1dUduUZ2VZlp7SsYeM',
} as const;

const testEnv = {
  PORT: '0',
  USERS: `admin:admin:${hashes.admin} guest:guest:${hashes.guest}`,
  TOKENS:
    'orders:write:writer-secret-0001 audit:read+export:exporter-secret-0001 prometheus:metrics:scraper-secret-0001',
  POLL_MS_MAX: '100',
  POLL_MS_MIN: '10',
  SHUTDOWN_MS_MAX: '2000',
  // A story that fires is an event: it would be among those that a test counts.
  UNUSUAL_PER_DAY_MAX: '0',
  // Nor are sign-ins and exports among the events that a test counts.
  OWN_EVENTS: 'off',
  // All requests of a test come from one address, and many with a wrong password. Tests of the limits set their own.
  SIGN_IN_NAME_PER_MINUTE_MAX: '0',
  SIGN_IN_ADDRESS_PER_MINUTE_MAX: '0',
};

export type TestService = {
  url: string;
  /** The place of its database: a URL or a DATA_DIR. */
  place: { DATABASE_URL: string } | { DATA_DIR: string };
  request(path: string, init?: RequestInit & { as?: Who }): Promise<Response>;
  /** Posts events as admin; throws unless they were stored. */
  write(events: object | object[]): Promise<Entry[]>;
  /** Stops the service as an operator does; rejects when it does not exit with 0. */
  stop(): Promise<void>;
  /** The resident memory of its process, in bytes. */
  rss_bytes(): number;
  /** Runs the scheduled work, on the runtime where only a schedule runs it. */
  scheduled(): Promise<void>;
};

type StartOptions = { env?: Record<string, string>; place?: TestService['place'] };

/** The target of this conformance project. */
export function target(): Target {
  const target = inject('target');
  if (!target) throw new Error('not a conformance test: name a database');
  return target;
}

/** Makes a migrated, empty database and removes it after the file's tests. */
export async function freshDatabase(name: DatabaseName): Promise<{ DATABASE_URL: string } | { DATA_DIR: string }> {
  if (name === 'pglite') {
    const folder = await mkdtemp(join(tmpdir(), 'edgetrail-pglite-'));
    await copyTemplate(folder);
    atEnd(() => rm(folder, { recursive: true, force: true }));
    return { DATA_DIR: folder };
  }
  return { DATABASE_URL: await freshPostgres() };
}

/** Makes a database without tables: the service migrates it, and it becomes another log. */
export async function emptyDatabase(name: DatabaseName): Promise<TestService['place']> {
  if (name !== 'pglite') {
    const url = await freshPostgres('template0');
    const schema = inject('schema');
    if (schema) await sqlClient(url, 1).unsafe(`create schema ${schema}`);
    return { DATABASE_URL: url };
  }
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-pglite-'));
  atEnd(() => rm(folder, { recursive: true, force: true }));
  return { DATA_DIR: folder };
}

/**
 * Makes a PostgreSQL database from a template, by default the migrated, empty one; returns its URL for the role that
 * owns it. The role is not a superuser, as on a managed server.
 */
export async function freshPostgres(template = inject('templateDatabase')): Promise<string> {
  const role = inject('templateDatabase');
  const server = postgres(inject('serverUrl'), { max: 1, onnotice: () => {} });
  const database = `edgetrail_${process.pid}_${Math.random().toString(36).slice(2, 10)}`;
  await server`create database ${server(database)} template ${server(template)} owner ${server(role)}`;
  atEnd(async () => {
    await server`drop database if exists ${server(database)} with (force)`;
    await server.end();
  });
  return ownerUrl(inject('serverUrl'), database, role);
}

/** The same for the superuser of the server, who alone may end the sessions of every role. */
export const adminClient = (url: string): postgres.Sql =>
  sqlClient(Object.assign(new URL(inject('serverUrl')), { pathname: new URL(url).pathname }).href, 1);

/** A postgres.js client for SQL of a test; closed after the file's tests. */
export function sqlClient(url: string, max = 4): postgres.Sql {
  const sql = postgres(url, { max, onnotice: () => {} });
  atEnd(() => sql.end({ timeout: 1 }));
  return sql;
}

/** Lets the service run as a role that owns nothing, and its migrations as the owner, if they are to run in it. */
function withTwoRoles(settings: Record<string, string>, runtime: RuntimeName): Record<string, string> {
  const { DATABASE_URL: owned } = settings;
  if (!owned || settings.MIGRATION_DATABASE_URL) return settings;
  const url = new URL(owned);
  if (url.username !== inject('templateDatabase')) return settings;
  url.username = serviceRole(url.username);
  return { ...settings, DATABASE_URL: url.href, ...(runtime !== 'workers' && { MIGRATION_DATABASE_URL: owned }) };
}

const started = new Set<() => Promise<void>>();

/** Stops the services that still run: a hook that a running test registers is never called. */
export async function stopServices(): Promise<void> {
  await Promise.all([...started].map((stop) => stop()));
  started.clear();
}

/**
 * Starts the service on a new database, or on the given place, and stops it after the file's tests. In the conformance
 * suite it runs on the project's target, with two roles unless that has a server with JIT; all other tests name a
 * database, and it runs on Node with one role.
 */
export async function startService(...args: [StartOptions?] | [DatabaseName, StartOptions?]): Promise<TestService> {
  const [name, { env = {}, place } = {}] = typeof args[0] === 'string' ? [args[0], args[1]] : [null, args[0]];
  const { runtime, database } = name ? { runtime: 'node' as const, database: name } : target();
  const where = place ?? (await freshDatabase(database));
  const settings = { ...testEnv, ...where, ...env };
  const running = await start(runtime, name || target().jit ? settings : withTwoRoles(settings, runtime));
  const { url } = running;
  let stopped: Promise<void> | null = null;
  const stop = () => {
    stopped ??= running.stop();
    return stopped;
  };
  started.add(stop);
  afterAll(stop);
  const request: TestService['request'] = (path, { as = 'admin', ...init } = {}) => {
    const headers = new Headers(init.headers);
    if (as) headers.set('authorization', credentials[as]);
    return fetch(url + path, { ...init, headers });
  };
  return {
    url,
    place: where,
    request,
    write: async (events) => {
      const many = Array.isArray(events) ? events : [events];
      const answer = await request('/api/logs', json(many));
      if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
      return ((await answer.json()) as { logs: Entry[] }).logs;
    },
    stop,
    rss_bytes: running.rss_bytes,
    scheduled: async () => running.scheduled?.(),
  };
}

/** A POST of JSON. */
export const json = (body: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: typeof body === 'string' ? body : JSON.stringify(body),
});

/** Waits until a condition holds; throws with `what` when it does not hold in time. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>, ms = 60_000): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`did not happen within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
