/** Two instances of the service and a far side with faults, while the instances are killed and paused at random. */
import { type ServiceProcess, spawnService } from '../process.ts';
import { elasticsearch } from './elasticsearch.ts';
import { seeded } from './far-side.ts';

export type KillRun = {
  DATABASE_URL: string;
  n_events: number;
  n_kills: number;
  /** SIGSTOP for longer than the lease, then SIGCONT. */
  n_pauses: number;
  n_poison: number;
  lease_ms: number;
  seed: number;
  say?(line: string): void;
};

export type KillResult = {
  events: number;
  lost: number;
  /** Events in more than one document. */
  doubled: number;
  sent_again_percent: number;
  refused: number[];
  poison: number[];
  faults: string[];
  overlap: number;
  kills: number;
  pauses: number;
  seconds: number;
};

const authorization = `Basic ${btoa('admin:admin-password')}`;
const headers = { authorization, 'content-type': 'application/json' };
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs until the sink is up to date; rejects when it is not within the time. */
export async function killRun(run: KillRun, ms_max: number): Promise<KillResult> {
  const { n_events, n_kills, n_pauses, n_poison, lease_ms, say = () => {} } = run;
  const random = seeded(run.seed);
  const started = performance.now();
  const deadline = started + ms_max;
  const poison = new Set<string>();
  while (poison.size < n_poison) poison.add(String(Math.floor(random() * n_events)));
  const far = await elasticsearch({
    random,
    busy: 0.04,
    busyItems: 0.0005,
    cut: 0.04,
    bytes_max: 150_000,
    isPoison: (source) => poison.has((source as unknown as { entity_id: string }).entity_id),
  });
  const settings = {
    DATABASE_URL: run.DATABASE_URL,
    USERS: 'admin:admin:admin-password',
    OUTBOUND_ALLOW: '127.0.0.0/8',
    SINK_LEASE_MS: String(lease_ms),
    POLL_MS_MAX: '200',
  };
  const instances: ServiceProcess[] = [spawnService(settings), spawnService(settings)];
  const urls = await Promise.all(instances.map(({ ready }) => ready));
  const seconds = () => `after ${((performance.now() - started) / 1000).toFixed(1)} s`;
  say(`two instances are ready ${seconds()}`);

  /** Asks whichever instance answers. */
  async function ask(path: string, init: RequestInit = {}): Promise<Response> {
    for (let i = 0; performance.now() < deadline; i += 1) {
      try {
        const answer = await fetch(`${urls[i % urls.length]}${path}`, {
          ...init,
          headers,
          signal: AbortSignal.timeout(2_000),
        });
        if (answer.ok) return answer;
        await answer.arrayBuffer();
      } catch {
        // It was killed or is paused.
      }
      await wait(20);
    }
    throw new Error(`${path} was not answered in time`);
  }

  async function write(): Promise<void> {
    const batch = 250;
    for (let i = 0; i < n_events; i += batch) {
      const events = Array.from({ length: Math.min(batch, n_events - i) }, (_, j) => ({
        event_type: 'CREATE',
        entity_type: 'order',
        entity_id: String(i + j),
        event_uid: `kill/${i + j}`,
        description: 'x'.repeat(40),
      }));
      await ask('/api/logs', { method: 'POST', body: JSON.stringify(events) });
    }
    say(`all events are written ${seconds()}`);
  }

  async function disturb(): Promise<void> {
    const acts = [...new Array(n_kills).fill('kill'), ...new Array(n_pauses).fill('pause')] as ('kill' | 'pause')[];
    for (let i = acts.length - 1; i > 0; i -= 1) {
      const j = Math.floor(random() * (i + 1));
      [acts[i], acts[j]] = [acts[j] as 'kill', acts[i] as 'kill'];
    }
    // Only what runs is killed or paused; what was killed starts while the other one is.
    const ready = new Set([0, 1]);
    const starting = new Map<number, Promise<void>>();
    for (const act of acts) {
      await wait(100 + random() * 400);
      if (ready.size === 0) await Promise.race(starting.values());
      const i = ready.size === 2 ? Math.floor(random() * 2) : [...ready][0] === 0 ? 0 : 1;
      const instance = instances[i] as ServiceProcess;
      if (act === 'pause') {
        instance.child.kill('SIGSTOP');
        await wait(lease_ms * 1.5);
        instance.child.kill('SIGCONT');
        continue;
      }
      ready.delete(i);
      instance.child.kill('SIGKILL');
      await instance.ended;
      const next = spawnService(settings);
      instances[i] = next;
      starting.set(
        i,
        next.ready.then((url) => {
          urls[i] = url;
          ready.add(i);
          starting.delete(i);
        }),
      );
    }
    await Promise.all(starting.values());
    say(`${n_kills} kills and ${n_pauses} pauses are over ${seconds()}`);
  }

  await ask('/api/sinks/search', { method: 'PUT', body: JSON.stringify({ kind: 'elasticsearch', url: far.url }) });
  await Promise.all([write(), disturb()]);
  type Sink = { status: string; lag_events: number; last_error: string | null };
  for (;;) {
    const sink = (await (await ask('/api/sinks/search')).json()) as Sink;
    if (sink.status === 'up to date') break;
    if (sink.status === 'held' || performance.now() > deadline) throw new Error(`the sink is ${JSON.stringify(sink)}`);
    await wait(50);
  }
  const { total } = (await (await ask('/api/logs?limit=1')).json()) as { total: number };
  const { refused } = (await (await ask('/api/sinks/search/refused')).json()) as { refused: { id: number }[] };
  const { logs } = (await (
    await ask(
      `/api/logs?limit=1000&${[...poison]
        .slice(0, 50)
        .map((id) => `entity_id=${id}`)
        .join('&')}`,
    )
  ).json()) as { logs: { id: number }[] };
  for (const { child } of instances) child.kill('SIGKILL');
  await far.close();
  const stored = [...far.documents.values()].map(({ id }) => id);
  const known = new Set([...stored, ...refused.map(({ id }) => id)]);
  const lost = Array.from({ length: total }, (_, i) => i + 1).filter((id) => !known.has(id)).length;
  return {
    events: total,
    lost,
    doubled: stored.length - new Set(stored).size,
    sent_again_percent: Math.round((1000 * far.conflicts) / total) / 10,
    refused: refused.map(({ id }) => id),
    poison: logs.map(({ id }) => id).toSorted((a, b) => a - b),
    faults: far.faults,
    overlap: far.overlap,
    kills: n_kills,
    pauses: n_pauses,
    seconds: Math.round((performance.now() - started) / 100) / 10,
  };
}
