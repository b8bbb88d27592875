/** Sequences: the labelled virtual machines of OpenStack as traces, and commits in whose order there is nothing. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { day_ms, firingKinds } from '../../src/features/unusual/actor.ts';
import type { Event } from '../../src/features/unusual/fold.ts';
import { judgeOrder, learnOrder, newOrder, numberOf } from '../../src/features/unusual/order.ts';
import { inOrder, randomOf, runFold } from './activity-log.ts';
import { atLeast, atMost, type Part, type Row } from './part.ts';

type Machine = { name: string; types: string[]; isFaulty: boolean };

async function machinesOf(folder: string, file: string, isFaulty: boolean): Promise<Machine[]> {
  const text = gunzipSync(await readFile(join(folder, `${file}.gz`))).toString('utf8');
  return text
    .trim()
    .split('\n')
    .map((line, i) => ({ name: `${file}-${i}`, types: (line.split(',')[1] ?? '').trim().split(' '), isFaulty }));
}

type Scored = { score: number; isFaulty: boolean };

/** The largest F1 of all thresholds, as published detectors are compared. */
function f1Of(scored: Scored[]): number {
  const faulty = scored.filter(({ isFaulty }) => isFaulty).length;
  let [found, best] = [0, 0];
  const sorted = scored.toSorted((a, b) => b.score - a.score);
  for (const [i, { score, isFaulty }] of sorted.entries()) {
    if (isFaulty) found += 1;
    if (sorted[i + 1]?.score !== score) best = Math.max(best, (2 * found) / (i + 1 + faulty));
  }
  return best;
}

/** Machines as traces at random times, the normal ones to learn from in the first ten days. */
function eventsOf(train: Machine[], judged: Machine[], days: number, seed: number): Event[] {
  const random = randomOf(seed);
  const start = Date.UTC(2026, 0, 5);
  const rest = { entity_type: 'machine', user_id: null, service: 'nova', ip_address: null, user_agent: null };
  const at = ({ name, types }: Machine, from: number, length: number) => {
    const first = from + Math.floor(random() * length);
    return types.map((event_type, i): Event => ({ ...rest, id: 0, at: first + i * 1_000, event_type, trace_id: name }));
  };
  return inOrder([
    ...train.flatMap((machine) => at(machine, start, 10 * day_ms)),
    ...judged.flatMap((machine) => at(machine, start + 10 * day_ms, days * day_ms)),
  ]);
}

async function run(folder: string): Promise<Row[]> {
  const [train, normal, faulty] = await Promise.all([
    machinesOf(folder, 'train', false),
    machinesOf(folder, 'test_normal', false),
    machinesOf(folder, 'test_abnormal', true),
  ]);
  const judged = [...normal, ...faulty];
  const order = newOrder();
  const numbers = ({ types }: Machine) => types.map((type) => numberOf(order, type));
  for (const machine of train) learnOrder(order, numbers(machine), true);
  const fixed = judged.map((machine) => ({ ...machine, score: judgeOrder(order, numbers(machine), true).mean }));
  const online = (days: number) => {
    const events = eventsOf(train, judged, days, 1);
    const scored: Scored[] = [];
    const isFaulty = (name: string) => name.startsWith('test_abnormal');
    const { fired } = runFold(events, { per_day_max: 1, kinds: ['sequence'] }, undefined, ([, name], score) => {
      if (!name.startsWith('train')) scored.push({ score, isFaulty: isFaulty(name) });
    });
    const right = fired.filter(({ facts }) => facts.some(({ group }) => isFaulty(group?.[1] ?? ''))).length;
    const what = `in the log, within ${days} days, learning from what is not told`;
    return [
      { what: `${what}: F1 of ${scored.length} sequences`, measured: f1Of(scored).toFixed(3) },
      { what: `${what}: fired a day, 1 asked`, measured: (fired.length / days).toFixed(2) },
      { what: `${what}: fired, and those of faulty machines`, measured: `${fired.length}, ${right}` },
    ];
  };
  const timed = () => {
    const events = eventsOf(train, judged, 80, 1);
    const started = performance.now();
    runFold(events, { per_day_max: 1, kinds: firingKinds });
    return ((performance.now() - started) * 1_000) / events.length;
  };
  return [
    atLeast(
      `learned from ${train.length} machines, ${normal.length} normal and ${faulty.length} faulty ones judged: F1`,
      f1Of(fixed),
      0.99,
      3,
    ),
    { what: 'all called faulty: F1', measured: f1Of(judged.map((machine) => ({ ...machine, score: 0 }))).toFixed(3) },
    ...online(5),
    ...online(80),
    atMost('time of an event', Math.min(...[1, 2, 3].map(timed)), 20, 1, ' µs'),
  ];
}

export const openstack: Part = { name: 'sequences', folder: 'sequences-openstack', run };
