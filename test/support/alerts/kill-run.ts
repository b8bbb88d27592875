/** Rules on two instances of the service, which are killed at random while events are written: live, previewed and by the oracle. */

import { ruleOf } from '../../../src/features/alerts/rule.ts';
import type { Entry } from '../../../src/log/schema.ts';
import { type ServiceProcess, spawnService } from '../process.ts';
import { seeded } from '../sinks/far-side.ts';
import { type OracleAlert, type OracleEvent, oracle, sortAlerts } from './oracle.ts';

export type AlertRun = {
  DATABASE_URL: string;
  n_events: number;
  n_kills: number;
  seed: number;
  /** For how long a group stays open: what is longer makes fewer alerts. */
  quiet_s: number;
  say?(line: string): void;
};
/** The alerts of each rule: as they are in the log, as a preview shows them, as the oracle has them. */
export type AlertResult = {
  rules: Record<string, { live: OracleAlert[]; shown: OracleAlert[]; expected: OracleAlert[] }>;
  events: number;
};

type Spec = { type: string } & Record<string, unknown>;
/** Each with the filters as functions: the oracle reads no filter. */
const rules: Record<string, { spec: Spec; filters: ((entry: Entry) => boolean)[] }> = {
  count: {
    spec: { type: 'count', filter: 'event_type=A', n: 5, window_s: 2, group_by: 'user_id' },
    filters: [({ event_type }) => event_type === 'A'],
  },
  distinct: {
    spec: { type: 'distinct', filter: '', field: 'entity_id', n: 4, window_s: 1, group_by: 'user_id' },
    filters: [() => true],
  },
  sequence: {
    spec: {
      type: 'sequence',
      filter: 'event_type=A',
      followed_by: ['event_type=B', 'event_type=C'],
      window_s: 1,
      group_by: 'user_id',
    },
    filters: ['A', 'B', 'C'].map(
      (type) =>
        ({ event_type }) =>
          event_type === type,
    ),
  },
  missing: {
    spec: {
      type: 'sequence',
      filter: 'event_type=A&entity_id=x0',
      not_followed_by: 'event_type=B',
      window_s: 1,
      group_by: 'user_id',
    },
    filters: [
      ({ event_type, entity_id }) => event_type === 'A' && entity_id === 'x0',
      ({ event_type }) => event_type === 'B',
    ],
  },
  silence: {
    spec: { type: 'silence', filter: 'event_type=C', window_s: 2, group_by: 'user_id' },
    filters: [({ event_type }) => event_type === 'C'],
  },
  first: {
    spec: { type: 'first_seen', filter: 'event_type=B', group_by: 'user_id' },
    filters: [({ event_type }) => event_type === 'B'],
  },
  ratio: {
    spec: {
      type: 'ratio',
      filter: 'event_type=A',
      of: 'event_type=A&event_type=B',
      ratio: 0.6,
      n: 5,
      window_s: 60,
      group_by: 'user_id',
    },
    filters: [({ event_type }) => event_type === 'A', ({ event_type }) => event_type === 'A' || event_type === 'B'],
  },
};
const n_users = 12;

