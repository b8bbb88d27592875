/** Global set-up of the project with JIT: Debian's server with its default settings, and the tables in a separate schema. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { templateOf } from '../support/databases.ts';
import { startServer, withoutSync } from '../support/postgres-server.ts';
import { debianBin } from './debian-postgres.ts';

export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const bin = debianBin();
  if (!bin) throw new Error('the postgresql package is not installed');
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-jit-'));
  await chmod(folder, 0o755); // The server's own user must get through.
  const server = await startServer(join(folder, 'postgres'), { bin, flags: withoutSync });
  const tearDown = async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const sql = postgres(server.url, { max: 1 });
    const [jit] = await sql<[{ available: boolean }]>`
      select pg_jit_available() and current_setting('jit') = 'on' as available`;
    await sql.end();
    if (!jit.available)
      throw new Error('the server of the postgresql package has no JIT (postgresql-NN-jit is a part of it)');
    const schema = 'edgetrail';
    const template = templateOf(server.url, schema);
    await template.migrate();
    provide('serverUrl', server.url);
    provide('templateDatabase', template.database);
    provide('schema', schema);
  } catch (error) {
    await tearDown();
    throw error;
  }
  return tearDown;
}
