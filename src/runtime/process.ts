/** A service as a process of its own, on Node and on Bun: settings from the environment, signals, words at the terminal. */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readSettings, type Settings, SettingsError } from '../settings.ts';
import { FolderInUse } from './folder-lock.ts';
import { report } from './report.ts';
import type { Service } from './service.ts';

/** The files in public/, on this machine. */
export const publicFolder = fileURLToPath(new URL('../../public', import.meta.url));

export type Running = Pick<Service, 'development' | 'isOpen' | 'opened'> & {
  url: string;
  /** Ends it as SIGTERM does. */
  close(): Promise<void>;
};

/** Starts the service and resolves when it answers. `say` hears of work that takes long. */
export type Start = (settings: Settings, say?: (line: string) => void) => Promise<Running>;

/** The address people on this machine use. */
export function urlOf({ HOST }: Settings, port: number): string {
  const host = HOST.includes(':') ? `[${HOST}]` : HOST;
  return `http://${host === '127.0.0.1' ? 'localhost' : host}:${port}`;
}

/** Runs the service when `module` is what the runtime was started with, and ends the process with it. */
export function runAsService(module: string, start: Start): void {
  if (!process.argv[1] || resolve(process.argv[1]) !== fileURLToPath(module)) return;
  main(start).catch((error) => {
    complain(error);
    process.exit(1);
  });
}

async function main(start: Start): Promise<void> {
  const started = Date.now();
  const after = () => `after ${((Date.now() - started) / 1000).toFixed(1)} s`;
  const settings = readSettings(process.env);
  const running = await start(settings, (line) => console.log(line));
  // Before it is said that all is ready: who waits for that may send the signal at once.
  endOnSignal(running);
  const wasOpen = running.isOpen();
  const waits = 'Edgetrail listens and waits for its database: till then requests are answered with 503';
  const embedded = `PGlite in ${resolve(settings.DATA_DIR)} (survives a killed process; a power cut may lose the last seconds)`;
  const server = `PostgreSQL by DATABASE_URL${wasOpen ? '' : ': not there yet'}`;
  console.log(`${wasOpen ? `Edgetrail is ready ${after()}` : waits}
  address   ${running.url}
  data      ${settings.DATABASE_URL ? server : embedded}
  sign in   ${running.development ? 'admin / admin123 or guest / guest123: for development only, set USERS' : 'as one of USERS'}`);
  if (wasOpen) return;
  if (await running.opened) console.log(`Edgetrail is ready ${after()}: the database is there`);
}

/** The first signal ends the service; a second does not wait for it. */
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

/** What the server says of a DATABASE_URL that is wrong: 28 for who signs in, 3D for a database that is not there. */
const wrongUrl = /^(28...|3D000)$/;

/** Why the service does not run: without a stack where whoever started it can put it right. */
function complain(error: unknown): void {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (error instanceof SettingsError) console.error(`Settings:\n  ${error.faults.join('\n  ')}`);
  else if (error instanceof FolderInUse) console.error(error.message);
  else if (code === 'EADDRINUSE') console.error(`PORT: ${process.env.PORT ?? '9000'} is in use on this machine`);
  else if (cause instanceof Error && wrongUrl.test(code)) console.error(`DATABASE_URL: ${cause.message}`);
  else report('Edgetrail could not start', error);
}
