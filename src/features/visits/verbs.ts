/** What is done with visits: they are listed, and found by any of their events. */
import { Problem, unavailable } from '../../http/problem.ts';
import { withTimeout } from '../../log/deadlines.ts';
import { own_service } from '../../log/entry.ts';
import type { Entry } from '../../log/schema.ts';
import type { Parts } from '../../parts.ts';
import type { Asked } from './ask.ts';
import { countVisits, type Moment, type Visit, type VisitFilter, type VisitRow, visitsPage } from './tables.ts';

/** The longest time between two events of one visit: the `gap` of the derivation. Another one is another version of it. */
export const gap_ms = 30 * 60_000;
/** How long after that a visit waits for events that come late. */
const late_ms = 24 * 60 * 60_000;

/** `final`: events that come late by a day have been waited for. One that comes later still counts. */
export type TimedVisit = Visit & { link: string; state: 'open' | 'final' };

/** The query of the log that has exactly the events of a visit, also when others come later. */
export function queryOf({ user_id, session_id, started, ended, last_id }: VisitRow): URLSearchParams {
  const query = new URLSearchParams({
    start_date: started,
    end_date: ended,
    last_id: String(last_id),
    'service!': own_service,
    ...(session_id === null ? { user_id: user_id ?? '', without: 'session_id' } : { session_id }),
  });
  query.sort();
  return query;
}

export const linkOf = (visit: VisitRow) => `/logs?${queryOf(visit)}`;

const timed = (visit: Visit, { newest }: Moment): TimedVisit => ({
  ...visit,
  link: linkOf(visit),
  state: newest !== null && Date.parse(newest) > Date.parse(visit.ended) + gap_ms + late_ms ? 'final' : 'open',
});

const signTypes = ({ limits }: Parts) => ({ in: limits.SIGN_IN_TYPES, out: limits.SIGN_OUT_TYPES });

export async function listVisits(parts: Parts, { filter, page }: Pick<Asked, 'filter' | 'page'>) {
  const found = await parts.store.reads((db) => visitsPage(db, filter, page, signTypes(parts)));
  return { ...found, visits: found.visits.map((visit) => timed(visit, found)) };
}

/** How many visits match; null where that was not asked for, or takes too long. */
export async function totalOf({ store }: Parts, { filter, count }: Asked): Promise<number | null> {
  if (count === 'none') return null;
  if (count === 'exact') return store.reads((db) => countVisits(db, filter));
  return withTimeout(store.reads, (tx) => countVisits(tx, filter));
}

/** Whether an event belongs to a visit, as the derivation says. */
export const isOfVisit = ({ user_id, session_id, service, unreadable }: Entry): boolean =>
  (user_id !== null || session_id !== null) &&
  service !== own_service &&
  !(unreadable ?? '').split('; ').some((fault) => fault.startsWith('timestamp:'));

/** The visit of an event. Rejects with a 404 for an event that has none. */
export async function visitOf(parts: Parts, id: number): Promise<TimedVisit> {
  const entry = Number.isSafeInteger(id) ? await parts.store.one(id) : null;
  if (!entry) throw new Problem(404, 'There is no event with this id.');
  if (!isOfVisit(entry))
    throw new Problem(
      404,
      'This event belongs to no visit: it names neither a user nor a session, or the log itself wrote it.',
    );
  const { user_id, session_id, timestamp } = entry;
  const ms = Date.parse(timestamp);
  const filter: VisitFilter =
    session_id === null
      ? { users: [user_id ?? ''], sessions: [], from_ms: ms, to_ms: ms, sessionless: true }
      : { users: [], sessions: [session_id], from_ms: null, to_ms: null };
  // In the order of their ends: the first that ends at the event's time or later is found without reading later ones.
  const after = { ms: ms - 1, visit: 0 };
  const page = { limit: 1, offset: 0, before: null, after: session_id === null ? after : null };
  const { visits, exact } = await listVisits(parts, { filter, page });
  const [visit] = visits;
  if (!visit && exact) throw new Error(`event ${id} is in no visit`);
  if (!visit) throw unavailable('The visits are still being derived up to this event. Try again.');
  return visit;
}
