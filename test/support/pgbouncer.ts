/** PgBouncer in transaction mode in front of the PostgreSQL of the tests, where Debian's package is installed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd } from './at-end.ts';
import { serviceRole } from './databases.ts';
import { eventually } from './harness.ts';
import { freePort } from './postgres-server.ts';

const executable = process.env.PGBOUNCER ?? '/usr/sbin/pgbouncer';
export const hasPgBouncer = () => existsSync(executable);

/** Starts PgBouncer with a pool of `connections_max`; returns its URL for the database. Stops it after the file's tests. */
export async function pgBouncerTo(databaseUrl: string, connections_max: number): Promise<string> {
  const { hostname, port, username, password } = new URL(databaseUrl);
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-pgbouncer-'));
  const near = await freePort();
  const users = join(folder, 'users.txt');
  const names = [username, serviceRole(username)];
  await writeFile(users, names.map((name) => `"${name}" "${password}"\n`).join(''));
  const config = `[databases]
* = host=${hostname} port=${port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${near}
unix_socket_dir =
auth_type = plain
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${connections_max}
max_client_conn = 1000
ignore_startup_parameters = extra_float_digits
`;
  await writeFile(join(folder, 'pgbouncer.ini'), config);
  await chmod(folder, 0o755);
  // PgBouncer refuses to run as root.
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const child = spawn(executable, [...user, join(folder, 'pgbouncer.ini')], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  atEnd(async () => {
    child.kill('SIGKILL');
    await ended;
    await rm(folder, { recursive: true, force: true });
  });
  await eventually('PgBouncer listens', () => listens(near));
  const url = new URL(databaseUrl);
  url.port = String(near);
  return url.href;
}

const listens = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
