/** A digest: what a day or a week brought, from the events that the log took in it. */
import type { Database } from '../../log/schema.ts';
import { type Period, shifted } from './period.ts';
import {
  type Counted,
  digestLimits,
  firstDay,
  isCounted,
  type Kind,
  type News,
  newOf,
  rangeOf,
  silentOf,
  topOf,
} from './tables.ts';

/** How many periods of the same name, such as Mondays, are the usual. */
const usual_periods = 4;
/** The days of late events that a digest names. */
const late_days_max = 31;
/** Kinds of events by a word in their type. Between letters `_` and other signs are gaps, so `UNDELETE` is no delete. */
const isDelete = (type: string) => /(?<![A-Z])(DELETED?|REMOVED?|PURGED?)(?![A-Z])/i.test(type);
const isRefusal = (type: string) => /(?<![A-Z])(FAILED|FAILURE|REFUSED|DENIED|REJECTED)(?![A-Z])/i.test(type);
/** A digest looks at so many event types for deletes and refusals. */
const types_max = 1_000;
const own_types_max = 20;

const tops = { entity_types: 'entity_type', users: 'user_id', services: 'service' } as const;
const news = { event_types: 'event_type', users: 'user_id', services: 'service' } as const;
type Tops = Record<'event_types' | keyof typeof tops, { values: Counted[]; distinct: number }>;

export type Digest = {
  name: string;
  from: string;
  to: string;
  /** Whether the period had ended, and all of its events were counted, when this was written. */
  is_final: boolean;
  events: number;
  first_id: number | null;
  last_id: number | null;
  /** Whether the log has an event for each id from the first to the last. */
  is_dense: boolean;
  /** The mean of the same days or weeks before, and of how many of them; null where the log is younger. */
  usual: { events: number; of: number } | null;
  deletes: Counted[];
  refusals: Counted[];
  new: Record<keyof typeof news, News>;
  silent: Record<keyof typeof news, News>;
  /** Events with a timestamp of a day before it, by that day. */
  late: { values: Counted[]; distinct: number };
  /** What the product itself recorded, by event type: exports, alerts, changes of sinks and rules. */
  own: Counted[];
} & Tops;

/** The digest of a period. `today` is the current day (UTC). */
export async function digestOf(db: Database, period: Period, today: string): Promise<Digest> {
  const isAll = await isCounted(db);
  const range = await rangeOf(db, period);
  const before = shifted(period, -1);
  const top = (kind: Kind, limit?: number) => topOf(db, kind, period, before, limit);
  const { values: types, distinct } = await top('event_type', types_max);
  return {
    name: period.name,
    from: period.from,
    to: period.to,
    is_final: period.to < today && isAll,
    events: range?.n ?? 0,
    first_id: range?.first_id ?? null,
    last_id: range?.last_id ?? null,
    is_dense: range === null || range.last_id - range.first_id + 1 === range.n,
    usual: await usualOf(db, period),
    event_types: { values: types.slice(0, digestLimits.named_max), distinct },
    ...(await each(tops, (kind) => top(kind))),
    deletes: types.filter(({ value }) => isDelete(value)).slice(0, digestLimits.named_max),
    refusals: types.filter(({ value }) => isRefusal(value)).slice(0, digestLimits.named_max),
    new: await each(news, (kind) => newOf(db, kind, period)),
    silent: await each(news, (kind) => silentOf(db, kind, period)),
    late: await top('late', late_days_max),
    own: (await top('own', own_types_max)).values,
  };
}

/** The same question about several kinds, one after the other: a page must not take several connections. */
async function each<K extends string, T>(of: Record<K, Kind>, ask: (kind: Kind) => Promise<T>): Promise<Record<K, T>> {
  const answers = {} as Record<K, T>;
  for (const name in of) answers[name] = await ask(of[name]);
  return answers;
}

async function usualOf(db: Database, period: Period): Promise<Digest['usual']> {
  const begin = await firstDay(db);
  const counts: number[] = [];
  for (let n = 1; n <= usual_periods; n++) {
    // A day is compared with the same days of the week.
    const past = shifted(period, period.days === 1 ? -7 * n : -n);
    if (begin === null || past.from < begin) break;
    counts.push((await rangeOf(db, past))?.n ?? 0);
  }
  if (counts.length === 0) return null;
  return { events: Math.round(counts.reduce((sum, n) => sum + n, 0) / counts.length), of: counts.length };
}

/** From here on a change is told as a factor. */
const times_min = 3;

const weekdays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** One sentence, such as `1,204 events on Monday, 2026-11-23: 12 % more than usual (1,075).` */
export function sentenceOf({
  name,
  from,
  to,
  events,
  usual,
}: Pick<Digest, 'name' | 'from' | 'to' | 'events' | 'usual'>) {
  const when = from === to ? `on ${weekdays[new Date(from).getUTCDay()]}, ${from}` : `in week ${name}`;
  const count = `${events.toLocaleString('en-US')} ${events === 1 ? 'event' : 'events'} ${when}`;
  if (usual === null) return `${count}.`;
  const usually = usual.events.toLocaleString('en-US');
  if (usual.events === 0 || events === usual.events) return `${count}; usual are ${usually}.`;
  const ratio = events / usual.events;
  if (ratio >= times_min) return `${count}: ${ratio.toFixed(ratio < 10 ? 1 : 0)} times the usual ${usually}.`;
  const percent = Math.round(Math.abs(ratio - 1) * 100);
  return `${count}: ${percent} % ${ratio > 1 ? 'more' : 'less'} than usual (${usually}).`;
}
