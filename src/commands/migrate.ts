/** `npm run migrate`: brings the database up to date and makes its partitions, for services that run with MIGRATE=off. */
import { resolve } from 'node:path';
import { createStore } from '../log/store.ts';
import { FolderInUse } from '../runtime/folder-lock.ts';
import { openDatabase } from '../runtime/service.ts';
import { readSettings, type Settings } from '../settings.ts';
import { CommandError, runAsCommand } from './connect.ts';

async function migrate(settings: Settings): Promise<void> {
  const database = await openDatabase(settings);
  try {
    await database.migrate((line) => console.log(`  ${line}`));
    await createStore(database.db).makePartitions();
  } finally {
    await database.close();
  }
}

/** Drizzle wraps the driver's error; the reason is at the bottom. */
function causesOf(error: unknown): string {
  const words: string[] = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) words.push(cause.message || cause.name);
  return words.join(': ') || String(error);
}

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const where = settings.DATABASE_URL ? 'PostgreSQL by DATABASE_URL' : `PGlite in ${resolve(settings.DATA_DIR)}`;
  console.log(`migrating ${where}`);
  await migrate(settings).catch((error) => {
    if (error instanceof FolderInUse) throw error;
    throw new CommandError(`The database could not be migrated: ${causesOf(error)}`);
  });
  console.log('the tables are up to date and the partitions of the next months are there');
}

runAsCommand(import.meta.url, main);
