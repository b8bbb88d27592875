/** A trace as the API and the page show it: its events in the order of time, and a lane for each service. */
import { readFilter } from '../../log/filter.ts';
import type { Entry } from '../../log/schema.ts';
import type { Store } from '../../log/store.ts';
import { timeOf } from '../../log/stored-row.ts';
import { filterHref } from '../../page/links.ts';
import { eventsOfTrace } from './tables.ts';
import { type Node, treeOf } from './tree.ts';

export const traceLimits = {
  /** The first events of a trace, which are read. The events after them are counted. */
  events_max: 5_000,
  /** Of those, the events that the page draws and lists. The others are summed by lane. */
  marks_max: 500,
  /** Further services share the last lane. */
  lanes_max: 24,
} as const;

type Sum = { n: number; from: string; link: string };

export type Lane = {
  /** Null: events that name no service, or (`others`) one that has no lane of its own. */
  service: string | null;
  others: boolean;
  n: number;
  link: string;
  events: Entry[];
  /** The events that are not drawn, with a link to them; null where all are. */
  rest: Sum | null;
};

export type Trace = {
  trace_id: string;
  total: number;
  total_is_exact: boolean;
  /** The times of the first and the last event that was read, in epoch ms. */
  from_ms: number;
  to_ms: number;
  /** The events that were read, and how many of them are drawn. */
  events: Entry[];
  n_drawn: number;
  lanes: Lane[];
  tree: Node[] | null;
  /** The events that were not read, with a link to them; null where all were. */
  unread: Sum | null;
};

/** A trace, or null where no event has this id. */
export async function readTrace(store: Store, trace_id: string): Promise<Trace | null> {
  const filter = readFilter(new URLSearchParams({ trace_id }));
  const { events_max } = traceLimits;
  const found = await eventsOfTrace(store, trace_id, events_max + 1);
  const isWhole = found.length <= events_max;
  // Where all were read they are also counted, and a count that is older or newer would contradict them.
  const counted = isWhole ? { total: found.length, total_is_exact: true } : await countOf(store, filter);
  // What is left out begins with a millisecond: then a range of time says exactly which events these are.
  const events = isWhole ? found : found.slice(0, cutOf(found, events_max));
  const [first, last, next] = [found[0], events.at(-1) ?? found[0], isWhole ? undefined : found[events.length]];
  if (!first || !last) return null;
  const total = Math.max(counted.total, found.length);
  const n_drawn = cutOf(events, traceLimits.marks_max);
  return {
    trace_id,
    total,
    total_is_exact: counted.total_is_exact,
    from_ms: timeOf(first),
    to_ms: timeOf(last),
    events,
    n_drawn,
    lanes: lanesOf(trace_id, events, n_drawn, next),
    tree: treeOf(events),
    unread: next
      ? {
          n: total - events.length,
          from: next.timestamp,
          link: filterHref({ trace_id, start_date: next.timestamp }),
        }
      : null,
  };
}

async function countOf(store: Store, filter: ReturnType<typeof readFilter>) {
  return store.total(filter, await store.head(), 'fast');
}

/** How many events come before the millisecond in which the one at `max` happened; all where there are not more. */
function cutOf(events: Entry[], max: number): number {
  const beyond = events[max];
  return beyond ? events.findIndex(({ timestamp }) => timestamp === beyond.timestamp) : events.length;
}

/** The lanes, in the order in which the services come in; at last that of the events without a lane of their own. */
function lanesOf(trace_id: string, events: Entry[], n_drawn: number, unread: Entry | undefined): Lane[] {
  const byService = grouped(events, ({ service }) => service);
  const named = [...byService.keys()].filter((service) => service !== null);
  const { lanes_max } = traceLimits;
  const own =
    named.length <= lanes_max
      ? named
      : named.toSorted((a, b) => (byService.get(b)?.length ?? 0) - (byService.get(a)?.length ?? 0)).slice(0, lanes_max);
  const drawn = new Set(events.slice(0, n_drawn));
  const lane = (service: string | null, of: Entry[]): Lane => {
    const others = service === null && of.some((entry) => entry.service !== null);
    /** A lane's events as a filter. */
    const linkTo = (range: Record<string, string>) => {
      if (others) return `${filterHref({ trace_id, ...range })}&${own.map(excluded).join('&')}`;
      return filterHref({ trace_id, ...(service === null ? { without: 'service' } : { service }), ...range });
    };
    const rest = of.filter((entry) => !drawn.has(entry));
    const [first] = rest;
    const until = unread && { end_date: events.at(-1)?.timestamp ?? '' };
    return {
      service,
      others,
      n: of.length,
      link: linkTo({ ...until }),
      events: of.filter((entry) => drawn.has(entry)),
      rest: first
        ? { n: rest.length, from: first.timestamp, link: linkTo({ start_date: first.timestamp, ...until }) }
        : null,
    };
  };
  const left = events.filter(({ service }) => service === null || !own.includes(service));
  return [
    ...own.map((service) => lane(service, byService.get(service) ?? [])),
    ...(left.length > 0 ? [lane(null, left)] : []),
  ];
}

/** Items by a key, in their order. */
export function grouped<K, T>(items: T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

const excluded = (service: string) => `service!=${encodeURIComponent(service)}`;
