/** Everything that the page of a visit shows: its events and their story, what else the same user did meanwhile. */
import { own_service } from '../../log/entry.ts';
import { readFilter } from '../../log/filter.ts';
import { isoOf } from '../../log/instant.ts';
import { pageLimits } from '../../log/paging.ts';
import type { Entry } from '../../log/schema.ts';
import type { Parts } from '../../parts.ts';
import { type Moment, momentsOf, type TwoPlaces, twoPlacesOf } from './story.ts';
import { wasBetween } from './tables.ts';
import { gap_ms, listVisits, queryOf, type TimedVisit } from './verbs.ts';

export const detailLimits = {
  /** Events of a visit that its page reads: the latest. */
  events_max: pageLimits.limit_max,
  /** Overlapping visits that it lists. */
  others_max: 20,
  /** Pairs of networks that are looked for in the user's past. */
  pairs_max: 5,
} as const;

export type Detail = {
  visit: TimedVisit;
  /** The query of the log that has exactly its events. */
  query: URLSearchParams;
  /** Its latest events, in the order of their time. */
  events: Entry[];
  moments: Moment[];
  /** Other visits of its user at the same time. */
  others: TimedVisit[];
  twoPlaces: TwoPlaces[];
};

export async function detailOf(parts: Parts, visit: TimedVisit): Promise<Detail> {
  const { store, limits } = parts;
  const read = async (query: URLSearchParams) => {
    const page = { limit: detailLimits.events_max, offset: 0, before: null, after: null };
    const { logs } = await store.page(readFilter(query), page);
    return logs.reverse();
  };
  const query = queryOf(visit);
  const latest = await read(query);
  // Of a time of which not all events are there, none is shown: a mark is a link to all events of its times.
  const found = latest.length < visit.n ? latest.filter(({ timestamp }) => timestamp !== latest[0]?.timestamp) : latest;
  const others =
    visit.user_id === null || visit.overlaps === 0
      ? []
      : (
          await listVisits(parts, {
            filter: {
              users: [visit.user_id],
              sessions: [],
              from_ms: Date.parse(visit.started),
              to_ms: Date.parse(visit.ended),
            },
            page: { limit: detailLimits.others_max + 1, offset: 0, before: null, after: null },
          })
        ).visits.filter((other) => other.visit !== visit.visit);
  return {
    visit,
    query,
    events: found,
    moments: momentsOf(found, { in: limits.SIGN_IN_TYPES, out: limits.SIGN_OUT_TYPES }),
    others: others.slice(0, detailLimits.others_max),
    twoPlaces: await newTwoPlaces(parts, visit, found, read),
  };
}

/** The pairs of networks between which the user was during the visit, and never before. */
async function newTwoPlaces(
  { store }: Parts,
  { user_id, started, ended }: TimedVisit,
  own: Entry[],
  read: (query: URLSearchParams) => Promise<Entry[]>,
): Promise<TwoPlaces[]> {
  if (user_id === null) return [];
  const at = (text: string, ms: number) => isoOf(Date.parse(text) + ms);
  const around = await read(
    new URLSearchParams({
      user_id,
      start_date: at(started, -gap_ms),
      end_date: at(ended, gap_ms),
      'service!': own_service,
    }),
  );
  const ids = new Set(own.map(({ id }) => id));
  const pairs = twoPlacesOf(around, gap_ms).filter(({ events }) => events.some(({ id }) => ids.has(id)));
  const fresh: TwoPlaces[] = [];
  for (const pair of pairs.slice(0, detailLimits.pairs_max)) {
    const before = pair.events[0].timestamp;
    const asked = { user_id, networks: pair.networks, before, gap_ms };
    if (!(await store.reads((db) => wasBetween(db, asked)))) fresh.push(pair);
  }
  return fresh;
}
