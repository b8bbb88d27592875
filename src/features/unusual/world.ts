/** What a step has at hand: what is remembered of the log, of subjects, of hours and kinds. */
import { type Actor, newActor, type Whole } from './actor.ts';
import { type Hours, newHours } from './hours.ts';
import type { Kind } from './kind.ts';
import { newSequences, type Sequences } from './sequences.ts';

export type World = {
  whole: Whole | null;
  actors: Map<string, Actor>;
  /** The subjects that were touched, and so must be kept. */
  touched: Set<string>;
  hours: Hours;
  /** Needed by the events that end an hour, and by verdicts: a step without them leaves the kinds where they are. */
  kinds: Record<string, Kind>;
  kindsAreRead: boolean;
  sequences: Sequences;
};

export const newWorld = (): World => ({
  ...{ whole: null, actors: new Map(), touched: new Set() },
  ...{ hours: newHours(), kinds: {}, kindsAreRead: false, sequences: newSequences() },
});

export function actorOf({ actors, touched }: World, subject: string): Actor {
  const actor = actors.get(subject) ?? newActor();
  actors.set(subject, actor);
  touched.add(subject);
  return actor;
}

/** The subjects that tell of a service, or of events without one. */
export const subjectOfService = (service: string | null) => (service === null ? 'a' : `s:${service}`);
