/**
 * Surges and drops: the events of a kind in an hour against those that are usual at this hour of the day and on this
 * weekday, by the profile that scores a series which is sent.
 */
import { type Kind, rounded, timesOf } from './kind.ts';
import { expectedAt, inUnits, learnAt } from './profile.ts';

const rates = { learn_usual: 0.15, learn_variance: 1 / 500 };
const learn_weekday = 0.05;
/** However steady a past is: that of the logarithm of a count of twenty by chance. */
const variance_min = 0.05;
/** How many values of a slot weigh as much as the variance of all. */
const shrink_values = 10;
const floor = { surge: 3, drop: 2.5, events: 5, part: 0.3, values_of_slot: 3 } as const;

/** People and programs double and halve what they do. The deviation of the root, which suits counts by chance, found fewer drops. */
const logOf = (n: number) => Math.log(n + 1);
const countOf = (log: number) => Math.max(0, Math.round(Math.exp(log) - 1));

export type Amount = { kind: 'surge' | 'drop'; score: number; usual: [least: number, most: number, hours: number] };

/** How far the count of an hour is from the usual one, if that is far enough to be told. */
export function judgeAmount({ profile, weekdays, seen, spread }: Kind, hour: number, n: number): Amount | null {
  const { slot, weekday } = timesOf(hour);
  const values = seen[slot] ?? 0;
  if (values < floor.values_of_slot) return null;
  const expected = expectedAt(profile, slot) + (weekdays[weekday] ?? 0);
  const variance = (values * (spread[slot] ?? 0) + shrink_values * profile.variance) / (values + shrink_values);
  const deviation = Math.sqrt(Math.max(variance_min, variance));
  const deviations = inUnits(logOf(n) - expected, deviation);
  const off = Math.abs(n - countOf(expected));
  if (off < floor.events || off < floor.part * countOf(expected)) return null;
  const kind = deviations > 0 ? 'surge' : 'drop';
  const score = Math.abs(deviations);
  if (score < floor[kind]) return null;
  return { kind, score, usual: [countOf(expected - 2 * deviation), countOf(expected + 2 * deviation), values] };
}

/** Learns the count of an hour, and whether there was any event in it. */
export function learnAmount(kind: Kind, hour: number, n: number): void {
  const { profile, weekdays, seen, spread, spoke } = kind;
  const { slot, weekday } = timesOf(hour);
  const ofWeekday = weekdays[weekday] ?? 0;
  const value = logOf(n) - ofWeekday;
  const off = profile.n === 0 ? 0 : value - expectedAt(profile, slot);
  const values = (seen[slot] ?? 0) + 1;
  const mean = (means: number[], i: number, x: number, rate: number) => {
    means[i] = rounded((means[i] ?? 0) + rate * (x - (means[i] ?? 0)));
  };
  seen[slot] = values;
  mean(spread, slot, off * off, Math.max(1 / values, learn_weekday));
  mean(spoke, slot, n > 0 ? 1 : 0, Math.max(1 / values, learn_weekday));
  weekdays[weekday] = rounded(ofWeekday + learn_weekday * off);
  learnAt(profile, slot, value, rates);
  profile.usual[slot] = rounded(expectedAt(profile, slot));
  kind.hours += 1;
  if (n > 0) kind.spoken += 1;
}
