/** Runs the models over the log: a reader whose step folds the next events, and keeps what they change in the same commit. */
import { eventLoopTurn } from '../../http/pause.ts';
import type { Finder, Found } from '../../log/delivery-finder.ts';
import type { Delivery } from '../../log/delivery-rows.ts';
import { type Json, type NewEntry, own_service } from '../../log/entry.ts';
import { isoOf, readDatabaseTime } from '../../log/instant.ts';
import type { Store } from '../../log/store.ts';
import type { Story, Whole } from './actor.ts';
import type { Budget } from './budget.ts';
import { fold } from './fold.ts';
import { eventsAfter, type TakenEvent } from './tables.ts';
import { factHref, sentenceOf, subjectOf } from './words.ts';
import { newWorld } from './world.ts';
import { keep, worldOf } from './world-rows.ts';

export const readerKind = 'unusual' as const;
/** Sinks and rules have names of another form. */
export const readerName = `${readerKind}/log`;

/** Ids of a step, and events after which the process does something else for a moment. */
export const stepLimits = { step_ids_max: 5_000, turn_events: 250 } as const;

export const storyEvent = 'UNUSUAL';

/** Makes the reader, from the first event on, unless it is there. A log that was replaced is read from its beginning. */
export async function ensureReader({ deliveries }: Pick<Store, 'deliveries'>): Promise<void> {
  const known = await deliveries.one(readerName);
  if (known && known.status !== 'held') return;
  if (known) await deliveries.drop(readerName);
  await deliveries.put({ name: readerName, kind: readerKind, spec: {}, filter: '' }, 0);
}

export const finderOf = (budget: Budget, step_ids_max: number = stepLimits.step_ids_max): Finder => ({
  async find(row, end, store): Promise<Found> {
    const to = Math.min(end.id, row.cursor + step_ids_max);
    const events = await store.reads((db) => eventsAfter(db, row.cursor, to));
    const isFirst = row.state === null;
    const world = isFirst ? { ...newWorld(), kindsAreRead: true } : await store.reads((db) => worldOf(db, events));
    world.whole = row.state as unknown as Whole | null;
    const stories = new Map<string, Story>();
    const told: NewEntry[] = [];
    for (const [i, event] of events.entries()) {
      const fired: Story[] = [];
      fold(world, budget, event, { stories, fired });
      for (const story of fired) told.push(eventOf(row, story, event));
      if ((i + 1) % stepLimits.turn_events === 0) await eventLoopTurn();
    }
    return {
      to,
      events: told,
      state: world.whole as unknown as Json,
      wake_at: null,
      quiet_until: null,
      write: (db) => keep(db, isFirst, world, stories.values()),
    };
  },
});

/** A story that has fired as an event: at the time at which the log took the event with which it did. */
function eventOf({ revision }: Delivery, story: Story, { taken }: TakenEvent): NewEntry {
  const { id, subject, score, facts, fired_at } = story;
  return {
    event_type: storyEvent,
    entity_type: 'story',
    entity_id: id,
    user_id: null,
    description: sentenceOf(story),
    metadata: {
      story: id,
      subject: subjectOf(subject),
      score,
      facts: facts.map(({ kind, what, n, first_id, last_id, ...fact }) => ({
        ...{ kind, what, score: fact.score, n, first_id, last_id },
        link: factHref(subject, { kind, what, n, first_id, last_id, ...fact }),
      })),
      link: `/unusual/${id}`,
    },
    ip_address: null,
    user_agent: null,
    timestamp: isoOf(readDatabaseTime(taken)),
    service: own_service,
    trace_id: null,
    session_id: null,
    event_uid: `unusual/${revision}/${id}/${fired_at}`,
    span_id: null,
    parent_span_id: null,
    caused_by: null,
  };
}
