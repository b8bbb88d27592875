/** Bursts: more events of a type in an hour than this subject makes, and of a type that is rare in the log. */
import { type Actor, type Habit, type Hour, hour_ms, type OfType, type Whole } from './actor.ts';

const n_min = 5;
/** What an hour changes of the habit of a subject, and of that of its event type. */
const learn_subject = 0.02;
const learn_type = 0.005;
/** How many hours of the subject weigh as much as the habit of the event type. */
const shrink_hours = 5;
const variance_min = 0.1;
const past_max = 40;

export const typeKey = (event_type: string) => `t:${event_type}`;
const newHabit = (): Habit => ({ hours: 0, mean: 0, variance: 0 });

export function habitOf(habits: Record<string, Habit>, key: string): Habit {
  habits[key] ??= newHabit();
  return habits[key];
}

export function typeOf({ types }: Actor, key: string): OfType {
  types[key] ??= { ...newHabit(), past: [], open: null };
  return types[key];
}

function learn(habit: Habit, x: number, rate: number): void {
  habit.hours += 1;
  const weight = Math.max(rate, 1 / habit.hours);
  const off = x - habit.mean;
  habit.mean += weight * off;
  habit.variance += weight * (off * off * (1 - weight) - habit.variance);
}

/** Learns an hour with so many events of a type. */
export function learnHour(whole: Whole, actor: Actor, key: string, n: number): void {
  const own = typeOf(actor, key);
  learn(own, Math.log(n), learn_subject);
  own.past.push(n);
  if (own.past.length > past_max) own.past.shift();
  learn(habitOf(whole.types, key), Math.log(n), learn_type);
  whole.hours += 1;
}

/** Puts an event into the hour of its type. `ended`: the hour before, when this event begins the next one. */
export function intoHour(own: OfType, id: number, at: number): { hour: Hour; ended: Hour | null } {
  const { open } = own;
  if (open && at < open.from + hour_ms && at > open.from - hour_ms) {
    open.n += 1;
    open.last_id = id;
    open.from = Math.min(open.from, at);
    open.to = Math.max(open.to, at);
    return { hour: open, ended: null };
  }
  own.open = { from: at, to: at, n: 1, first_id: id, last_id: id };
  return { hour: own.open, ended: open };
}

/** How unusual an hour is: its deviations from the habit, and how rare hours of this type are in the log; null of few events. */
export function scoreOfHour(whole: Whole, own: OfType, key: string, { n }: Hour): number | null {
  if (n < n_min) return null;
  const type = whole.types[key] ?? newHabit();
  const weight = own.hours + shrink_hours;
  const mean = (own.hours * own.mean + shrink_hours * type.mean) / weight;
  const variance = (own.hours * own.variance + shrink_hours * type.variance) / weight;
  const deviations = (Math.log(n) - mean) / Math.sqrt(variance + variance_min);
  return deviations + Math.log10((1 + whole.hours) / (1 + type.hours));
}

/** The least and the most events of nine in ten of the last hours, and the number of these hours. */
export function usualOf({ past }: OfType): [least: number, most: number, hours: number] | undefined {
  if (past.length === 0) return undefined;
  const sorted = past.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.round(part * (sorted.length - 1))] ?? 0;
  return [at(0.05), at(0.95), sorted.length];
}
