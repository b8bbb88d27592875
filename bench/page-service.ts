/** Shared by the page benchmarks: the service in its own process with a month of sample events, and medians. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { sql } from 'drizzle-orm';
import { createClient, type Log } from '../src/client.ts';
import { demoHistory } from '../src/commands/demo-shop.ts';
import { openDatabase } from '../src/runtime/service.ts';
import { readSettings } from '../src/settings.ts';
import { type BenchDatabase, check, type Place } from './databases.ts';

export const events_n = 100_000;

export type Shop = {
  url: string;
  /** The session of a signed-in user. */
  cookie: { name: string; value: string };
  log: Log;
  close(): Promise<void>;
};

const token = 'bench-secret-000001';
const credentials = { OWN_EVENTS: 'off', USERS: 'bench:admin:bench-password', TOKENS: `bench:read+write:${token}` };
const day_ms = 24 * 60 * 60 * 1_000;
const month_days = 30;
const batch_rows = 1_000;

/** The same events in every run of a day: they end at midnight UTC, so that the time of the run does not matter. */
function history() {
  const now_ms = Date.now() - (Date.now() % day_ms);
  // The number is approximate: generate more and drop the oldest.
  const events = demoHistory({ n_events: events_n * 1.05, days: month_days, seed: 7, now_ms }).slice(-events_n);
  if (events.length < events_n) throw new Error(`the shop made only ${events.length} events`);
  return events;
}

/** Fills the database directly, and analyzes it, as autovacuum does on an older log. */
async function fill(place: Place): Promise<void> {
  const database = await openDatabase(readSettings({ ...credentials, ...place }));
  const events = history();
  for (let n = 0; n < events.length; n += batch_rows) {
    const batch = JSON.stringify(events.slice(n, n + batch_rows));
    await database.db.execute(sql`select count(*) from append_logs(${batch}::text::jsonb)`);
  }
  await database.db.execute(sql`vacuum analyze`);
  await check(database, events_n);
  await database.close();
}

/** Starts the service on a filled log in its own process, as `npm start` does, and signs a user in. */
export async function openShop(database: BenchDatabase): Promise<Shop> {
  const place = await database.fresh();
  await fill(place);
  const env = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', PORT: '0', ...credentials, ...place };
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/runtime/node.ts'], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const close = async () => {
    child.kill('SIGTERM');
    await ended;
  };
  try {
    let printed = '';
    const port = await new Promise<string>((resolve, reject) => {
      child.stdout.on('data', (chunk) => {
        printed += chunk;
        const found = /address\s+http:\/\/[^:]+:(\d+)/.exec(printed)?.[1];
        if (found) resolve(found);
      });
      child.once('exit', (code) => reject(new Error(`the service ended with ${code}:\n${printed}`)));
    });
    const url = `http://127.0.0.1:${port}`;
    return { url, cookie: await signIn(url), log: createClient({ url, token }), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function signIn(url: string): Promise<Shop['cookie']> {
  const answer = await fetch(`${url}/sign-in`, {
    method: 'POST',
    body: new URLSearchParams({ user: 'bench', password: 'bench-password' }),
    headers: { origin: url },
    redirect: 'manual',
  });
  const [name, value] = answer.headers.getSetCookie()[0]?.split(';')[0]?.split('=') ?? [];
  if (!name || !value) throw new Error(`no session: ${answer.status} ${await answer.text()}`);
  return { name, value };
}

/** The quantile of the values at `share` (0 to 1). */
export function quantile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
export const median = (values: number[]) => quantile(values, 0.5);

/** One line of the table: a value, its reference in the same run, and its goal. */
export type Line = {
  what: string;
  value: number;
  unit: string;
  p95?: number;
  reference?: number;
  goal?: number;
};

/** A line of measured times and those of the reference. */
export const timesLine = (what: string, times: number[], reference?: number[], unit = 'ms'): Line => ({
  what,
  unit,
  value: median(times),
  p95: quantile(times, 0.95),
  ...(reference && { reference: median(reference) }),
});
