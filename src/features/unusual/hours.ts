/**
 * The hours of the log: how many events of each kind each of them had. An hour ends when the log's own time has passed it,
 * which is that of its events: no clock is read. Hours in which nothing happened at all are not judged and not learned: a
 * log that was off tells nothing of those who write to it.
 */
import { hour_ms } from './actor.ts';

/** Events of one kind within one hour of the clock. */
export type Count = { n: number; first_id: number; last_id: number };

/** The events of a kind so far: their number, the newest id and the newest time. */
export type Heard = { n: number; id: number; at: number };

export type Hours = {
  /** The hours of the last events. The log's time is their median: a few wrong clocks do not move it. */
  recent: number[];
  /** Hours before this one have ended. */
  now: number;
  /** The counts of the hours that have not ended, by kind. */
  open: Record<string, Record<string, Count>>;
  heard: Record<string, Heard>;
};

const recent_max = 9;
const kinds_max = 100;

export const newHours = (): Hours => ({ recent: [], now: Number.MIN_SAFE_INTEGER, open: {}, heard: {} });

export const hourOf = (at: number) => Math.floor(at / hour_ms);
/** No event has null as its type. */
export const kindKey = (service: string | null, event_type: string | null) =>
  `k:${JSON.stringify([service, event_type])}`;
export const namesOf = (key: string) => JSON.parse(key.slice(2)) as [service: string | null, event_type: string | null];
const openKey = (hour: number) => `h:${hour}`;

/** The hours that the log has left with an event at this time, the oldest first. */
export function endHours(hours: Hours, at: number): number[] {
  const hour = hourOf(at);
  const { recent } = hours;
  recent.push(hour);
  if (recent.length > recent_max) recent.shift();
  if (hour <= hours.now) return [];
  const median = recent.toSorted((a, b) => a - b)[recent.length >> 1] ?? hour;
  if (median <= hours.now) return [];
  hours.now = median;
  return Object.keys(hours.open)
    .map((key) => Number(key.slice(2)))
    .filter((open) => open < median)
    .toSorted((a, b) => a - b);
}

/** Takes the counts of an hour that has ended. */
export function takeHour({ open }: Hours, hour: number): Record<string, Count> {
  const counts = open[openKey(hour)] ?? {};
  delete open[openKey(hour)];
  return counts;
}

/** Counts an event of a kind, unless its hour has ended. */
export function count(hours: Hours, key: string, id: number, at: number): void {
  const heard = hours.heard[key];
  if (heard) {
    heard.n += 1;
    heard.id = id;
    heard.at = Math.max(heard.at, at);
  } else if (Object.keys(hours.heard).length < kinds_max) hours.heard[key] = { n: 1, id, at };
  else return;
  const hour = hourOf(at);
  if (hour < hours.now) return;
  const name = openKey(hour);
  hours.open[name] ??= {};
  const known = hours.open[name][key];
  if (known) {
    known.n += 1;
    known.last_id = id;
  } else hours.open[name][key] = { n: 1, first_id: id, last_id: id };
}
