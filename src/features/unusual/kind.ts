/** A kind of events: an event type of a service, or all of a service. What is remembered of it, and the times of its week. */
import { newProfile, type Profile } from './profile.ts';

/** 24 hours of a working day and 24 of a weekend, UTC. */
const slots = 48;

/** A silence that has not ended: since when, how many hours in which others spoke, and what these weigh. */
export type Quiet = { from: number; hours: number; weight: number; after_id: number; story: string | null };

/** What is not learned yet, because its story has fired: the count of an hour, or a silence. */
export type Held = { story: string; hour: number; n?: number; quiet?: { weight: number; hours: number } };

export type Kind = {
  service: string | null;
  /** Null for all types of the service. */
  event_type: string | null;
  /** The hour of its first event. */
  since: number;
  /** The usual root of the count of each slot, and what each weekday adds. */
  profile: Profile;
  weekdays: number[];
  /** Of each slot: the hours that were learned, their variance, and the part of them in which there was an event. */
  seen: number[];
  spread: number[];
  spoke: number[];
  /** The hours that were learned, and those with an event. */
  hours: number;
  spoken: number;
  quiet: Quiet | null;
  longest: { weight: number; hours: number };
  held: Held[];
};

const zeros = (n: number) => new Array<number>(n).fill(0);

export const newKind = (service: string | null, event_type: string | null, since: number): Kind => ({
  ...{ service, event_type, since, profile: newProfile(slots), weekdays: zeros(7) },
  ...{ seen: zeros(slots), spread: zeros(slots), spoke: zeros(slots), hours: 0, spoken: 0 },
  ...{ quiet: null, longest: { weight: 0, hours: 0 }, held: [] },
});

/** The hour of the day and whether it is a weekend, and the weekday from Monday on. */
export function timesOf(hour: number): { slot: number; weekday: number } {
  const day = Math.floor(hour / 24);
  const weekday = (((day + 3) % 7) + 7) % 7;
  return { slot: hour - day * 24 + (weekday > 4 ? 24 : 0), weekday };
}

/** Four digits: what is remembered of a hundred kinds is written once an hour. */
export const rounded = (x: number) => Math.round(x * 1e4) / 1e4;
