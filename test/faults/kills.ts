/** SIGKILL of the service while 64 writers write, and its start at once: nothing that was acknowledged is lost or doubled. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../support/postgres-server.ts';
import { type ServiceProcess, spawnService } from '../support/process.ts';
import { resuming } from '../support/resuming.ts';
import { seeded } from '../support/sinks/far-side.ts';
import { wait } from '../support/sinks/fleet.ts';
import { keepCheckpoints } from './checkpoints.ts';
import { caughtUp, compare, startWriters } from './ledger.ts';
import { type FaultRun, quantile } from './run.ts';

const n_writers = 64;
/** From the first acknowledgement of a process to its kill. */
const life_ms = { min: 500, max: 5_000 };

type Place = { DATABASE_URL: string } | { DATA_DIR: string };

/** Kills the service so often; each start follows at once, without waiting for the end of the process before. */
async function killed(place: Place, runtime: 'node' | 'bun', n_kills: number, say: (line: string) => void) {
  const random = seeded(17);
  const port = await freePort();
  const settings = { ...place, PORT: String(port), USERS: 'admin:admin:admin-password', UNUSUAL_PER_DAY_MAX: '0' };
  const url = `http://127.0.0.1:${port}`;
  let service: ServiceProcess = spawnService(settings, runtime);
  await service.ready;
  const over = new AbortController();
  const followers = { sse: resuming({ url }, 'sse', over.signal), websocket: resuming({ url }, 'socket', over.signal) };
  const writing = startWriters(n_writers, () => url);
  const { ledger } = writing;
  const verified = keepCheckpoints([url]);
  const ready_ms: number[] = [];
  let failed_starts = 0;
  for (let n = 0; n < n_kills; n += 1) {
    const started = performance.now();
    while (ledger.acknowledged_at < started) await wait(5);
    await wait(life_ms.min + random() * (life_ms.max - life_ms.min));
    service.child.kill('SIGKILL');
    const killed_at = performance.now();
    service = spawnService(settings, runtime);
    try {
      await service.ready;
    } catch (error) {
      failed_starts += 1;
      say(`start ${n + 2} failed: ${error}`);
      service = spawnService(settings, runtime);
      await service.ready;
    }
    ready_ms.push(performance.now() - killed_at);
  }
  await writing.stop();
  await caughtUp(followers, url);
  const result = await compare(url, ledger, followers);
  over.abort();
  const tree = await verified(url);
  service.child.kill('SIGTERM');
  const code = await service.ended;
  return {
    numbers: {
      kills: n_kills,
      failed_starts,
      ready_ms: { median: Math.round(quantile(ready_ms, 0.5)), most: Math.round(Math.max(...ready_ms)) },
      ...result.numbers,
      ...tree.numbers,
    },
    claims: {
      ...result.claims,
      ...tree.claims,
      'each start succeeded at once': failed_starts === 0,
      'it ends with 0 at SIGTERM': code === 0,
    },
  };
}

export const kills: FaultRun = async ({ fresh, say, args: [n = '30', n_embedded = '20'] }) => {
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-kills-'));
  const runs = [
    ['node · postgres', 'node', { DATABASE_URL: await fresh() }, n],
    ['node · pglite', 'node', { DATA_DIR: join(folder, 'node') }, n_embedded],
    ['bun · pglite', 'bun', { DATA_DIR: join(folder, 'bun') }, n_embedded],
  ] as const;
  const numbers: Record<string, unknown> = {};
  const claims: Record<string, boolean> = {};
  for (const [name, runtime, place, n_kills] of runs) {
    const result = await killed(place, runtime, Number(n_kills), say);
    numbers[name] = result.numbers;
    for (const [claim, isSo] of Object.entries(result.claims)) claims[`${name}: ${claim}`] = isSo;
    say(`${name}: ${JSON.stringify(result.numbers)}`);
  }
  await rm(folder, { recursive: true, force: true });
  return { numbers, claims };
};
