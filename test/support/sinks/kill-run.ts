/** Two instances of the service and a far side with faults, while the instances are killed and paused at random. */
import { elasticsearch } from './elasticsearch.ts';
import { seeded } from './far-side.ts';
import { ordersFrom, startFleet, upTo } from './fleet.ts';

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

/** Runs until the sink is up to date; rejects when it is not within the time. */
export async function killRun(run: KillRun, ms_max: number): Promise<KillResult> {
  const { DATABASE_URL, n_events, n_kills, n_pauses, n_poison, lease_ms, say = () => {} } = run;
  const random = seeded(run.seed);
  const started = performance.now();
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
  const fleet = await startFleet({ DATABASE_URL, n_instances: 2, env: { SINK_LEASE_MS: String(lease_ms) }, ms_max });
  const seconds = () => `after ${((performance.now() - started) / 1000).toFixed(1)} s`;
  say(`two instances are ready ${seconds()}`);

  async function write(): Promise<void> {
    const batch = 250;
    for (let i = 0; i < n_events; i += batch)
      await fleet.write(
        ordersFrom(i, Math.min(batch, n_events - i)).map((event, j) => ({ ...event, event_uid: `kill/${i + j}` })),
      );
    say(`all events are written ${seconds()}`);
  }

  async function disturb(): Promise<void> {
    await fleet.disturb({ n_kills, n_pauses, pause_ms: lease_ms * 1.5, random });
    say(`${n_kills} kills and ${n_pauses} pauses are over ${seconds()}`);
  }

  await fleet.put('search', { kind: 'elasticsearch', url: far.url });
  await Promise.all([write(), disturb()]);
  await fleet.upToDate('search');
  const { total } = await fleet.get<{ total: number }>('/api/logs?limit=1');
  const refused = await fleet.refused('search');
  const asked = [...poison].slice(0, 50).map((id) => `entity_id=${id}`);
  const { logs } = await fleet.get<{ logs: { id: number }[] }>(`/api/logs?limit=1000&${asked.join('&')}`);
  await fleet.end();
  await far.close();
  const stored = [...far.documents.values()].map(({ id }) => id);
  const known = new Set([...stored, ...refused]);
  return {
    events: total,
    lost: upTo(total).filter((id) => !known.has(id)).length,
    doubled: stored.length - new Set(stored).size,
    sent_again_percent: Math.round((1000 * far.conflicts) / total) / 10,
    refused,
    poison: logs.map(({ id }) => id).toSorted((a, b) => a - b),
    faults: far.faults,
    overlap: far.overlap,
    kills: n_kills,
    pauses: n_pauses,
    seconds: Math.round((performance.now() - started) / 100) / 10,
  };
}
