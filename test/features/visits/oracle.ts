/** The oracle of the visits: one pass over all events in the order of their time, and events to try it with. */
import fc from 'fast-check';

const gap_ms = 30 * 60_000;

/** What the oracle reads of an event. */
export type Seen = {
  id: number;
  timestamp: string;
  user_id: string | null;
  session_id: string | null;
  service: string | null;
  event_type: string;
  ip_address: string | null;
};

/** What is derived of a visit. */
export type Visit = {
  visit: number;
  user_id: string | null;
  session_id: string | null;
  started: string;
  ended: string;
  n: number;
  last_id: number;
  shared: boolean;
};

const visitOf = (events: Seen[]): Visit => {
  const ids = events.map(({ id }) => id);
  const times = events.map(({ timestamp }) => timestamp).sort();
  const users = events.toSorted((a, b) => a.id - b.id).flatMap(({ user_id }) => user_id ?? []);
  return {
    visit: Math.min(...ids),
    user_id: users[0] ?? null,
    session_id: events[0]?.session_id ?? null,
    started: times[0] ?? '',
    ended: times.at(-1) ?? '',
    n: events.length,
    last_id: Math.max(...ids),
    shared: new Set(users).size > 1,
  };
};

/** The visits of these events, by name. */
export function visitsOf(events: Seen[]): Visit[] {
  const groups = new Map<string, Seen[][]>();
  for (const event of events.toSorted((a, b) => Date.parse(a.timestamp) - Date.parse(b.timestamp))) {
    const { user_id, session_id, service } = event;
    if (service === 'edgetrail' || (user_id === null && session_id === null)) continue;
    const key = session_id === null ? `user ${user_id}` : `session ${session_id}`;
    const parts = groups.get(key) ?? [];
    groups.set(key, parts);
    const last = parts.at(-1);
    const before = last?.at(-1);
    const isApart =
      session_id === null && before && Date.parse(event.timestamp) - Date.parse(before.timestamp) > gap_ms;
    if (!last || isApart) parts.push([event]);
    else last.push(event);
  }
  return [...groups.values()]
    .flat()
    .map(visitOf)
    .sort((a, b) => a.visit - b.visit);
}

/** The same with what their events say, latest first, as they are listed. */
export function toldVisitsOf(events: Seen[]) {
  const all = visitsOf(events);
  const told = all.map((visit) => {
    const own = events.filter(
      ({ user_id, session_id, service, timestamp }) =>
        service !== 'edgetrail' &&
        session_id === visit.session_id &&
        (session_id !== null || (user_id === visit.user_id && timestamp >= visit.started && timestamp <= visit.ended)),
    );
    const addresses = [...new Set(own.flatMap(({ ip_address }) => ip_address ?? []))].sort();
    const idsOf = (type: string) => own.filter(({ event_type }) => event_type === type).map(({ id }) => id);
    return {
      ...visit,
      n_addresses: addresses.length,
      addresses,
      signed_in: idsOf('LOGIN').sort((a, b) => a - b)[0] ?? null,
      signed_out: idsOf('LOGOUT').sort((a, b) => b - a)[0] ?? null,
      overlaps: all.filter(
        (other) =>
          other.visit !== visit.visit &&
          visit.user_id !== null &&
          other.user_id === visit.user_id &&
          other.started <= visit.ended &&
          other.ended >= visit.started,
      ).length,
    };
  });
  return told.sort((a, b) => (a.ended === b.ended ? b.visit - a.visit : a.ended < b.ended ? 1 : -1));
}

const start_ms = Date.parse('2026-03-01T00:00:00Z');
const minute_ms = 60_000;

/** Gaps around the longest one that joins, within two days: what comes late bridges something, or falls into a long visit. */
const time = fc
  .tuple(fc.nat(80), fc.constantFrom(0, 0, 0, 1, -1, 29 * minute_ms))
  .map(([slot, ms]) => new Date(start_ms + slot * 30 * minute_ms + ms).toISOString());

export const event = fc.record({
  event_type: fc.constantFrom('LOGIN', 'UPDATE', 'LOGOUT'),
  entity_type: fc.constant('order'),
  timestamp: time,
  user_id: fc.constantFrom(null, 'ana', 'bob', 'Åsa', 'ana '),
  session_id: fc.constantFrom(null, null, null, 's1', 's2', 'ana'),
  service: fc.constantFrom(null, 'shop', 'edgetrail'),
  ip_address: fc.constantFrom(null, '10.0.0.1', '10.0.0.2', '2001:db8::1'),
});
