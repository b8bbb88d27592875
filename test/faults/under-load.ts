/** A service under writers, readers and followers, for as long as something is broken around it. */
import { type ServiceProcess, spawnService } from '../support/process.ts';
import { type Followed, resuming } from '../support/resuming.ts';
import { wait } from '../support/sinks/fleet.ts';
import { caughtUp, compare, startWriters, type Writing } from './ledger.ts';
import { type Probes, startProbes } from './probes.ts';

export type Load = {
  url: string;
  service: ServiceProcess;
  writing: Writing;
  probes: Probes;
  followers: { sse: Followed; websocket: Followed };
};

export type Result = { numbers: Record<string, unknown>; claims: Record<string, boolean> };

export type LoadOptions = {
  settings: Record<string, string>;
  runtime?: 'node' | 'bun';
  n_writers?: number;
};

/**
 * Starts a service and the load, does `work`, and compares the log with what was acknowledged. The service must come
 * through all of it, and end with 0.
 */
export async function underLoad(
  { settings, runtime = 'node', n_writers = 16 }: LoadOptions,
  work: (load: Load) => Promise<Result>,
): Promise<Result> {
  const service = spawnService({ USERS: 'admin:admin:admin-password', UNUSUAL_PER_DAY_MAX: '0', ...settings }, runtime);
  const url = await service.ready;
  const over = new AbortController();
  const followers = { sse: resuming({ url }, 'sse', over.signal), websocket: resuming({ url }, 'socket', over.signal) };
  const writing = startWriters(n_writers, () => url);
  const probes = startProbes(url);
  await acknowledgedAfter(writing, performance.now());
  const { numbers, claims } = await work({ url, service, writing, probes, followers });
  await acknowledgedAfter(writing, performance.now());
  await writing.stop();
  await probes.stop();
  await caughtUp(followers, url);
  const log = await compare(url, writing.ledger, followers);
  const reads = probes.result();
  over.abort();
  service.child.kill('SIGTERM');
  const code = await service.ended;
  return {
    numbers: { ...numbers, log: log.numbers, reads: reads.numbers },
    claims: {
      ...claims,
      ...log.claims,
      ...reads.claims,
      'the service came through it and ends with 0 at SIGTERM': code === 0,
    },
  };
}

/** How long after a moment the next event is acknowledged; waits for it. */
export async function acknowledgedAfter({ ledger }: Writing, since: number, ms_max = 60_000): Promise<number> {
  while (ledger.acknowledged_at < since) {
    if (performance.now() - since > ms_max) return Number.POSITIVE_INFINITY;
    await wait(5);
  }
  return ledger.acknowledged_at - since;
}
