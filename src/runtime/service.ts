/** The parts of a service that lives long (Node, Bun), put together from its settings, and taken apart again. */
import { createApp } from '../app.ts';
import { createAuth } from '../auth.ts';
import { tokensOf } from '../credentials.ts';
import type { App, Parts } from '../parts.ts';
import { type Settings, usersOf } from '../settings.ts';
import { createStore } from '../store.ts';
import { createTail, type Tail } from '../tail.ts';
import type { OpenDatabase } from './database.ts';
import { openPglite } from './pglite.ts';
import { openPostgres } from './postgres.ts';
import { report } from './report.ts';
import { scrypt } from './scrypt.ts';

/** Partitions are made months ahead: once a day is often, and a failed day is made up for by the next. */
const partitions_ms = 24 * 60 * 60 * 1000;

export type Service = {
  app: App;
  tail: Tail;
  /** True when admin/admin123 and guest/guest123 may sign in. */
  development: boolean;
  /** Stops following and closes the database. Requests must have ended. */
  close(): Promise<void>;
};

export const openDatabase = (settings: Settings): Promise<OpenDatabase> | OpenDatabase =>
  settings.DATABASE_URL
    ? openPostgres(settings.DATABASE_URL, settings.DATABASE_CONNECTIONS_MAX)
    : openPglite(settings.DATA_DIR);

/**
 * Opens the database, migrates it unless told not to, and builds the app. Throws a SettingsError when nobody could
 * sign in, FolderInUse when the folder has another owner, and the driver's error when the database is out of reach.
 */
export async function openService(
  settings: Settings,
  { sockets, assets, say }: Pick<Parts, 'sockets' | 'assets'> & { say(line: string): void },
): Promise<Service> {
  const { users, development } = usersOf(settings);
  const tokens = await tokensOf(settings.TOKENS);
  const database = await openDatabase(settings);
  try {
    if (settings.MIGRATE) await database.migrate(say);
    const store = createStore(database.db);
    await store.makePartitions();
    const tail = createTail(store, {
      poll_ms_min: settings.POLL_MS_MIN,
      poll_ms_max: settings.POLL_MS_MAX,
      poll_unfollowed: true,
      report,
    });
    const chore = setInterval(() => {
      store.makePartitions().catch((error) => report('the next partitions could not be made', error));
    }, partitions_ms);
    tail.start();
    const auth = createAuth({ users, tokens, scrypt });
    return {
      app: createApp({ store, tail, auth, sockets, assets, limits: settings, isOpen: () => true, report }),
      tail,
      development,
      close: async () => {
        clearInterval(chore);
        tail.stop();
        await database.close();
      },
    };
  } catch (error) {
    await database.close().catch((closing) => report('the database could not be closed', closing));
    throw error;
  }
}
