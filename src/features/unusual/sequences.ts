/**
 * Sequences: the events of a trace, of a session, or of an entity in an order that was hardly ever seen. A group has ended
 * when nothing of it came for an hour of the log's own time; then it is judged by the groups before it.
 */
import { type Fact, type GroupName, hour_ms, isLogWarm, type Story, type Whole } from './actor.ts';
import { hourOf } from './hours.ts';
import { judgeOrder, learnOrder, newOrder, numberOf, type Order } from './order.ts';

export type Group = {
  name: GroupName;
  service: string | null;
  words: number[];
  first_id: number;
  last_id: number;
  from: number;
  to: number;
  isWhole: boolean;
};

/** A group that was too unusual to be learned at once. */
type Waiting = { story: string | null; hour: number; words: number[]; isWhole: boolean };

export type Sequences = {
  order: Order;
  /** By the name of the group: those that have not ended. */
  open: Record<string, Group>;
  n_open: number;
  /** Those that had to end because there were too many, or were too long: judged with the next hour. */
  cut: Group[];
  learned: number;
  mean: number;
  variance: number;
  waiting: Waiting[];
  /** The hour in which an order was told last. */
  told: Record<string, number>;
};

const limits = { open: 400, cut: 100, words: 200, waiting: 100, told: 200 } as const;
const floor = { groups: 20, words: 3, deviations: 4, bits: 5 } as const;
const learn_mean = 1 / 200;
const first_groups = 10;
const variance_min = 0.1;
const ended_hours = 2;
const again_hours = 24;
const learn_after_hours = 7 * 24;

export const newSequences = (): Sequences => ({
  ...{ order: newOrder(), open: {}, n_open: 0, cut: [], learned: 0, mean: 0, variance: 0, waiting: [], told: {} },
});

export type InGroup = {
  id: number;
  at: number;
  event_type: string;
  entity_type: string;
  service: string | null;
  trace_id?: string | null;
  session_id?: string | null;
  entity_id?: string | null;
};

function nameOf({ trace_id, session_id, entity_type, entity_id }: InGroup): GroupName | null {
  if (trace_id) return ['trace_id', trace_id];
  if (session_id) return ['session_id', session_id];
  return entity_id ? ['entity_id', entity_id, entity_type] : null;
}

/** Adds an event to its group. */
export function intoGroup(sequences: Sequences, event: InGroup): void {
  const name = nameOf(event);
  if (!name) return;
  const { id, at, service, event_type, entity_type } = event;
  const key = `g:${name.join('\n')}`;
  const known = sequences.open[key];
  const word = numberOf(sequences.order, `${event_type} ${entity_type}`);
  if (known) {
    known.words.push(word);
    known.last_id = id;
    known.service = service;
    known.from = Math.min(known.from, at);
    known.to = Math.max(known.to, at);
    if (known.words.length >= limits.words) cut(sequences, [key]);
    return;
  }
  sequences.open[key] = { name, service, words: [word], first_id: id, last_id: id, from: at, to: at, isWhole: true };
  sequences.n_open += 1;
  if (sequences.n_open > limits.open) cut(sequences, oldest(sequences).slice(0, limits.cut));
}

const oldest = ({ open }: Sequences): string[] =>
  Object.entries(open)
    .toSorted(([, a], [, b]) => a.last_id - b.last_id)
    .map(([key]) => key);

function cut(sequences: Sequences, keys: string[]): void {
  for (const key of keys) {
    const group = sequences.open[key];
    if (group && group.words.length >= floor.words) sequences.cut.push({ ...group, isWhole: false });
    delete sequences.open[key];
    sequences.n_open -= 1;
  }
  // The oldest are not judged, if there are so many within an hour.
  sequences.cut.splice(0, sequences.cut.length - limits.open);
}

export type TellOfGroup = (group: Group, fact: Omit<Fact, 'fires'>, isNew: boolean) => Story | null;

