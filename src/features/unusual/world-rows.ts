/** Reads what a step needs of what is remembered, and writes what it has changed. */
import type { Database } from '../../log/schema.ts';
import type { Actor, Story } from './actor.ts';
import { type Event, subjectsOf } from './fold.ts';
import { type Hours, hourOf, namesOf } from './hours.ts';
import type { Kind } from './kind.ts';
import type { Sequences } from './sequences.ts';
import { keepRows, statesOf } from './tables.ts';
import { newWorld, subjectOfService, type World } from './world.ts';

const models = { hours: 'm:hours', kinds: 'm:kinds', sequences: 'm:sequences' } as const;

/** All that the fold may ask for with these events. The kinds are large, and few events end an hour. */
export async function worldOf(db: Database, events: readonly Event[]): Promise<World> {
  const world = newWorld();
  const remembered = await statesOf(db, [models.hours, models.sequences]);
  world.hours = (remembered.get(models.hours) as Hours | undefined) ?? world.hours;
  world.sequences = (remembered.get(models.sequences) as Sequences | undefined) ?? world.sequences;
  const needsKinds = events.some(({ at, verdict }) => verdict || hourOf(at) > world.hours.now);
  const subjects = new Set(events.flatMap(subjectsOf));
  if (needsKinds) {
    world.kinds = ((await statesOf(db, [models.kinds])).get(models.kinds) as Record<string, Kind> | undefined) ?? {};
    world.kindsAreRead = true;
    const { open, cut } = world.sequences;
    for (const { service } of [...Object.values(open), ...cut]) subjects.add(subjectOfService(service));
    for (const key of Object.keys(world.hours.heard)) subjects.add(subjectOfService(namesOf(key)[0]));
  }
  world.actors = (await statesOf(db, [...subjects])) as Map<string, Actor>;
  return world;
}

export async function keep(db: Database, isFirst: boolean, world: World, stories: Iterable<Story>): Promise<void> {
  const { actors, touched, hours, kinds, kindsAreRead, sequences } = world;
  const states = [...touched].map((subject) => ({ subject, state: actors.get(subject) as unknown }));
  // A step without events changes nothing: they come every second.
  if (isFirst || touched.size > 0)
    states.push({ subject: models.hours, state: hours }, { subject: models.sequences, state: sequences });
  if (kindsAreRead) states.push({ subject: models.kinds, state: kinds });
  await keepRows(db, isFirst, states, stories);
}
