/** What five sinks and twelve rules cost the writers: events a second with them and without, in turns. */
import { runLoad } from '../../bench/load.ts';
import { ready } from '../../src/features/alerts/ready.ts';
import { cpuOf } from '../support/process.ts';
import { fastEnv, fastSides } from '../support/sinks/fast-sides.ts';
import { type Fleet, startFleet } from '../support/sinks/fleet.ts';
import { type FaultRun, quantile, rounded } from './run.ts';

const token = 'load-secret-000001';
const warm_ms = 500;
const measured_ms = 3_000;

const loads = {
  single: { callers: 64, rows: 1 },
  batch: { callers: 4, rows: 250 },
};

export const writes: FaultRun = async ({ fresh, say, args: [turns = '6'] }) => {
  const env = { ...fastEnv, TOKENS: `load:write:${token}` };
  const start = async () => startFleet({ DATABASE_URL: await fresh(), env, ms_max: 30 * 60_000 });
  const [withReaders, without] = [await start(), await start()];
  const far = await fastSides();
  const names = Object.keys(far.specs);
  for (const name of names) await withReaders.put(name, far.specs[name] as object);
  for (const { name, rule } of ready) await withReaders.putRule(name, rule);
  const paths = [...names.map((name) => `/api/sinks/${name}`), ...ready.map(({ name }) => `/api/rules/${name}`)];
  await withReaders.allRead(paths);
  const numbers: Record<string, unknown> = { sinks: names.length, rules: ready.length };
  const claims: Record<string, boolean> = {};
  for (const [load, { callers, rows }] of Object.entries(loads)) {
    const ratios: number[] = [];
    const total: [number, number] = [0, 0];
    const cpu_ms: [number, number] = [0, 0];
    const stored: [number, number] = [0, 0];
    const behind: number[] = [];
    const drain_s: number[] = [];
    const measure = async (fleet: Fleet, i: 0 | 1) => {
      const port = Number(new URL(fleet.url()).port);
      const before = cpuOf(fleet.pid());
      const done = await runLoad({ port, token, callers, rows, warm_ms, ms: measured_ms });
      cpu_ms[i] += cpuOf(fleet.pid()) - before;
      stored[i] += done.acknowledged;
      return done.rows / done.seconds;
    };
    for (let turn = 0; turn < Number(turns); turn += 1) {
      const per_s: [number, number] = [0, 0];
      for (const i of turn % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
        per_s[i] = await measure(i === 0 ? withReaders : without, i);
        total[i] += per_s[i];
        if (i === 1) continue;
        // The other service's turn is without the work of these readers.
        const states = await Promise.all(names.map(withReaders.sink));
        behind.push(Math.max(...states.map(({ lag_events }) => lag_events)));
        const from = performance.now();
        await withReaders.allRead(paths);
        drain_s.push((performance.now() - from) / 1_000);
      }
      ratios.push(per_s[0] / per_s[1]);
      say(`${load}: ${per_s.map(Math.round).join(' and ')} events/s`);
    }
    numbers[load] = {
      events_per_s: total.map((sum) => Math.round(sum / Number(turns))),
      ratio: rounded(total[0] / total[1]),
      ratio_of_turns: rounded(quantile(ratios, 0.5)),
      // Of the service's process alone; other work on the machine does not change it as much as the events a second.
      cpu_us_an_event: cpu_ms.map((ms, i) => Math.round((1_000 * ms) / (stored[i] ?? 1))),
      behind_at_the_end: Math.round(quantile(behind, 0.5)),
      drain_s: rounded(quantile(drain_s, 0.5), 1),
    };
    claims[`${load} POSTs: at least 0.9 times the events a second of without`] = total[0] / total[1] >= 0.9;
  }
  far.close();
  await Promise.all([withReaders.end(), without.end()]);
  return { numbers, claims };
};
