/**
 * Silence: a kind has had no event for longer than ever. The hours of a silence weigh by how usual an event is in them, so
 * a night that is always quiet weighs nothing. The longest silence so far says how unlikely one is: events come in groups,
 * so the product over the hours would exaggerate.
 */
import { type Kind, type Quiet, rounded, timesOf } from './kind.ts';

/** How many hours of a slot weigh as much as those of all slots, and how many of a slot count. */
const shrink_hours = 2;
const slot_hours_max = 20;
const slot_hours_min = 3;
const spoke_max = 0.98;
/** The longest silence fades by a factor of e in so many hours. */
const fade = Math.exp(-1 / 2_000);
/** Two hours of a kind that speaks in every hour. */
const longest_min = -2 * Math.log10(1 - spoke_max);
const floor = { weight: 3, score: 2, hours: 3 } as const;

/** How usual an event is in an hour. */
function usualIn({ spoke, seen, spoken, hours }: Kind, hour: number): number {
  const { slot } = timesOf(hour);
  const n = Math.min(seen[slot] ?? 0, slot_hours_max);
  // Nobody knows yet whether it speaks then: others may be the first that do at this time.
  if (n < slot_hours_min) return 0;
  const all = hours > 0 ? spoken / hours : 0;
  return Math.min(spoke_max, (n * (spoke[slot] ?? 0) + shrink_hours * all) / (n + shrink_hours));
}

/** Adds an hour without an event to a silence. */
export function stayQuiet(kind: Kind, hour: number, last: { at: number; id: number }): Quiet {
  kind.quiet ??= { from: last.at, hours: 0, weight: 0, after_id: last.id, story: null };
  kind.quiet.hours += 1;
  kind.quiet.weight = rounded(kind.quiet.weight - Math.log10(1 - usualIn(kind, hour)));
  return kind.quiet;
}

/** How unlikely the silence is, as a power of ten, if that is enough to be told. */
export function judgeSilence({ quiet, longest, spoken }: Kind): number | null {
  if (!quiet || quiet.weight < floor.weight || quiet.hours < floor.hours) return null;
  const score = (quiet.weight / Math.max(longest_min, longest.weight)) * Math.log10(Math.max(10, spoken));
  return score >= floor.score ? score : null;
}

/** Learns a silence that has ended. */
export function learnSilence({ longest }: Kind, { weight, hours }: { weight: number; hours: number }): void {
  longest.weight = Math.max(longest.weight, weight);
  longest.hours = Math.max(longest.hours, hours);
}

export function fadeLongest({ longest }: Kind): void {
  longest.weight = rounded(longest.weight * fade);
}
