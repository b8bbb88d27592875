/** Stories: the facts of one subject that are not more than half an hour apart. A story fires with its first fact that does. */
import { type Actor, type Fact, type GroupName, hour_ms, isOfHours, minute_ms, type Story } from './actor.ts';

const apart_ms = 30 * minute_ms;
const longest_ms = 12 * hour_ms;
const facts_max = 20;
/** How many times the size of an expected burst is still expected. */
const expected_times = 3;

export type Found = {
  /** The stories that were made or changed, by id. */
  stories: Map<string, Story>;
  /** The stories that have fired, as they were then. */
  fired: Story[];
  /** Told the score of each day of a user. */
  day?: (user: string, at: number, score: number) => void;
  /** Told the deviation of each sequence that has ended. */
  sequence?: (group: GroupName, score: number) => void;
};

/** The story that a fact at a time belongs to: the open one of its subject, or a new one of this name. */
export function storyOf({ story }: Actor, subject: string, fact: Omit<Fact, 'fires'>, at: number, name: string): Story {
  if (story && fact.kind !== 'sequence' && (story.id === name || placeOf(story, fact) >= 0 || isNear(story, fact, at)))
    return story;
  return { id: name, subject, from: fact.from, to: fact.to, score: 0, fired_at: null, facts: [] };
}

/** A service that is never still would have one story for ever, which fires once: after half a day the next burst begins one. */
const isNear = ({ from, to }: Story, { kind }: Omit<Fact, 'fires'>, at: number) =>
  at <= to + apart_ms && at >= from - apart_ms && (at <= from + longest_ms || isOfHours(kind));

/** Adds a fact to a story, which is then the open one, or replaces it there after it has grown. */
export function addFact(actor: Actor, story: Story, fact: Fact, id: number, { stories, fired }: Found): Story {
  const known = placeOf(story, fact);
  // A sequence is a story of its own, beside the open one.
  if (fact.kind !== 'sequence') actor.story = story;
  const held = heldBy(actor, fact);
  const told = { ...fact, fires: (fact.fires && !held) || (story.facts[known]?.fires ?? false), ...(held && { held }) };
  if (known >= 0) story.facts[known] = told;
  else if (story.facts.length < facts_max) story.facts.push(told);
  else if (told.fires) {
    const least = story.facts.findLastIndex(({ fires }) => !fires);
    if (least >= 0) story.facts[least] = told;
  }
  story.from = Math.min(story.from, fact.from);
  story.to = Math.max(story.to, fact.to);
  story.score = Math.max(story.score, fact.score);
  stories.set(story.id, story);
  if (told.fires && story.fired_at === null) {
    story.fired_at = id;
    fired.push(structuredClone(story));
  }
  return story;
}

/** A fact that grows keeps its first event; one of an hour keeps its hour. */
const placeOf = ({ facts }: Story, { kind, what, first_id, from }: Omit<Fact, 'fires'>) =>
  facts.findIndex(
    (known) =>
      known.kind === kind &&
      known.what === what &&
      (isOfHours(kind) && kind !== 'silence' ? known.from === from : known.first_id === first_id),
  );

export const isTold = (story: Story, fact: Omit<Fact, 'fires'>) => placeOf(story, fact) >= 0;

export const allowanceKey = ({ kind, what }: Pick<Fact, 'kind' | 'what'>) => `${kind}:${what}`;

function heldBy({ allowed }: Actor, fact: Fact): 'expected' | 'muted' | null {
  const allowance = allowed[allowanceKey(fact)];
  if (!allowance || fact.to >= allowance.until) return null;
  return allowance.verdict === 'muted' || fact.n <= expected_times * allowance.n ? allowance.verdict : null;
}