const headers = { authorization: `Basic ${btoa('admin:admin-password')}`, 'content-type': 'application/json' };
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs until everything was told; rejects when it was not within the time. */
export async function alertRun(run: AlertRun, ms_max: number): Promise<AlertResult> {
  const { n_events, n_kills, say = () => {} } = run;
  const random = seeded(run.seed);
  const deadline = performance.now() + ms_max;
  const settings = {
    DATABASE_URL: run.DATABASE_URL,
    USERS: 'admin:admin:admin-password',
    SINK_LEASE_MS: '1000',
    POLL_MS_MAX: '200',
  };
  const instances: ServiceProcess[] = [spawnService(settings), spawnService(settings)];
  const urls = await Promise.all(instances.map(({ ready }) => ready));

  async function ask<T>(path: string, method = 'GET', body?: unknown): Promise<T> {
    for (let i = 0; performance.now() < deadline; i += 1) {
      try {
        const init = {
          method,
          headers,
          signal: AbortSignal.timeout(20_000),
          ...(body !== undefined && { body: JSON.stringify(body) }),
        };
        const answer = await fetch(`${urls[i % urls.length]}${path}`, init);
        if (answer.ok) return (await answer.json()) as T;
        if (answer.status === 400) throw new Error(await answer.text());
        await answer.arrayBuffer();
      } catch (error) {
        if (error instanceof Error && error.message.startsWith('{')) throw error;
      }
      await wait(20);
    }
    throw new Error(`${path} was not answered in time`);
  }

  const specOf = ({ spec }: { spec: Spec }): Spec => ({
    ...spec,
    ...(['count', 'distinct', 'sequence', 'ratio'].includes(spec.type) && { quiet_s: run.quiet_s }),
    alerts_per_hour_max: 1_000,
  });

  let written = 0;
  async function write(): Promise<void> {
    while (written < n_events) {
      const size = Math.min(1 + Math.floor(random() * 60), n_events - written);
      const batch = Array.from({ length: size }, (_, i) => ({
        event_type: 'ABC'[Math.floor(random() * 3)],
        entity_type: 'thing',
        entity_id: `x${Math.floor(random() * 5)}`,
        user_id: `u${Math.floor(random() * n_users)}`,
        event_uid: `alerts/${written + i}`,
        // A third of them is late.
        ...(random() < 0.33 && { timestamp: new Date(Date.now() - random() * 86_400_000).toISOString() }),
      }));
      await ask('/api/logs', 'POST', batch);
      written += size;
      await wait(random() * 60);
    }
  }

  async function disturb(): Promise<void> {
    for (let kill = 1; kill <= n_kills; kill += 1) {
      // Spread over the writing, whatever its speed.
      while (written < (kill / (n_kills + 1)) * n_events) await wait(5);
      const i = kill % 2;
      instances[i]?.child.kill('SIGKILL');
      await instances[i]?.ended;
      const next = spawnService(settings);
      instances[i] = next;
      urls[i] = await next.ready;
    }
  }

  for (const [name, rule] of Object.entries(rules))
    await ask(`/api/rules/${name}`, 'PUT', { ...specOf(rule), after: 0 });
  await Promise.all([write(), disturb()]);
  say(`${n_events} events are written, ${n_kills} kills are over`);
  // When every user is silent and was told to be, and every rule has read that, nothing more happens.
  type View = { name: string; lag_events: number; open_groups: number };
  for (;;) {
    const { rules: views } = await ask<{ rules: View[] }>('/api/rules');
    const isSilent = views.some(({ name, open_groups }) => name === 'silence' && open_groups === n_users);
    const isOver = views.every(
      ({ name, open_groups }) => !['count', 'distinct', 'sequence', 'missing'].includes(name) || open_groups === 0,
    );
    if (isSilent && isOver && views.every(({ lag_events }) => lag_events === 0)) break;
    if (performance.now() > deadline) throw new Error(`the rules are ${JSON.stringify(views)}`);
    await wait(50);
  }
  const { log, result } = await compare();
  for (const { child } of instances) child.kill('SIGKILL');
  return { rules: result, events: log.length };

  async function compare() {
    const answer = await fetch(`${urls[0]}/api/logs/export?format=ndjson`, { headers });
    const lines = (await answer.text()).trimEnd().split('\n');
    const log = lines.map((line) => JSON.parse(line) as Entry).sort((a, b) => a.id - b.id);
    const end = log.at(-1);
    const result: AlertResult['rules'] = {};
    for (const [name, { spec: written, filters }] of Object.entries(rules)) {
      const spec = specOf({ spec: written });
      const own = log.filter(
        ({ event_type, entity_type, entity_id }) =>
          event_type === 'ALERT' && entity_type === 'rule' && entity_id === name,
      );
      const rule = ruleOf(spec as never, '');
      const events = log
        .filter(({ service }) => service !== 'edgetrail')
        .map(
          (entry): OracleEvent => ({
            id: entry.id,
            at: Date.parse(entry.created_at),
            group: entry.user_id,
            value: entry.entity_id,
            matched: filters.flatMap((filter, i) => (filter(entry) ? [i] : [])),
          }),
        );
      const shown = await ask<{ alerts: Record<string, unknown>[] }>('/api/rules/preview', 'POST', {
        rule: spec,
        after: 0,
        until: end?.id ?? 0,
      });
      result[name] = {
        live: sortAlerts(own.map(({ metadata, timestamp }) => alertOf(metadata as never, timestamp))),
        shown: sortAlerts(shown.alerts.map((alert) => alertOf(alert, String(alert.at)))),
        expected: oracle(rule, events, Date.parse(end?.created_at ?? '')),
      };
    }
    return { log, result };
  }
}

const alertOf = ({ group, n, first_id, last_id }: Record<string, unknown>, at: string): OracleAlert => ({
  group: group as string | null,
  n: Number(n),
  first_id: Number(first_id),
  last_id: Number(last_id),
  at: Date.parse(at),
});
