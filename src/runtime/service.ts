/** openService(): builds the service of a long-running process (Node, Bun) from its settings, and closes it again. */
import { createApp } from '../app.ts';
import { createAuth } from '../auth/auth.ts';
import { tokensOf } from '../auth/credentials.ts';
import { countFailures } from '../auth/own-failures.ts';
import { createSessions } from '../auth/session.ts';
import { features } from '../features/index.ts';
import { clientAddresses } from '../http/client-address.ts';
import { createMeter, type Meter } from '../http/meter.ts';
import { pause } from '../http/pause.ts';
import { isTransient } from '../http/problem.ts';
import { version } from '../http/version.ts';
import { runDeliveries } from '../log/delivery.ts';
import { createRecorder } from '../log/own-events.ts';
import { readerLimits } from '../log/reader.ts';
import { createStore } from '../log/store.ts';
import { createTail, type Tail } from '../log/tail.ts';
import type { App, Outbound, Parts } from '../parts.ts';
import { ownEventsOf, redactionOf, type Settings, signInLimitsOf, usersOf, writeLimitOf } from '../settings.ts';
import type { OpenDatabase } from './database.ts';
import { requireVersion } from './database-errors.ts';
import { runDerivations } from './derivations.ts';
import { doEachMinute } from './each-minute.ts';
import { gunzip } from './gunzip.ts';
import { gzip } from './gzip.ts';
import { openSinkOf } from './open-sinks.ts';
import { openPglite } from './pglite.ts';
import { openPostgres } from './postgres.ts';
import { processUsage } from './process-usage.ts';
import { report } from './report.ts';
import { scrypt } from './scrypt.ts';
import { openAnchors } from './server-anchors.ts';
import { serverDial } from './server-dial.ts';
import { serverReach } from './server-reach.ts';
import { sha256 } from './sha256.ts';

/** Partitions are made months ahead, so a failed run is repaired by the next one. */
const partitions_ms = 60 * 60 * 1000;
const minute_ms = 60 * 1000;
/** How long the end of the service waits for events of its own: the database may be away. */
const record_ms_max = 1_000;

export type Service = {
  app: App;
  tail: Tail;
  meter: Meter;
  /** True when the development users (admin/admin123, guest/guest123) exist. */
  development: boolean;
  /** True once the database has been reached and migrated. Until then the app responds with 503. */
  isReady(): boolean;
  /** Resolves to true once ready, to false when the service was closed before; rejects when a retry cannot help. */
  ready: Promise<boolean>;
  /** Stops the tail and closes the database. Call it after all requests have ended. */
  close(): Promise<void>;
};

export const openDatabase = (settings: Settings): Promise<OpenDatabase> | OpenDatabase =>
  settings.DATABASE_URL
    ? openPostgres(
        settings.DATABASE_URL,
        settings.DATABASE_CONNECTIONS_MAX,
        settings.READ_MS_MAX,
        settings.MIGRATION_DATABASE_URL,
      )
    : openPglite(settings.DATA_DIR);

/** Rejects when the server is too old. */
export async function requireUsable({ DATABASE_URL }: Settings, { db }: OpenDatabase): Promise<void> {
  if (!DATABASE_URL) return;
  await requireVersion(db);
}

/** The pause between two attempts to reach the database. */
const retry_ms = 1_000;
/** After this long without a migrated database the service listens anyway, and responds with 503 until it is ready. */
const database_wait_ms = 5_000;

/**
 * Opens the database, migrates it (unless MIGRATE=off), and builds the app. While the database server cannot be reached,
 * the app responds with 503. Throws a SettingsError when there are no users, FolderInUse when another process has
 * DATA_DIR open, DiskFull when its disk is full, and the driver's error when a retry cannot help.
 */
