/** The Worker's bindings and settings, and the calls from the Worker to its Durable Object. */
import { sql } from 'drizzle-orm';
import { Problem, type ProblemStatus, problemOf, type Stored, unavailable } from '../http/problem.ts';
import { version } from '../http/version.ts';
import type { Appended } from '../log/append-queue.ts';
import type { NewEntry } from '../log/entry.ts';
import type { Database } from '../log/schema.ts';
import type { Build } from '../parts.ts';
import { readSettings, type Settings } from '../settings.ts';
import { report } from './report.ts';

/** The bindings of wrangler.toml; settings are variables and secrets beside them. */
export type Bindings = Env & {
  HYPERDRIVE: Hyperdrive;
  LOG: DurableObjectNamespace;
  ASSETS: Fetcher;
};
type Env = Record<string, unknown>;

/** Without the process: a request does not know which isolate serves it, and an isolate's counters would say nothing. */
export const build: Build = { version, runtime: 'workers', database: 'postgres' };

/** The Durable Object's methods (worker-durable-object.ts). */
export type LogStub = {
  fetch(request: Request): Promise<Response>;
  append(entries: NewEntry[]): Promise<Outcome>;
  /** Begins to deliver what is due. */
  deliver(): Promise<void>;
};

/**
 * The only Durable Object: every writer and follower uses it. The cast is needed because the type derived from the
 * class is infinitely deep for JSON metadata.
 */
export const logObject = (env: Bindings) => env.LOG.get(env.LOG.idFromName('log')) as unknown as LogStub;

/** Checked settings from the variables and secrets; the database is Hyperdrive's. Throws a SettingsError. */
export function settingsOf(env: Bindings): Settings {
  const texts = Object.entries(env).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return readSettings({ ...Object.fromEntries(texts), DATABASE_URL: env.HYPERDRIVE.connectionString });
}

/** Variables and secrets of the Worker by their names. */
export const secretsOf = (env: Env) => (name: string) => {
  const value = env[name];
  return typeof value === 'string' ? value : undefined;
};

/**
 * Rejects when query results come from a cache: Hyperdrive's is on by default, and would show the log up to a minute
 * late. The query returns its own start time, so two equal results prove a cache.
 */
export async function rejectCachedReads(db: Database): Promise<void> {
  const startOfQuery = async () => {
    const [row] = await db.select({ at: sql<string>`max(query_start)` }).from(sql`pg_stat_activity`);
    return row?.at;
  };
  const first = await startOfQuery();
  if ((await startOfQuery()) === first)
    throw unavailable(
      'Hyperdrive answers from its cache, up to a minute late: npx wrangler hyperdrive update <id> --caching-disabled true',
    );
}

/** The result of an append as a plain object: an Error loses its fields between isolates. */
export type Outcome = { appended: Appended[] } | { refused: Refusal };
type Refusal = { status: ProblemStatus; detail: string; headers: Record<string, string>; stored: Stored | null };

export async function outcomeOf(appending: Promise<Appended[]>): Promise<Outcome> {
  try {
    return { appended: await appending };
  } catch (error) {
    const problem = problemOf(error);
    if (problem.status === 500) report('an append failed', error);
    const { status, message: detail, headers, stored = null } = problem;
    return { refused: { status, detail, headers, stored } };
  }
}

/** Appends through the Durable Object; rejects with the same problems as a store of this process. */
export async function appendThrough(env: Bindings, entries: NewEntry[]): Promise<Appended[]> {
  const outcome = await logObject(env)
    .append(entries)
    .catch((error) => {
      report('the Durable Object could not be reached', error);
      throw unavailable('The log cannot be reached: the events may or may not be stored.', 'unknown');
    });
  if ('appended' in outcome) return outcome.appended;
  const { status, detail, headers, stored } = outcome.refused;
  throw new Problem(status, detail, { headers, ...(stored && { stored }) });
}
