/** What the measurements of the page share: the service as a process of its own, with a shop's month in it, and medians. */
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
  /** A person's session: what the page is looked at with. */
  cookie: { name: string; value: string };
  log: Log;
  close(): Promise<void>;
};

const token = 'bench-secret-000001';
const people = { USERS: 'bench:admin:bench-password', TOKENS: `bench:read+write:${token}` };
const day_ms = 24 * 60 * 60 * 1_000;
const month_days = 30;
const batch_rows = 1_000;

/** The same events in every run of a day: they end at its first midnight, so that no hour of the run is in them. */
function history() {
  const now_ms = Date.now() - (Date.now() % day_ms);
  // About so many are made; what is too much is cut off at the old end.
  const events = demoHistory({ n_events: events_n * 1.05, days: month_days, seed: 7, now_ms }).slice(-events_n);
  if (events.length < events_n) throw new Error(`the shop made only ${events.length} events`);
  return events;
}

/** Straight into the database, and known to its planner, as it is on a log that was not filled this minute. */
async function fill(place: Place): Promise<void> {
  const database = await openDatabase(readSettings({ ...people, ...place }));
  const events = history();
  for (let n = 0; n < events.length; n += batch_rows) {
    const batch = JSON.stringify(events.slice(n, n + batch_rows));
    await database.db.execute(sql`select count(*) from append_logs(${batch}::text::jsonb)`);
  }
  await database.db.execute(sql`vacuum analyze`);
  await check(database, events_n);
  await database.close();
}

/** A filled log of its own behind the service, in a process of its own as `npm start` runs it, and somebody signed in. */
export async function openShop(database: BenchDatabase): Promise<Shop> {
  const place = await database.fresh();
  await fill(place);
  const env = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', PORT: '0', ...people, ...place };
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
    let said = '';
    const port = await new Promise<string>((resolve, reject) => {
      child.stdout.on('data', (chunk) => {
        said += chunk;
        const found = /address\s+http:\/\/[^:]+:(\d+)/.exec(said)?.[1];
        if (found) resolve(found);
      });
      child.once('exit', (code) => reject(new Error(`the service ended with ${code}:\n${said}`)));
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

/** The value below which this share of them lies. */
export function quantile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
export const median = (values: number[]) => quantile(values, 0.5);

/** One line of the table: a number, its reference in the same run, and what it should be. */
export type Line = {
  what: string;
  value: number;
  unit: string;
  p95?: number;
  reference?: number;
  goal?: number;
};

/** A line of measured times beside those of its reference. */
export const timesLine = (what: string, times: number[], reference?: number[], unit = 'ms'): Line => ({
  what,
  unit,
  value: median(times),
  p95: quantile(times, 0.95),
  ...(reference && { reference: median(reference) }),
});
