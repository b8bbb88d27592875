/** An entity as the API and the page show it: its newest events, its state after one of them, who touched it, what is near. */
import { unavailable } from '../../http/problem.ts';
import { type Filter, readFilter } from '../../log/filter.ts';
import type { Entry } from '../../log/schema.ts';
import type { Store, Total } from '../../log/store.ts';
import { timeOf } from '../../log/stored-row.ts';
import { foldState, type State } from './state.ts';
import { type Entity, type Relations, relationsOf, type Users, usersOf } from './tables.ts';

export const entityLimits = {
  /** The newest events before the asked one, of which the page lists so many, */
  listed_max: 100,
  /** and from which the state is folded. The fold ends earlier where their metadata is larger than this. */
  folded_max: 2_000,
  folded_chars_max: 8_000_000,
  read_rows: 200,
} as const;

/** `whole`: it is folded from all events before; else from `n_folded` of them, and what older ones said is missing. */
export type Folded = State & { whole: boolean; n_folded: number };

export type EntityView = Entity &
  Total & {
    /** The event after which this is the state; null: the newest one. */
    at: number | null;
    state: Folded;
    /** Newest first. */
    events: Entry[];
    /** The event after those, for the next page; null where there is none. */
    older: number | null;
    users: Users | null;
    traces: Relations | null;
    sessions: Relations | null;
  };

/** An entity after an event of it, or after its newest one; null where the log has no event of it. */
export async function readEntity(store: Store, entity: Entity, at: Entry | null): Promise<EntityView | null> {
  const filter = readFilter(new URLSearchParams(entity));
  const newest = await store.head();
  const { events, whole } = await eventsUpTo(store, filter, at);
  if (events.length === 0) {
    if (whole) return null;
    throw unavailable('Searching the events of this entity took too long.', 'nothing', 'timeout');
  }
  const total = await store.total(filter, newest, 'fast', events.length);
  const users = await usersOf(store, filter, entity, newest);
  const traces = await relationsOf(store, filter, entity, 'trace_id', newest);
  const sessions = await relationsOf(store, filter, entity, 'session_id', newest);
  const { listed_max } = entityLimits;
  return {
    ...entity,
    ...total,
    at: at?.id ?? null,
    state: { ...foldState(events.toReversed()), whole, n_folded: events.length },
    events: events.slice(0, listed_max),
    older: events[listed_max]?.id ?? null,
    users,
    traces,
    sessions,
  };
}

/** The newest events up to and including one, and whether these are all. */
async function eventsUpTo(
  store: Store,
  filter: Filter,
  at: Entry | null,
): Promise<{ events: Entry[]; whole: boolean }> {
  const { folded_max, folded_chars_max, read_rows } = entityLimits;
  const events: Entry[] = [];
  let before = at && { ms: timeOf(at), id: at.id + 1 };
  for (let chars = 0; events.length < folded_max && chars < folded_chars_max; ) {
    const { logs, hasOlder, searched } = await store.page(filter, { limit: read_rows, offset: 0, before, after: null });
    events.push(...logs);
    const last = logs.at(-1);
    if (!hasOlder) return { events, whole: true };
    // The search took too long: what it has found is shown, and said to be a part.
    if (searched || !last) break;
    before = { ms: timeOf(last), id: last.id };
    chars += logs.reduce((sum, { metadata }) => sum + JSON.stringify(metadata).length, 0);
  }
  return { events, whole: false };
}
