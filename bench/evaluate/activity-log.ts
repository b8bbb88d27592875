/** The history of a team as events of the log, with attacks that are put into it by a seed. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { day_ms, type Story } from '../../src/features/unusual/actor.ts';
import type { Budget } from '../../src/features/unusual/budget.ts';
import { type Event, fold } from '../../src/features/unusual/fold.ts';
import type { Found } from '../../src/features/unusual/stories.ts';
import { newWorld, type World } from '../../src/features/unusual/world.ts';

export async function readActivity(folder: string): Promise<Event[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.ndjson.gz')).sort();
  const texts = await Promise.all(
    files.map(async (name) => gunzipSync(await readFile(join(folder, name))).toString('utf8')),
  );
  return texts
    .flatMap((text) => text.trim().split('\n'))
    .map((line, i) => {
      const { timestamp, event_type, entity_type, user_id } = JSON.parse(line);
      return {
        ...{ id: i + 1, at: Date.parse(timestamp), event_type, entity_type, user_id },
        ...{ service: null, ip_address: null, user_agent: null },
      };
    });
}

/** A small generator of random numbers from 0 to 1 (mulberry32): the same seed gives the same attacks. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Events in the order of their times, with ids in that order. */
export const inOrder = (events: Event[]): Event[] =>
  events.toSorted((a, b) => a.at - b.at).map((event, i) => ({ ...event, id: i + 1 }));

export const dayOf = (at: number) => Math.floor(at / day_ms);

/** The days of the users, in the order of time. */
function userDays(events: Event[]): [user: string, day: number][] {
  const days = new Set(events.map(({ at, user_id }) => `${user_id} ${dayOf(at)}`));
  return [...days].map((text) => text.split(' ')).map(([user = '', day]) => [user, Number(day)]);
}

export type Burst = { user: string; at: number };

/** Puts bursts of DELETEs within ten minutes into days of users who have ten such days before it. */
export function withBursts(events: Event[], years: [number, number], n: number, deletes: number, seed: number) {
  const random = randomOf(seed);
  const before = new Map<string, number>();
  const days = userDays(events).filter(([user, day]) => {
    const n_before = before.get(user) ?? 0;
    before.set(user, n_before + 1);
    const year = new Date(day * day_ms).getUTCFullYear();
    return n_before >= 10 && year >= years[0] && year <= years[1];
  });
  const bursts: Burst[] = Array.from({ length: n }, () => {
    const [user = '', day = 0] = days[Math.floor(random() * days.length)] ?? [];
    return { user, at: day * day_ms + Math.floor(random() * 23 * 3_600_000) };
  });
  const own = bursts.flatMap(({ user, at }) => {
    const ofUser = events.filter((event) => event.user_id === user);
    const { entity_type = 'x' } = ofUser[Math.floor(random() * ofUser.length)] ?? {};
    return Array.from({ length: deletes }, (_, i): Event => {
      const when = at + Math.floor((i * 600_000) / deletes);
      const rest = { service: null, ip_address: null, user_agent: null };
      return { id: 0, at: when, event_type: 'DELETE', entity_type, user_id: user, ...rest };
    });
  });
  return { bursts, events: inOrder([...events, ...own]) };
}

/** Runs the fold over all events; `day` is told the score of each day of a user. */
export function runFold(
  events: Event[],
  budget: Budget,
  day?: Found['day'],
  sequence?: Found['sequence'],
): Found & { world: World } {
  const world = newWorld();
  const found: Found = {
    stories: new Map<string, Story>(),
    fired: [],
    ...(day && { day }),
    ...(sequence && { sequence }),
  };
  for (const event of events) fold(world, budget, event, found);
  return { ...found, world };
}
