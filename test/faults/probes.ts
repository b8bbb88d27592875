/** Readers that ask each kind of page and answer all the time, and watch when the service is ready. */
import { wait } from '../support/sinks/fleet.ts';
import { leaksOf } from './ledger.ts';

const headers = { authorization: `Basic ${btoa('admin:admin-password')}` };
const every_ms = 50;
const answer_ms_max = 60_000;

/** One of each kind of read. */
export const readPaths = [
  '/api/logs?limit=10',
  '/api/logs?search=nothing&limit=1',
  '/api/logs/1',
  '/api/logs/stats',
  '/api/logs/aggregate?group_by=event_type',
  '/api/sinks',
  '/api/rules',
  '/metrics',
  '/logs',
  '/status',
];

export type Probes = ReturnType<typeof startProbes>;

export function startProbes(url: string) {
  const over = new AbortController();
  const statuses: Record<string, number> = {};
  const unexpected: string[] = [];
  const leaks: string[] = [];
  let slowest_ms = 0;
  /** When each change of readiness was seen. */
  const readiness: { at: number; isReady: boolean }[] = [];

  async function ask(path: string): Promise<number> {
    const started = performance.now();
    const answer = await fetch(url + path, { headers, signal: AbortSignal.timeout(answer_ms_max) }).catch(() => null);
    const status = answer?.status ?? 0;
    const text = (await answer?.text().catch(() => '')) ?? '';
    slowest_ms = Math.max(slowest_ms, performance.now() - started);
    statuses[status] = (statuses[status] ?? 0) + 1;
    leaks.push(...leaksOf(status, text));
    if (![200, 503].includes(status)) unexpected.push(`${path} ${status} ${text.slice(0, 200)}`);
    return status;
  }
  async function all(): Promise<void> {
    for (let i = 0; !over.signal.aborted; i += 1) {
      await ask(readPaths[i % readPaths.length] as string);
      await wait(every_ms);
    }
  }
  async function watchReadiness(): Promise<void> {
    while (!over.signal.aborted) {
      const isReady = (await ask('/readyz')) === 200;
      if (readiness.at(-1)?.isReady !== isReady) readiness.push({ at: performance.now(), isReady });
      await wait(every_ms);
    }
  }
  const asking = [all(), watchReadiness()];

  /** How long after a moment the service was seen to be ready, or not; waits for it. */
  async function readyAfter(since: number, isReady: boolean, ms_max = 60_000): Promise<number> {
    for (;;) {
      const seen = readiness.find((change) => change.at >= since && change.isReady === isReady);
      if (seen) return seen.at - since;
      if (readiness.at(-1)?.isReady === isReady) return 0;
      if (performance.now() - since > ms_max) return Number.POSITIVE_INFINITY;
      await wait(10);
    }
  }

  return {
    readyAfter,
    result: () => ({
      numbers: {
        statuses,
        unexpected: unexpected.slice(0, 3),
        leaks: leaks.slice(0, 3),
        slowest_ms: Math.round(slowest_ms),
      },
      claims: {
        'each read was answered with its content or a 503': unexpected.length === 0,
        'no read names anything of the database': leaks.length === 0,
      },
    }),
    stop: async () => {
      over.abort();
      await Promise.all(asking);
    },
  };
}
