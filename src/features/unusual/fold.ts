/**
 * What the models make of the events of a log: a fold over them in the order of their ids, on the times at which they
 * happened. It reads neither a clock nor a database, and what it remembers is JSON: the same events give the same stories,
 * in steps of any size.
 */
import { own_service } from '../../log/entry.ts';
import {
  type Actor,
  day_ms,
  type Fact,
  type FactKind,
  isLogWarm,
  isWarm,
  newWhole,
  type Story,
  type Whole,
} from './actor.ts';
import { intoDay, isListed, learnDay, scoreOfDay } from './behaviour.ts';
import { type Budget, rank } from './budget.ts';
import { intoHour, learnHour, scoreOfHour, typeKey, typeOf, usualOf } from './bursts.ts';
import { intoHours } from './ended-hours.ts';
import { fields, type Observed, see } from './firsts.ts';
import { learnNow } from './learn.ts';
import { endGroups, intoGroup } from './sequences.ts';
import { addFact, type Found, isTold, storyOf } from './stories.ts';
import { judge, type Verdict } from './verdicts.ts';
import { actorOf, subjectOfService, type World } from './world.ts';

export type Event = Observed & {
  id: number;
  user_id: string | null;
  service: string | null;
  entity_id?: string | null;
  trace_id?: string | null;
  session_id?: string | null;
  /** What a person has said of a story. All else that the product itself writes is not read. */
  verdict?: Verdict | null;
};

const anybody = 'a';
/** What has fired is learned after so long, unless somebody confirms it. */
const learn_after_ms = 7 * day_ms;

/** The subjects that an event is about. */
export const subjectsOf = ({ user_id, service, verdict }: Event): string[] => {
  if (service === own_service) return verdict ? [verdict.subject] : [];
  return [...(user_id ? [`u:${user_id}`] : []), ...(service ? [`s:${service}`] : []), anybody];
};

/** Takes the next event in the order of the ids. What it makes of it is added to `found`. */
export function fold(world: World, budget: Budget, event: Event, found: Found): void {
  world.whole ??= newWhole(event.at);
  const { whole } = world;
  const subjects = subjectsOf(event);
  if (event.service === own_service) {
    for (const subject of subjects) if (event.verdict) judge(world, whole, subject, event.verdict, event.at);
    return;
  }
  whole.newest = Math.max(whole.newest, event.at);
  const before = world.hours.now;
  intoHours(world, whole, event, (kind, last_id, fact) => {
    const subject = subjectOfService(kind.service);
    // The newest event of a service is of no other one: it names the story. As long as it is the newest, the story goes on.
    const name = kind.service === null ? `n${event.id}` : `q${last_id}`;
    return tellFact(world, whole, budget, subject, fact, { id: event.id, at: fact.to, name }, found);
  });
  if (world.hours.now !== before) ordersEnded(world, whole, budget, event, found);
  intoGroup(world.sequences, event);
  let isActionTold = false;
  for (const subject of subjects) {
    const actor = actorOf(world, subject);
    const isUser = subject.startsWith('u:');
    const place = { id: event.id, at: event.at, name: `${subject[0]}${event.id}` };
    const tell = (kind: FactKind, fact: Omit<Fact, 'kind' | 'fires'>, isReady: boolean) =>
      isReady ? tellFact(world, whole, budget, subject, { ...fact, kind }, place, found) : null;
    newDay(whole, actor, subject, event, found);
    learnLate(whole, actor, event.at);
    const isReady = subject === anybody ? isLogWarm(whole, event.at) : isWarm(whole, actor, event.at);
    firsts(actor, event, isUser ? Object.keys(fields) : ['action'], (fact) => {
      // What is new of a user is not told again of the service and of anybody.
      const isAction = fact.what.startsWith('action:');
      if (isAction && isActionTold) return;
      if (tell('first_seen', fact, isReady) && isAction) isActionTold = true;
    });
    actor.n += 1;
    if (subject === anybody) continue;
    burst(whole, actor, event, (fact) => tell('burst', fact, isReady));
    if (isUser) intoDay(actor, event.id, event);
    if (actor.today && actor.story?.fired_at === event.id) actor.today.story = actor.story.id;
  }
}

