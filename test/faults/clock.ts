/** The clocks of the service and of PostgreSQL jump an hour back and a day ahead under load: ids and followers do not notice. */

import { existsSync, readdirSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { databaseOn, startServer } from '../support/postgres-server.ts';
import { wait } from '../support/sinks/fleet.ts';
import type { FaultRun } from './run.ts';
import { acknowledgedAfter, type Result, underLoad } from './under-load.ts';

/** In seconds. A clock that has jumped jumps back before the next. */
const jumps = { '-1h': -3_600, '+1d': 86_400, '+0': 0 } as const;
const order = ['-1h', '+0', '+1d', '+0'] as const;
const off_s_max = 5;
const late_ms_max = 2_000;

/** Debian's libfaketime, which answers each question for the time by a file. Throws where it is not installed. */
function fakeClock(file: string): Record<string, string> {
  const library = readdirSync('/usr/lib')
    .map((name) => `/usr/lib/${name}/faketime/libfaketimeMT.so.1`)
    .find((path) => existsSync(path));
  if (!library) throw new Error('this run needs libfaketime: apt-get install faketime');
  // Monotonic clocks do not jump.
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
  };
}

/** By how much the clocks of the service and of its database are off, in seconds. */
async function clocksOf(url: string): Promise<{ service: number; server: number }> {
  const headers = { authorization: `Basic ${btoa('admin:admin-password')}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ event_type: 'CREATE', entity_type: 'clock' });
  const answer = await fetch(`${url}/api/logs`, { method: 'POST', headers, body });
  const { created_at } = (await answer.json()) as { created_at: string };
  const off = (time: string) => Math.round((Date.parse(time) - Date.now()) / 1_000);
  return { service: off(answer.headers.get('date') ?? ''), server: off(created_at) };
}

/** Moves both clocks, or that of the service or of the server alone, and looks after each jump for writes and readiness. */
export const clock: FaultRun = async ({ say, args: [seconds = '15'] }) => {
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-clock-'));
  await chmod(folder, 0o755); // The server's own user must get through.
  const files = { service: join(folder, 'service'), server: join(folder, 'server') };
  const set = async (names: (keyof typeof files)[], by: string) => {
    for (const name of names) await writeFile(files[name], `${by}\n`);
  };
  await set(['service', 'server'], '+0');
  const server = await startServer(join(folder, 'postgres'), { env: fakeClock(files.server) });
  const settings = { DATABASE_URL: await databaseOn(server, 'run'), ...fakeClock(files.service) };
  const rounds: (keyof typeof files)[][] = [['service', 'server'], ['service'], ['server']];
  const result = await underLoad({ settings }, async ({ url, writing, probes }) => {
    const all: Result = { numbers: {}, claims: {} };
    for (const names of rounds)
      for (const by of order) {
        const since = performance.now();
        const { size } = writing.ledger.acknowledged;
        await set(names, by);
        const writes_ms = await acknowledgedAfter(writing, since);
        await wait(Number(seconds) * 1_000);
        const off_s = await clocksOf(url);
        const isReady = (await probes.readyAfter(performance.now(), true, late_ms_max)) <= late_ms_max;
        const n = writing.ledger.acknowledged.size - size;
        const name = `${by} of the ${names.join(' and the ')}`;
        all.numbers[name] = { acknowledged: n, first_ms: Math.round(writes_ms), isReady, off_s };
        all.claims[`${name}: the clocks have jumped`] = names.every(
          (of) => Math.abs(off_s[of] - jumps[by]) < off_s_max,
        );
        all.claims[`${name}: events are stored, and it is ready`] = isReady && n > 0 && writes_ms <= late_ms_max;
        say(`${name}: ${JSON.stringify(all.numbers[name])}`);
      }
    return all;
  });
  await server.stop();
  await rm(folder, { recursive: true, force: true });
  return result;
};
