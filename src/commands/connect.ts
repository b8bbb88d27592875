/** Shared by the commands: a client configured by the environment, error messages and exit statuses. */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ClientOptions, createClient, type Log, LogError } from '../client.ts';
import { FolderInUse } from '../runtime/data-dir-lock.ts';
import { clientNames, SettingsError } from '../settings.ts';
import { ImportError } from './import-source.ts';

/** An error that the person at the terminal can correct: printed without a stack trace. */
export class CommandError extends Error {
  override name = 'CommandError';
  readonly exit_status: number;
  constructor(message: string, exit_status = 1) {
    super(message);
    this.exit_status = exit_status;
  }
}

/** The exit status of a command that SIGINT ended, as shells report it (128 + 2). */
export const interrupted_status = 130;

const isLoopback = ({ hostname }: URL) => /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname);

/**
 * Creates a client from EDGETRAIL_URL and EDGETRAIL_TOKEN or EDGETRAIL_USER. Without the last two it signs in as the
 * development user, on this machine only. Throws a SettingsError that names the variable.
 */
export function connect(
  env: Record<string, string | undefined>,
  options: Pick<ClientOptions, 'uid'> = {},
): { log: Log; url: string } {
  const unknown = Object.keys(env).find((name) => name.startsWith('EDGETRAIL_') && !clientNames.includes(name));
  if (unknown) throw new SettingsError([`${unknown}: is not one of ${clientNames.join(', ')}`]);
  const url = env.EDGETRAIL_URL?.trim() || 'http://localhost:9000';
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new SettingsError(['EDGETRAIL_URL: must be a URL such as https://log.example.com']);
  const token = env.EDGETRAIL_TOKEN?.trim();
  if (token) return { log: createClient({ url, token, ...options }), url };
  if (!env.EDGETRAIL_USER && !isLoopback(new URL(url)))
    throw new SettingsError([`EDGETRAIL_TOKEN: a token, or EDGETRAIL_USER as name:password, is needed for ${url}`]);
  const [, user, password] = /^([^:]+):(.*)$/s.exec(env.EDGETRAIL_USER || 'admin:admin123') ?? [];
  if (!user) throw new SettingsError(['EDGETRAIL_USER: must have the form name:password']);
  return { log: createClient({ url, user, password, ...options }), url };
}

/** The system error code of a connection that could not be opened, so that nothing was sent; null for other errors. */
export function unreachableCode(error: unknown): string | null {
  const cause = error instanceof Error ? error.cause : null;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/.test(code)
    ? code
    : null;
}

/** An error of parseArgs (node:util) about the command line. */
const isUsageError = (error: unknown): error is Error =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');

/** The message of an error for a terminal: without a stack trace when the person can correct the cause. */
export function explain(error: unknown): string {
  if (error instanceof SettingsError) return `Settings:\n  ${error.faults.join('\n  ')}`;
  const isCorrectable = [CommandError, ImportError, FolderInUse].some((kind) => error instanceof kind);
  if (error instanceof Error && (isCorrectable || isUsageError(error))) return error.message;
  if (error instanceof LogError) return `The service refuses: ${error.detail}`;
  const code = unreachableCode(error);
  if (code) return `The service cannot be reached (${code}). Is it running? EDGETRAIL_URL says where.`;
  // The message of fetch is only "fetch failed"; its cause has the reason.
  if (error instanceof TypeError && error.cause instanceof Error) return `${error.message}: ${error.cause.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/**
 * Whether `module` is the program that Node was started with. Both paths without symbolic links: Node resolves those of
 * the module but not those of the argument, and a command in a linked folder would do nothing and exit with 0.
 */
function isProgram(module: string): boolean {
  try {
    return realpathSync(process.argv[1] ?? '') === realpathSync(fileURLToPath(module));
  } catch {
    return false; // Neither `node -e` nor a REPL has a file.
  }
}

/**
 * Runs `main` when `module` is the program. Prints the error of a failure. The exit status is 0 only when `main` has
 * ended and everything was written: it is 1 from the start, for a process that ends early because nothing keeps it
 * alive, and stays 1 when stdout is closed or full, which console.log ignores.
 */
export function runAsCommand(module: string, main: () => Promise<void>): void {
  if (!isProgram(module)) return;
  process.exitCode = 1;
  let isOutputLost = false;
  process.stderr.on('error', () => {
    isOutputLost = true;
  });
  process.stdout.on('error', (error) => {
    isOutputLost = true;
    process.exitCode = 1;
    console.error(`The output could not be written: ${error.message}`);
  });
  main().then(
    () => {
      if (!isOutputLost) process.exitCode = 0;
    },
    (error) => {
      process.exitCode = error instanceof CommandError ? error.exit_status : 1;
      console.error(explain(error));
    },
  );
}
