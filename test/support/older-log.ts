/** A log as an older version made it: with the first migrations only. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import { migrationsFolder } from '../../src/runtime/database.ts';
import { freshPostgres, sqlClient } from './harness.ts';

/** Makes the log by the first `migrations_n` migrations and appends the events. Returns its URL. */
export async function olderLog(migrations_n: number, events: object[]): Promise<string> {
  const url = await freshPostgres('template0');
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-older-'));
  const client = sqlClient(url, 1);
  try {
    await cp(migrationsFolder, folder, { recursive: true });
    const journal = join(folder, 'meta', '_journal.json');
    const { entries, ...rest } = JSON.parse(await readFile(journal, 'utf8'));
    await writeFile(journal, JSON.stringify({ ...rest, entries: entries.slice(0, migrations_n) }));
    await migrate(drizzle({ client }), { migrationsFolder: folder });
    await client.unsafe('select count(*) from append_logs($1::text::jsonb)', [JSON.stringify(events)]);
    return url;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
