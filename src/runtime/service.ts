/** The parts of a service that lives long (Node, Bun), put together from its settings, and taken apart again. */
import { createApp } from '../app.ts';
import { createAuth } from '../auth/auth.ts';
import { tokensOf } from '../auth/credentials.ts';
import { createSessions } from '../auth/session.ts';
import { pause } from '../http/pause.ts';
import { isTransient } from '../http/problem.ts';
import { createStore } from '../log/store.ts';
import { createTail, type Tail } from '../log/tail.ts';
import type { App, Parts } from '../parts.ts';
import { type Settings, usersOf } from '../settings.ts';
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
  /** Whether the database has been reached and is up to date; till then the app refuses. */
  isOpen(): boolean;
  /** Resolves when it is, or to false when the service was closed before; rejects when waiting will not help. */
  opened: Promise<boolean>;
  /** Stops following and closes the database. Requests must have ended. */
  close(): Promise<void>;
};

export const openDatabase = (settings: Settings): Promise<OpenDatabase> | OpenDatabase =>
  settings.DATABASE_URL
    ? openPostgres(settings.DATABASE_URL, settings.DATABASE_CONNECTIONS_MAX)
    : openPglite(settings.DATA_DIR);

/** How soon a server that was not there is looked for again. */
const retry_ms = 1_000;
/** A server that takes longer to say anything, or to migrate, is waited for by a service that listens and refuses. */
const patience_ms = 5_000;

/**
 * Opens the database, migrates it unless told not to, and builds the app. While the server cannot be reached the app
 * is there and refuses. Throws a SettingsError when nobody could sign in, FolderInUse when the folder has another
 * owner, and the driver's error when waiting would not help.
 */
export async function openService(
  settings: Settings,
  { sockets, assets, say }: Pick<Parts, 'sockets' | 'assets'> & { say(line: string): void },
): Promise<Service> {
  const { users, development } = usersOf(settings);
  const tokens = await tokensOf(settings.TOKENS);
  const database = await openDatabase(settings);
  const store = createStore(database.db);
  const tail = createTail(store, {
    poll_ms_min: settings.POLL_MS_MIN,
    poll_ms_max: settings.POLL_MS_MAX,
    poll_unfollowed: true,
    report,
  });
  let open = false;
  const prepare = async () => {
    if (settings.MIGRATE) await database.migrate(say);
    await store.makePartitions();
    open = true;
    tail.start();
  };
  const chore = setInterval(() => {
    if (open) store.makePartitions().catch((error) => report('the next partitions could not be made', error));
  }, partitions_ms);
  const close = async () => {
    clearInterval(chore);
    tail.stop();
    await database.close();
  };
  const answered = new AbortController();
  let told = false;
  const opened = untilPrepared(prepare, tail.stopped, (error) => {
    // The embedded database is here or nowhere.
    if (!settings.DATABASE_URL || !isTransient(error)) throw error;
    if (!told) report('the database cannot be reached yet', error);
    told = true;
    answered.abort();
  });
  opened.catch(() => {}); // Whoever waits for it hears of it.
  try {
    await (settings.DATABASE_URL ? Promise.race([opened, pause(patience_ms, answered.signal)]) : opened);
  } catch (error) {
    await close().catch((closing) => report('the database could not be closed', closing));
    throw error;
  } finally {
    answered.abort();
  }
  const auth = createAuth({ users, tokens, scrypt });
  return {
    app: createApp({
      store,
      tail,
      auth,
      sessions: createSessions(database.db, settings.SESSION_SECONDS_MAX),
      sockets,
      assets,
      limits: settings,
      body_errors_visible: true,
      isOpen: () => open,
      report,
    }),
    tail,
    development,
    isOpen: () => open,
    opened,
    close,
  };
}

/** Tries until it works or `judge` throws what a try failed with. Resolves to false when it is stopped before. */
async function untilPrepared(
  prepare: () => Promise<void>,
  stopped: AbortSignal,
  judge: (error: unknown) => void,
): Promise<boolean> {
  while (!stopped.aborted) {
    try {
      await prepare();
      return true;
    } catch (error) {
      // What a shutdown cuts off fails as it may.
      if (!stopped.aborted) judge(error);
    }
    await pause(retry_ms, stopped);
  }
  return false;
}
