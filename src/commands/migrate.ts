/** `npm run migrate`: migrates the database and creates its partitions, for services that run with MIGRATE=off. */
import { resolve } from 'node:path';
import { createStore } from '../log/store.ts';
import { FolderInUse } from '../runtime/data-dir-lock.ts';
import { databaseRemedy } from '../runtime/database-errors.ts';
import { openDatabase, requireUsable } from '../runtime/service.ts';
import { readSettings, type Settings } from '../settings.ts';
import { CommandError, runAsCommand } from './connect.ts';

async function migrate(settings: Settings): Promise<void> {
  const database = await openDatabase(settings);
  try {
    await requireUsable(settings, database);
    await database.migrate((line) => console.log(`  ${line}`));
    await createStore(database.db).makePartitions();
  } finally {
    await database.close();
  }
}

/** The messages of an error and its causes: Drizzle wraps the driver's error, which has the reason. */
function causesOf(error: unknown): string {
  const messages: string[] = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) messages.push(cause.message || cause.name);
  return messages.join(': ') || String(error);
}

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const where = settings.DATABASE_URL ? 'PostgreSQL by DATABASE_URL' : `PGlite in ${resolve(settings.DATA_DIR)}`;
  console.log(`migrating ${where}`);
  await migrate(settings).catch((error) => {
    if (error instanceof FolderInUse) throw error;
    throw new CommandError(`The database could not be migrated. ${databaseRemedy(error) ?? causesOf(error)}`);
  });
  console.log('the tables are up to date and the partitions of the next months are there');
}

runAsCommand(import.meta.url, main);
