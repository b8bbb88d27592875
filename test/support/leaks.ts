/** The test, for any runtime, that disconnected followers leak nothing. It measures the process from outside. */
import { expect, it } from 'vitest';
import { credentials, eventually, freshPostgres, json } from './harness.ts';
import type { Holds } from './probed.ts';
import { type Proxy as DatabaseProxy, proxyTo } from './proxy.ts';
import { connectAndResetAll } from './resets.ts';

export type Leaver = {
  /** The number of followers that connect and disconnect. */
  n: number;
  /** Starts a service with these settings. */
  start(settings: Record<string, string>): Promise<{ url: string; holds(): Promise<Holds> }>;
  /** The largest allowed growth from the first followers to the last. */
  grown_max: Holds;
};

const settings = {
  USERS: 'admin:admin:admin-password',
  DATABASE_CONNECTIONS_MAX: '1',
  // Without polls and heartbeats, which would detect a closed socket or add queries to the measured ones.
  POLL_MS_MIN: '60000',
  POLL_MS_MAX: '60000',
  HEARTBEAT_MS: '600000',
  // Nor with readers that read each event.
  UNUSUAL_PER_DAY_MAX: '0',
  PROOF: 'off',
};
/** Warm-up: enough followers that every code path has run, every buffer exists and every pool is full. */
const n_first = 200;

/** How often the log is read when one event is written: by the followers that still exist, and by nothing else. */
async function readsOfEvent(url: string, { received, logReads }: DatabaseProxy): Promise<number> {
  const quiet = async () => {
    let seen = -1;
    await eventually('the database sends nothing', async () => {
      const before = seen;
      seen = received();
      await new Promise((resolve) => setTimeout(resolve, 300));
      return seen === before;
    });
    return logReads();
  };
  const before = await quiet();
  const event = { event_type: 'CREATE', entity_type: 'order', entity_id: 'x' };
  const headers = { authorization: credentials.admin, 'content-type': 'application/json' };
  const answer = await fetch(`${url}/api/logs`, { ...json(event), headers });
  expect(answer.status).toBe(201);
  return (await quiet()) - before;
}

/** A follower that stays. Resolves when it is open, to what closes it. */
async function stay(url: string): Promise<() => Promise<void> | undefined> {
  const { body } = await fetch(`${url}/api/logs/stream?entity_id!=stays`, {
    headers: { authorization: credentials.admin },
  });
  const reader = body?.getReader();
  await reader?.read();
  return () => reader?.cancel();
}

/** Defines the test: disconnected followers leave no follower, no socket and no timer. */
export function leakTests(name: string, { n, start, grown_max }: Leaver): void {
  it(`${n} followers closed by a reset leak nothing on ${name}`, { timeout: 300_000 }, async () => {
    const proxy = await proxyTo(await freshPostgres());
    const { url, holds } = await start({ ...settings, DATABASE_URL: proxy.url });
    const leave = await stay(url);
    expect(await readsOfEvent(url, proxy), 'with one follower').toBeGreaterThan(0);
    await leave();
    await connectAndResetAll(url, n_first);
    await readsOfEvent(url, proxy);
    const before = await holds();
    await connectAndResetAll(url, n);
    expect(await readsOfEvent(url, proxy), 'reads by followers that still exist').toBe(0);
    let grown: Holds = {};
    const small = async () => {
      const now = await holds();
      grown = Object.fromEntries(Object.keys(grown_max).map((what) => [what, (now[what] ?? 0) - (before[what] ?? 0)]));
      return Object.entries(grown_max).every(([what, max]) => (grown[what] ?? 0) <= max);
    };
    await eventually('the resources are as small as before', small).catch(() => {});
    console.log(`${n} followers on ${name}: grown`, grown);
    for (const [what, max] of Object.entries(grown_max)) expect(grown[what], what).toBeLessThanOrEqual(max);
  });
}
