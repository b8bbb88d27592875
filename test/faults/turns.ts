/**
 * Writers of two services in turns: what one of them does beside storing, in events a second. A turn during which other
 * processes of the machine worked is repeated: with one core of two taken, the ratio of a turn was anything from 0.5 to 1.1.
 * Each half begins on a machine at rest: what was stored before is still read, counted and vacuumed for seconds.
 */
import { runLoad } from '../../bench/load.ts';
import { cpuOf, cpuOfMachine, cpuOfOthers } from '../support/process.ts';
import { type Fleet, wait } from '../support/sinks/fleet.ts';
import { quantile, rounded } from './run.ts';

/** A right to write, for both services. */
export const token = 'load-secret-000001';
const warm_ms = 500;
const measured_ms = 3_000;
/** Of one core, in either half of a turn. */
const others_max = 0.2;
const repeats_max = 5;

const loads = {
  single: { callers: 64, rows: 1 },
  batch: { callers: 4, rows: 250 },
};

/** With the readers and without. */
type Turn = {
  per_s: [number, number];
  cpu_ms: [number, number];
  stored: [number, number];
  /** Cores that other processes took in either half, the larger of the two. */
  others: number;
};

const rest_ms = 500;
const rests_max = 120;

/** Waits until the machine is at rest: less than a sixth of a core for half a second, or a minute has passed. */
async function atRest(): Promise<void> {
  for (let n = 0; n < rests_max; n += 1) {
    const before = cpuOfMachine();
    await wait(rest_ms);
    if (cpuOfMachine() - before < rest_ms / 6) return;
  }
}

/** `paths` are the readers of the service `on` that must have caught up before the next half. */
export async function inTurns(options: {
  on: Fleet;
  off: Fleet;
  paths: string[];
  wanted: number;
  at_least?: number;
  say(line: string): void;
}): Promise<{ numbers: Record<string, unknown>; claims: Record<string, boolean> }> {
  const { on, off, paths, wanted, at_least = 0.9, say } = options;
  const sinks = paths.filter((path) => path.startsWith('/api/sinks/')).map((path) => path.slice('/api/sinks/'.length));
  await on.allRead(paths);
  const numbers: Record<string, unknown> = {};
  const claims: Record<string, boolean> = {};
  for (const [load, { callers, rows }] of Object.entries(loads)) {
    const turns: Turn[] = [];
    const behind: number[] = [];
    const drain_s: number[] = [];
    const isQuiet = ({ others }: Turn) => others <= others_max;
    for (let n = 0; turns.filter(isQuiet).length < wanted && n < repeats_max * wanted; n += 1) {
      const turn: Turn = { per_s: [0, 0], cpu_ms: [0, 0], stored: [0, 0], others: 0 };
      for (const i of n % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
        const fleet = i === 0 ? on : off;
        await atRest();
        const port = Number(new URL(fleet.url()).port);
        const [started, cpu_ms, others_ms] = [performance.now(), cpuOf(fleet.pid()), cpuOfOthers()];
        const done = await runLoad({ port, token, callers, rows, warm_ms, ms: measured_ms });
        turn.others = Math.max(turn.others, (cpuOfOthers() - others_ms) / (performance.now() - started));
        turn.cpu_ms[i] = cpuOf(fleet.pid()) - cpu_ms;
        turn.stored[i] = done.acknowledged;
        turn.per_s[i] = done.rows / done.seconds;
        if (i === 1) continue;
        // The other service's half is without the work of these readers.
        const states = await Promise.all(sinks.map(on.sink));
        behind.push(Math.max(0, ...states.map(({ lag_events }) => lag_events)));
        const from = performance.now();
        await on.allRead(paths);
        drain_s.push((performance.now() - from) / 1_000);
      }
      turns.push(turn);
      say(`${load}: ${turn.per_s.map(Math.round).join(' and ')} events/s; others took ${rounded(turn.others)} cores`);
    }
    const quiet = turns.filter(isQuiet);
    const sum = (of: (turn: Turn) => number) => quiet.reduce((total, turn) => total + of(turn), 0);
    const ratio = sum(({ per_s }) => per_s[0]) / sum(({ per_s }) => per_s[1]);
    numbers[load] = {
      turns: quiet.length,
      repeated: turns.length - quiet.length,
      events_per_s: ([0, 1] as const).map((i) => Math.round(sum(({ per_s }) => per_s[i]) / quiet.length)),
      ratio: rounded(ratio),
      ratio_of_turns: quiet.map(({ per_s }) => rounded(per_s[0] / per_s[1])).toSorted((a, b) => a - b),
      // Of the service's process alone.
      cpu_us_an_event: ([0, 1] as const).map((i) =>
        Math.round((1_000 * sum(({ cpu_ms }) => cpu_ms[i])) / sum(({ stored }) => stored[i])),
      ),
      behind_at_the_end: Math.round(quantile(behind, 0.5)),
      drain_s: rounded(quantile(drain_s, 0.5), 1),
    };
    claims[`${load} POSTs: at least ${at_least} times the events a second of without`] = ratio >= at_least;
    claims[`${load} POSTs: the machine was quiet for all turns`] = quiet.length === wanted;
  }
  return { numbers, claims };
}
