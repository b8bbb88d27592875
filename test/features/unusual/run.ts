/** Runs the fold over events, and writes it down after each of them when it is asked to. */
import type { Actor, Story } from '../../../src/features/unusual/actor.ts';
import type { Budget } from '../../../src/features/unusual/budget.ts';
import { type Event, fold } from '../../../src/features/unusual/fold.ts';
import { newWorld, type World } from '../../../src/features/unusual/world.ts';
import type { Happened } from '../../support/unusual/team.ts';

export const numbered = (events: Happened[]): Event[] =>
  events
    .toSorted((a, b) => a.at - b.at)
    .map((event, i) => ({
      ...{ event_type: 'UPDATE', entity_type: 'order', user_id: 'ana', service: 'shop' },
      ...{ ip_address: '10.0.0.7', user_agent: 'Mozilla/5.0 Firefox/130.0', ...event, id: i + 1 },
    }));

export function run(
  events: Event[],
  budget: Budget,
  restart = false,
): { stories: Map<string, Story>; fired: Story[]; world: World } {
  let world = newWorld();
  const stories = new Map<string, Story>();
  const fired: Story[] = [];
  for (const event of events) {
    fold(world, budget, event, { stories, fired });
    if (restart) world = readAgain(world);
  }
  return { stories: structuredClone(stories), fired, world: readAgain(world) };
}

/** As the database gives it back: it has its own order of keys. */
function readAgain({ actors, touched: _, ...models }: World): World {
  const [kept, rows] = JSON.parse(JSON.stringify([models, [...actors]])) as [
    Omit<World, 'actors' | 'touched'>,
    [string, Actor][],
  ];
  return { ...(inOrderOfKeys(kept) as typeof kept), actors: new Map(rows), touched: new Set() };
}

function inOrderOfKeys(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(inOrderOfKeys);
  if (json === null || typeof json !== 'object') return json;
  const keys = Object.keys(json).toSorted((a, b) => a.length - b.length || (a < b ? -1 : 1));
  return Object.fromEntries(keys.map((key) => [key, inOrderOfKeys((json as Record<string, unknown>)[key])]));
}
