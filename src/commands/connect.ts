/** What the commands that talk to a running service share: the client of the environment, and their last words. */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ClientOptions, createClient, type Log, LogError } from '../client.ts';
import { FolderInUse } from '../runtime/folder-lock.ts';
import { clientNames, SettingsError } from '../settings.ts';
import { ImportError } from './import-readers.ts';

/** What the person at the terminal can put right: said without a stack. */
export class CommandError extends Error {
  override name = 'CommandError';
}

const isLoopback = ({ hostname }: URL) => /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname);

/**
 * A client from EDGETRAIL_URL and EDGETRAIL_TOKEN or EDGETRAIL_USER. Without the last two it signs in as the user for
 * development, on this machine only. Throws a SettingsError with what is wrong.
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

/** The code that the system gave for a connection that never came to be, or null: then nothing was sent. */
export function unreachableCode(error: unknown): string | null {
  const cause = error instanceof Error ? error.cause : null;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/.test(code)
    ? code
    : null;
}

/** node:util's parseArgs, about an option that does not exist. */
const isUsageError = (error: unknown): error is Error =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');

/** An error as a person at a terminal can use it. */
export function explain(error: unknown): string {
  if (error instanceof SettingsError) return `Settings:\n  ${error.faults.join('\n  ')}`;
  const theirs = [CommandError, ImportError, FolderInUse].some((kind) => error instanceof kind);
  if (error instanceof Error && (theirs || isUsageError(error))) return error.message;
  if (error instanceof LogError) return `The service refuses: ${error.detail}`;
  const code = unreachableCode(error);
  if (code) return `The service cannot be reached (${code}). Is it running? EDGETRAIL_URL says where.`;
  // fetch's own words say nothing: the reason is beneath.
  if (error instanceof TypeError && error.cause instanceof Error) return `${error.message}: ${error.cause.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Runs `main` when `module` is what Node was started with; says why it failed and exits with 1. */
export function runAsCommand(module: string, main: () => Promise<void>): void {
  if (!process.argv[1] || resolve(process.argv[1]) !== fileURLToPath(module)) return;
  main().catch((error) => {
    console.error(explain(error));
    process.exitCode = 1;
  });
}