export async function openService(
  settings: Settings,
  {
    sockets,
    openStream,
    peerAddress,
    assets,
    runtime,
    logLine,
  }: Pick<Parts, 'sockets' | 'openStream' | 'peerAddress' | 'assets'> & {
    runtime: 'node' | 'bun';
    logLine(line: string): void;
  },
): Promise<Service> {
  const { users, development } = usersOf(settings);
  const tokens = await tokensOf(settings.TOKENS);
  const database = await openDatabase(settings);
  const store = createStore(database.db, database.reads, database.room, report, redactionOf(settings));
  const tail = createTail(store, {
    poll_ms_min: settings.POLL_MS_MIN,
    poll_ms_max: settings.POLL_MS_MAX,
    poll_unfollowed: true,
    report,
  });
  let migrated = false;
  let reading: Promise<unknown> = Promise.resolve();
  let wake = () => {};
  const recording = new Set<Promise<unknown>>();
  const outbound: Outbound = {
    reach: serverReach(settings.OUTBOUND_ALLOW),
    dial: serverDial(settings.OUTBOUND_ALLOW),
    secretOf: (name) => process.env[name],
    wake: () => wake(),
  };
  const anchors = openAnchors(settings.ANCHORS, outbound.reach, logLine);
  const { step_ids_max, embedded_step_ids_max } = readerLimits;
  const ids_max = settings.DATABASE_URL ? step_ids_max : embedded_step_ids_max;
  const prepare = async () => {
    await requireUsable(settings, database);
    if (settings.MIGRATE) await database.migrate(logLine);
    await store.makePartitions();
    migrated = true;
    tail.start();
    const delivering = runDeliveries(
      {
        store,
        open: openSinkOf(features, outbound, settings),
        // An embedded database has one process at a time: the next one need not wait for the lease of a killed one.
        me: settings.DATABASE_URL ? crypto.randomUUID() : 'embedded',
        lease_ms: settings.SINK_LEASE_MS,
        random: Math.random,
        now: Date.now,
        report,
        notify: tail.notifyAppended,
      },
      tail.stopped,
    );
    wake = delivering.wake;
    reading = Promise.all([
      runDerivations(features, { store, sha256, anchors, limits: settings, report }, ids_max, tail.stopped),
      delivering.ended,
    ]);
  };
  const maintenance = setInterval(() => {
    if (migrated) store.makePartitions().catch((error) => report('the next partitions could not be made', error));
  }, partitions_ms);
  const own = createRecorder(ownEventsOf(settings), {
    append: store.append,
    redact: store.redact,
    notify: (id) => {
      tail.notifyAppended(id);
      wake();
    },
    keep: (work) => {
      recording.add(work);
      void work.finally(() => recording.delete(work));
    },
    report,
  });
  const minutely = setInterval(() => {
    if (migrated) own.tellCounted();
    if (migrated) void doEachMinute(features, store, settings, report);
  }, minute_ms);
  const close = async () => {
    clearInterval(maintenance);
    clearInterval(minutely);
    tail.stop();
    if (migrated) own.tellCounted(true);
    const recorded = new AbortController();
    await Promise.race([Promise.all(recording), pause(record_ms_max, recorded.signal)]);
    recorded.abort();
    // Before the database: a request whose answer has come still moves its cursor.
    await reading;
    await database.close();
  };
  const failedOnce = new AbortController();
  const ready = retryUntilPrepared(prepare, tail.stopped, (error) => {
    // A retry cannot help the embedded database: it has no network.
    if (!settings.DATABASE_URL || !isTransient(error)) throw error;
    if (!failedOnce.signal.aborted) report('the database cannot be reached yet', error);
    failedOnce.abort();
  });
  ready.catch(() => {}); // Awaited by the caller; this only prevents an unhandled rejection.
  try {
    await (settings.DATABASE_URL ? Promise.race([ready, pause(database_wait_ms, failedOnce.signal)]) : ready);
  } catch (error) {
    await close().catch((closing) => report('the database could not be closed', closing));
    throw error;
  } finally {
    failedOnce.abort();
  }
  const meter = createMeter();
  const limits = signInLimitsOf(settings);
  const auth = createAuth({ users, tokens, scrypt, limits, report, onFailure: countFailures(own.count) });
  const addressOf = clientAddresses(settings.TRUSTED_PROXIES, (peer) => {
    const told = `${peer} sends X-Forwarded-For and is not one of TRUSTED_PROXIES: all clients behind it count as one`;
    report('a proxy is not trusted', new Error(told), { level: 'warn' });
  });
  return {
    app: createApp({
      store: {
        ...store,
        append: async (entries) => {
          const appended = await store.append(entries);
          wake();
          return appended;
        },
      },
      tail,
      auth,
      sessions: createSessions(database.db, settings.SESSION_SECONDS_MAX, new Map(), database.room),
      sockets,
      outbound,
      sha256,
      anchors,
      features,
      build: { version, runtime, database: settings.DATABASE_URL ? 'postgres' : 'pglite', usage: processUsage },
      meter,
      peerAddress,
      clientAddress: (c) => addressOf(peerAddress?.(c), c.req.header('x-forwarded-for')),
      writes: writeLimitOf(settings),
      own,
      openStream,
      gzip,
      gunzip,
      assets,
      limits: settings,
      body_errors_visible: true,
      isReady: () => migrated,
      report,
    }),
    tail,
    meter,
    development,
    isReady: () => migrated,
    ready,
    close,
  };
}

/** Repeats `prepare` until it succeeds or `onFailure` throws. Resolves to false when it is stopped before. */
async function retryUntilPrepared(
  prepare: () => Promise<void>,
  stopped: AbortSignal,
  onFailure: (error: unknown) => void,
): Promise<boolean> {
  while (!stopped.aborted) {
    try {
      await prepare();
      return true;
    } catch (error) {
      // An error during shutdown is expected.
      if (!stopped.aborted) onFailure(error);
    }
    await pause(retry_ms, stopped);
  }
  return false;
}