/** Judges and learns the groups that have ended by this hour. `scored` is told the deviation of each. */
export function endGroups(
  sequences: Sequences,
  whole: Whole,
  now: number,
  tell: TellOfGroup,
  scored?: (group: Group, score: number) => void,
): void {
  learnLate(sequences, now);
  const ended = sequences.cut.splice(0);
  for (const key of oldest(sequences)) {
    const group = sequences.open[key];
    if (!group || hourOf(group.to) + ended_hours > now) continue;
    ended.push(group);
    delete sequences.open[key];
    sequences.n_open -= 1;
  }
  for (const group of ended.toSorted((a, b) => a.last_id - b.last_id))
    judgeGroup(sequences, whole, now, group, tell, scored);
}

function judgeGroup(
  sequences: Sequences,
  whole: Whole,
  now: number,
  group: Group,
  tell: TellOfGroup,
  scored?: (group: Group, score: number) => void,
): void {
  const { order, told } = sequences;
  const { words, isWhole, first_id, last_id, from, to, name } = group;
  const { mean, worst } = judgeOrder(order, words, isWhole);
  const score = (mean - sequences.mean) / Math.sqrt(sequences.variance + variance_min);
  const isReady = sequences.learned >= floor.groups && words.length >= floor.words;
  scored?.(group, score);
  if (!isReady || score < floor.deviations || worst.bits < floor.bits) {
    learnGroup(sequences, group, mean);
    return;
  }
  let story: Story | null = null;
  if (isLogWarm(whole, now * hour_ms)) {
    const what = wordsOf(order, words, worst.at);
    const key = `o:${what}`;
    for (const [old, hour] of Object.entries(told)) if (now - hour >= again_hours) delete told[old];
    const wasTold = told[key] !== undefined;
    // When so many were told, no more are new until some are forgotten.
    const isNew = !wasTold && Object.keys(told).length < limits.told;
    const events = { first_id, last_id, from, to, n: words.length };
    story = tell(group, { kind: 'sequence', what, score, ...events, group: name, bits: worst.bits }, isNew);
    if (story && (isNew || wasTold)) told[key] = now;
  }
  sequences.waiting.push({ story: story?.id ?? null, hour: now, words, isWhole });
  if (sequences.waiting.length > limits.waiting) sequences.waiting.shift();
}

/** The words before a place and at it, as they are in the events. */
function wordsOf({ words }: Order, numbers: readonly number[], at: number): string {
  const names = new Map(Object.entries(words).map(([key, n]) => [n, key.slice(2)]));
  const nameOfWord = (n: number | undefined) => (n === undefined ? 'the end' : (names.get(n) ?? 'other'));
  const steps = numbers.slice(Math.max(0, at - 2), at + 1).map(nameOfWord);
  if (at >= numbers.length) steps.push('the end');
  return steps.join(' → ');
}

function learnGroup(sequences: Sequences, { words, isWhole }: Pick<Group, 'words' | 'isWhole'>, mean: number): void {
  if (words.length < 2) return;
  learnOrder(sequences.order, words, isWhole);
  sequences.learned += 1;
  // The first ones surprise because nothing is known yet.
  const n = sequences.learned - first_groups;
  if (n <= 0) return;
  const rate = Math.max(1 / n, learn_mean);
  const off = mean - sequences.mean;
  sequences.mean += rate * off;
  sequences.variance += rate * (off * off * (1 - rate) - sequences.variance);
}

const learnWaiting = (sequences: Sequences, { words, isWhole }: Waiting) =>
  learnGroup(sequences, { words, isWhole }, judgeOrder(sequences.order, words, isWhole).mean);

/** Learns what was too unusual a week ago, and nobody has confirmed. */
function learnLate(sequences: Sequences, now: number): void {
  const isDue = ({ hour }: Waiting) => hour + learn_after_hours <= now;
  for (const late of sequences.waiting.filter(isDue)) learnWaiting(sequences, late);
  sequences.waiting = sequences.waiting.filter((late) => !isDue(late));
}

/** What a verdict on a story means: `expected` is learned at once, `confirmed` never. */
export function judgeSequences(sequences: Sequences, story: string, isLearned: boolean): void {
  const isOfStory = (late: Waiting) => late.story === story;
  if (isLearned) for (const late of sequences.waiting.filter(isOfStory)) learnWaiting(sequences, late);
  sequences.waiting = sequences.waiting.filter((late) => !isOfStory(late));
}