/** Judges the sequences that have ended with the hours that this event has ended. */
function ordersEnded(world: World, whole: Whole, budget: Budget, { id }: Event, found: Found): void {
  endGroups(
    world.sequences,
    whole,
    world.hours.now,
    ({ service, last_id, to }, fact, isNew) => {
      const place = { id, at: to, name: `o${last_id}` };
      // The same step again within a day is listed, and does not fire.
      return tellFact(world, whole, budget, subjectOfService(service), fact, place, found, !isNew);
    },
    found.sequence && (({ name }, score) => found.sequence?.(name, score)),
  );
}

/** Ranks a fact and adds it to its story, unless it is too small to be listed. */
function tellFact(
  world: World,
  whole: Whole,
  budget: Budget,
  subject: string,
  fact: Omit<Fact, 'fires'>,
  { id, at, name }: { id: number; at: number; name: string },
  found: Found,
  isAgain = false,
): Story | null {
  const actor = actorOf(world, subject);
  const story = storyOf(actor, subject, fact, at, name);
  // A burst that has grown by a twentieth is ranked again; until then it only grows.
  if (fact.n > 20 && fact.n % Math.ceil(fact.n / 20) !== 0 && isTold(story, fact))
    return addFact(actor, story, { ...fact, fires: false }, id, found);
  const { fires, kept } = rank(budget, whole, fact.kind, [fact.score, fact.from, story.id], isAgain);
  return kept ? addFact(actor, story, { ...fact, fires }, id, found) : null;
}

function firsts(
  actor: Actor,
  event: Event,
  names: readonly string[],
  tell: (fact: Omit<Fact, 'kind' | 'fires'>) => unknown,
): void {
  const { id, at } = event;
  for (const field of names) {
    const value = fields[field]?.(event);
    const score = value ? see(actor, field, value) : null;
    if (score === null) continue;
    tell({ what: `${field}:${value}`, score, n: 1, first_id: id, last_id: id, from: at, to: at });
  }
}

function burst(
  whole: Whole,
  actor: Actor,
  { id, at, event_type }: Event,
  tell: (fact: Omit<Fact, 'kind' | 'fires'>) => Story | null,
): void {
  const key = typeKey(event_type);
  const own = typeOf(actor, key);
  const { hour, ended } = intoHour(own, id, at);
  if (ended?.story) actor.unlearned.push({ story: ended.story, at: ended.to, type: key, n: ended.n });
  else if (ended) learnHour(whole, actor, key, ended.n);
  const score = scoreOfHour(whole, own, key, hour);
  if (score === null) return;
  const usual = usualOf(own);
  const { story: _, ...events } = hour;
  const story = tell({ what: event_type, score, ...events, ...(usual && { usual }) });
  if (story && story.fired_at !== null) hour.story = story.id;
}

/** Ends the open day of a user with the first event of another one. */
function newDay(whole: Whole, actor: Actor, subject: string, event: Event, found: Found): void {
  const day = Math.floor(event.at / day_ms);
  if (day <= actor.day) return;
  const { today } = actor;
  if (today) {
    const score = scoreOfDay(whole, actor);
    const { facts, story, n_facts: _, ...events } = today;
    found.day?.(subject.slice(2), today.from, score);
    if (isWarm(whole, actor, today.from) && isListed(whole, score)) {
      const fact: Fact = { kind: 'behaviour', what: 'day', score, ...events, fires: false };
      const { from, to, first_id } = events;
      found.stories.set(`d${first_id}`, {
        ...{ id: `d${first_id}`, subject, from, to, score },
        fired_at: null,
        facts: [fact],
      });
    }
    if (story) actor.unlearned.push({ story, at: today.to, facts: Object.keys(facts) });
    else learnDay(whole, actor, Object.keys(facts));
    actor.today = null;
  }
  actor.day = day;
  actor.days += 1;
}

/** Learns what has fired a week ago, and nobody has confirmed. */
function learnLate(whole: Whole, actor: Actor, at: number): void {
  if (actor.unlearned.length === 0) return;
  actor.unlearned = actor.unlearned.filter((late) => {
    if (late.at + learn_after_ms > at) return true;
    learnNow(whole, actor, late);
    return false;
  });
}
