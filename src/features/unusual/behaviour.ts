/** A user's day: how much less usual for this user than for all what it did is. */
import type { Actor, Whole } from './actor.ts';
import type { Observed } from './firsts.ts';

/** How many days of the user weigh as much as the days of all. */
const shrink_days = 10;
const facts_max = 300;
const all_facts_max = 5_000;
const scores_max = 1_000;
/** The part of the days that is listed. */
const listed = 0.1;

const factsOf = ({ event_type, entity_type, at }: Observed): string[] => [
  `a:${entity_type}`,
  `k:${event_type} ${entity_type}`,
  `h:${Math.floor(new Date(at).getUTCHours() / 2)}`,
];

export function intoDay(actor: Actor, id: number, event: Observed): void {
  const { at } = event;
  actor.today ??= { facts: {}, n_facts: 0, from: at, to: at, first_id: id, last_id: id, n: 0, story: null };
  const { today } = actor;
  today.n += 1;
  today.last_id = id;
  today.from = Math.min(today.from, at);
  today.to = Math.max(today.to, at);
  if (today.n_facts >= facts_max) return;
  for (const fact of factsOf(event)) {
    if (!today.facts[fact]) today.n_facts += 1;
    today.facts[fact] = 1;
  }
}

/** The mean of log2(P_all / P_user) over what the day had. */
export function scoreOfDay(whole: Whole, { today, usual, learned_days }: Actor): number {
  const facts = Object.keys(today?.facts ?? {});
  let bits = 0;
  for (const fact of facts) {
    const ofAll = (whole.usual[fact] ?? 0) / Math.max(1, whole.days);
    const own = usual[fact] ?? 0;
    bits += Math.log2((learned_days + shrink_days) / ((ofAll > 0 ? own / ofAll : 0) + shrink_days));
  }
  return facts.length === 0 ? 0 : bits / facts.length;
}

/** Whether a day is among the tenth with the highest scores; then its score is one of those. */
export function isListed({ day_scores }: Whole, score: number): boolean {
  const higher = day_scores.reduce((n, other) => n + (other >= score ? 1 : 0), 0);
  const isHigh = higher < listed * day_scores.length;
  day_scores.push(score);
  if (day_scores.length > scores_max) day_scores.shift();
  return isHigh;
}

/** Learns what a day of a user had. */
export function learnDay(whole: Whole, actor: Actor, facts: readonly string[]): void {
  for (const fact of facts) {
    count(actor.usual, fact, facts_max);
    count(whole.usual, fact, all_facts_max);
  }
  actor.learned_days += 1;
  whole.days += 1;
}

function count(counts: Record<string, number>, fact: string, max: number): void {
  const n = counts[fact];
  if (n !== undefined || Object.keys(counts).length < max) counts[fact] = (n ?? 0) + 1;
}
