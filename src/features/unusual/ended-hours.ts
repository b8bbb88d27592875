/** Judges and learns the hours that the log has left: of each kind how many events it had, and its silence. */
import { day_ms, type Fact, hour_ms, isLogWarm, type Story, type Whole } from './actor.ts';
import { judgeAmount, learnAmount } from './amounts.ts';
import { type Count, count, endHours, type Heard, hourOf, kindKey, namesOf, takeHour } from './hours.ts';
import { type Held, type Kind, newKind } from './kind.ts';
import { fadeLongest, judgeSilence, learnSilence, stayQuiet } from './silence.ts';
import type { World } from './world.ts';

const warm = { hours: 7 * 24, events: 50 } as const;
/** A kind that was silent for so long is forgotten. */
const forgotten_hours = 28 * 24;
const learn_after_hours = (7 * day_ms) / hour_ms;
const held_max = 200;

type Counted = { id: number; at: number; service: string | null; event_type: string };
export type TellOfKind = (kind: Kind, last_id: number, fact: Omit<Fact, 'fires'>) => Story | null;

/** Ends the hours that the log has left with this event, and counts the event. */
export function intoHours(world: World, whole: Whole, event: Counted, tell: TellOfKind): void {
  const { hours, kinds } = world;
  const { id, at, service, event_type } = event;
  for (const hour of endHours(hours, at)) {
    const counts = takeHour(hours, hour);
    // Not in the order of the keys as they are: the database has another one.
    const keys = Object.keys(hours.heard).toSorted();
    const silent = new Set<string | null>();
    for (const isWhole of [true, false])
      for (const key of keys) {
        const heard = hours.heard[key];
        const [of, type] = namesOf(key);
        if (!heard || (type === null) !== isWhole) continue;
        kinds[key] ??= newKind(of, type, hour);
        if (hour - Math.max(kinds[key].since, hourOf(heard.at)) > forgotten_hours) {
          delete kinds[key];
          delete hours.heard[key];
        } else endHour(whole, kinds[key], heard, hour, counts[key], id, silent, tell);
      }
  }
  count(hours, kindKey(service, event_type), id, at);
  if (service !== null) count(hours, kindKey(service, null), id, at);
}

/** `silent`: the services whose silence was told in this hour, and so is not told of their types. */
function endHour(
  whole: Whole,
  kind: Kind,
  heard: Heard,
  hour: number,
  counted: Count | undefined,
  id: number,
  silent: Set<string | null>,
  tell: TellOfKind,
): void {
  const { service, event_type } = kind;
  const n = counted?.n ?? 0;
  const from = hour * hour_ms;
  const events = { what: event_type ?? '', first_id: counted?.first_id ?? heard.id, last_id: id - 1 };
  const to = from + hour_ms - 1;
  const isReady = heard.n > warm.events && hour - kind.since >= warm.hours && isLogWarm(whole, from);
  learnHeld(kind, hour);
  let fired: string | null = null;
  const told = (story: Story | null) => {
    if (story && story.fired_at !== null) fired = story.id;
    return story;
  };
  const amount = isReady && !silent.has(service) ? judgeAmount(kind, hour, n) : null;
  if (amount) {
    told(tell(kind, heard.id, { ...events, ...amount, n, from, to }));
  }
  if (n > 0 || hourOf(heard.at) > hour || (kind.quiet && kind.quiet.after_id !== heard.id)) endSilence(kind, hour);
  else {
    const quiet = stayQuiet(kind, hour, heard);
    const score = isReady && !silent.has(service) ? judgeSilence(kind) : null;
    if (score !== null) {
      if (event_type === null) silent.add(service);
      const usual: Fact['usual'] = [0, kind.longest.hours, kind.spoken];
      const fact = { ...events, kind: 'silence' as const, score, n: 0, from: quiet.from + 1, to, usual };
      const story = told(tell(kind, heard.id, { ...fact, first_id: quiet.after_id, silent_hours: quiet.hours }));
      if (story && story.fired_at !== null) quiet.story = story.id;
    }
  }
  fadeLongest(kind);
  if (fired !== null) hold(kind, { story: fired, hour, n });
  else learnAmount(kind, hour, n);
}

function endSilence(kind: Kind, hour: number): void {
  const { quiet } = kind;
  if (!quiet) return;
  const { weight, hours, story } = quiet;
  if (story !== null) hold(kind, { story, hour, quiet: { weight, hours } });
  else learnSilence(kind, quiet);
  kind.quiet = null;
}

function hold(kind: Kind, held: Held): void {
  kind.held.push(held);
  if (kind.held.length > held_max) learn(kind, kind.held.shift());
}

function learn(kind: Kind, held: Held | undefined): void {
  if (held?.quiet) learnSilence(kind, held.quiet);
  else if (held?.n !== undefined) learnAmount(kind, held.hour, held.n);
}

/** Learns what has fired a week ago, and nobody has confirmed. */
function learnHeld(kind: Kind, hour: number): void {
  if (kind.held.length === 0) return;
  for (const held of kind.held) if (held.hour + learn_after_hours <= hour) learn(kind, held);
  kind.held = kind.held.filter((held) => held.hour + learn_after_hours > hour);
}

/** What a verdict on a story means for the kinds of its service: `expected` is learned at once, `confirmed` never. */
export function judgeKinds({ kinds }: World, service: string | null, story: string, isLearned: boolean): void {
  for (const kind of Object.values(kinds)) {
    if (kind.service !== service) continue;
    if (isLearned) for (const held of kind.held) if (held.story === story) learn(kind, held);
    kind.held = kind.held.filter((held) => held.story !== story);
  }
}
