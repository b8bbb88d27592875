/** The service as a process (Node, Bun): reads the environment, handles signals, prints the start messages. */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseDatabaseUrl } from '../log/database-url.ts';
import { readSettings, type Settings, SettingsError, usersOf } from '../settings.ts';
import { FolderInUse } from './data-dir-lock.ts';
import { databaseRemedy } from './database-errors.ts';
import { DiskFull } from './disk-room.ts';
import { log, report } from './report.ts';
import type { Service } from './service.ts';

/** The path of public/. */
export const publicFolder = fileURLToPath(new URL('../../public', import.meta.url));

export type Running = Pick<Service, 'development' | 'isReady' | 'ready'> & {
  url: string;
  /** Does what SIGTERM does. */
  close(): Promise<void>;
};

/** Starts the service and resolves when it listens. `logLine` receives progress messages. */
export type Start = (settings: Settings, logLine?: (line: string) => void) => Promise<Running>;

/** The service's URL on this machine. */
export function urlOf({ HOST }: Settings, port: number): string {
  // 0.0.0.0 and :: mean every address of this machine: a browser can open localhost.
  if (['127.0.0.1', '0.0.0.0', '::'].includes(HOST)) return `http://localhost:${port}`;
  return `http://${HOST.includes(':') ? `[${HOST}]` : HOST}:${port}`;
}

const isEveryAddress = ({ HOST }: Settings) => HOST === '0.0.0.0' || HOST === '::';

/** Runs the service when `module` is the program's entry point. */
export function runAsService(module: string, start: Start): void {
  if (!process.argv[1] || resolve(process.argv[1]) !== fileURLToPath(module)) return;
  main(start).catch((error) => {
    printStartError(error);
    process.exit(1);
  });
}

async function main(start: Start): Promise<void> {
  const started = performance.now();
  const after = () => `after ${((performance.now() - started) / 1000).toFixed(1)} s`;
  const settings = readSettings(process.env);
  usersOf(settings); // Invalid settings end the start before its first message.
  const place = settings.DATABASE_URL ? 'PostgreSQL by DATABASE_URL' : `PGlite in ${resolve(settings.DATA_DIR)}`;
  const say = (what: string, text = what) => log({ level: 'info', what, text });
  say(`Edgetrail is starting: opening ${place}`);
  for (const note of settings.DATABASE_URL ? parseDatabaseUrl(settings.DATABASE_URL).notes : [])
    say(`DATABASE_URL: ${note}`, `  DATABASE_URL: ${note}`);
  const running = await start(settings, say);
  // Before the start message: a supervisor may send a signal as soon as it sees that message.
  endOnSignal(running);
  const wasReady = running.isReady();
  const waiting = 'Edgetrail listens and waits for its database. Until then it responds with 503';
  const embedded = `PGlite in ${resolve(settings.DATA_DIR)} (survives a killed process; a power cut may lose the last seconds)`;
  const server = `PostgreSQL by DATABASE_URL${wasReady ? '' : ': not reached yet'}`;
  const state = wasReady ? `Edgetrail is ready ${after()}` : waiting;
  const data = settings.DATABASE_URL ? server : embedded;
  const every = isEveryAddress(settings) ? ' (and every address of this machine)' : '';
  const users = running.development
    ? 'admin / admin123 or guest / guest123: for development only, set USERS'
    : 'as one of USERS';
  say(
    `${state}; address ${running.url}${every} with ${data}; sign in ${users}`,
    `${state}
  address   ${running.url}${every}
  data      ${data}
  sign in   ${users}`,
  );
  if (wasReady) return;
  if (await running.ready) say(`Edgetrail is ready ${after()}: the database was reached`);
}

/** The first signal shuts the service down; a second one ends the process at once. */
function endOnSignal(running: Running): void {
  let stopping = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      if (stopping) process.exit(1);
      stopping = true;
      running.close().then(
        () => process.exit(0),
        (error) => {
          report('the shutdown failed', error);
          process.exit(1);
        },
      );
    });
}

/** Prints why the service could not start; without a stack where the operator can correct it. */
function printStartError(error: unknown): void {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const remedy = process.env.DATABASE_URL ? databaseRemedy(error) : null;
  const message = startMessage(error, code, remedy);
  const what = 'Edgetrail could not start';
  if (message === null) report(what, error);
  else
    log({
      level: 'error',
      what,
      text: message,
      more: { message: message.replace(':\n  ', ': ').replaceAll('\n  ', '; ') },
    });
}

/** What the operator can correct; null for an error of the program. */
function startMessage(error: unknown, code: string, remedy: string | null): string | null {
  if (error instanceof SettingsError) return `Settings:\n  ${error.faults.join('\n  ')}`;
  if (error instanceof FolderInUse || error instanceof DiskFull) return error.message;
  return code === 'EADDRINUSE' ? `PORT: ${process.env.PORT ?? '9000'} is in use on this machine` : remedy;
}
