/** What Workers gives the service: bindings and variables, and the words between the Worker and its Durable Object. */
import { sql } from 'drizzle-orm';
import { Problem, type ProblemStatus, problemOf, type Stored, unavailable } from '../http/problem.ts';
import type { Appended } from '../log/append-queue.ts';
import type { NewEntry } from '../log/entry.ts';
import type { Database } from '../log/schema.ts';
import { readSettings, type Settings } from '../settings.ts';
import { report } from './report.ts';

/** The bindings of wrangler.toml; settings are variables and secrets beside them. */
export type Bindings = Env & {
  HYPERDRIVE: Hyperdrive;
  LOG: DurableObjectNamespace;
  ASSETS: Fetcher;
};
type Env = Record<string, unknown>;

/** What the Durable Object is asked for (worker-log.ts). */
export type LogStub = {
  fetch(request: Request): Promise<Response>;
  append(entries: NewEntry[]): Promise<Outcome>;
};

/**
 * One for all: whoever follows and whoever writes meet there. Its type is said here: derived from the class, that of a
 * JSON value within an event has no end.
 */
export const logObject = (env: Bindings) => env.LOG.get(env.LOG.idFromName('log')) as unknown as LogStub;

/** Checked settings from the variables and secrets; the database is Hyperdrive's. Throws a SettingsError. */
export function settingsOf(env: Bindings): Settings {
  const texts = Object.entries(env).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return readSettings({ ...Object.fromEntries(texts), DATABASE_URL: env.HYPERDRIVE.connectionString });
}

/**
 * Rejects when the database's answers come from a cache (Hyperdrive has one, on unless told otherwise): a log that is
 * read a minute late is wrong. No question has the same answer twice that asks when it was asked.
 */
export async function demandFresh(db: Database): Promise<void> {
  const ask = async () => {
    const [row] = await db.select({ at: sql<string>`max(query_start)` }).from(sql`pg_stat_activity`);
    return row?.at;
  };
  const first = await ask();
  if ((await ask()) === first)
    throw unavailable(
      'Hyperdrive answers from its cache, up to a minute late: npx wrangler hyperdrive update <id> --caching-disabled true',
    );
}

/** What became of an append, in a form that crosses from one isolate to another: an Error would arrive without its fields. */
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
