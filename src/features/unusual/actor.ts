/**
 * What is remembered of a subject and of the whole log. Both are plain JSON, so that a step may end after any event. The
 * keys of records have a prefix: values of events, such as __proto__, never are keys themselves.
 */

/** Events of one type within an hour from the first of them. */
export type Hour = { from: number; to: number; n: number; first_id: number; last_id: number; story?: string };

/** How many events of a type a subject makes in an hour in which it makes any: mean and variance of the logarithm. */
export type Habit = { hours: number; mean: number; variance: number };

export type OfType = Habit & {
  /** The numbers of the last such hours, the newest last. */
  past: number[];
  open: Hour | null;
};

/** The kinds of facts with which a story may fire, and those of all facts. */
export const firingKinds = ['burst', 'first_seen', 'surge', 'drop', 'silence', 'sequence'] as const;
export const factKinds = [...firingKinds, 'behaviour'] as const;
export type FactKind = (typeof factKinds)[number];
/** Whether a fact is of hours of the clock, which a service had. */
export const isOfHours = (kind: FactKind) => kind === 'surge' || kind === 'drop' || kind === 'silence';

/** What holds a sequence together: the field, its value, and the entity type of an entity. */
export type GroupName = [by: 'trace_id' | 'session_id' | 'entity_id', id: string, entity_type?: string];

/** One thing that is unusual, and the events that it is. */
export type Fact = {
  kind: FactKind;
  /** What is unusual: the event type of a burst, a surge, a drop or a silence, the field and value of what is new, the step of a sequence; empty for all types. */
  what: string;
  score: number;
  n: number;
  first_id: number;
  last_id: number;
  from: number;
  to: number;
  /** The least and the most of the usual hours, and how many hours these are. */
  usual?: [least: number, most: number, hours: number];
  /** Of a silence: the hours in which others spoke. */
  silent_hours?: number;
  /** Of a sequence: whose it is, and the bits of its most surprising step. */
  group?: GroupName;
  bits?: number;
  fires: boolean;
  /** Why it does not fire although it is large enough. */
  held?: 'expected' | 'muted';
};

/** Facts of one subject that are not more than half an hour apart. */
export type Story = {
  id: string;
  subject: string;
  from: number;
  to: number;
  score: number;
  /** The id of the event with which it fired, or null. */
  fired_at: number | null;
  facts: Fact[];
};

/** What a verdict has said about a fact of a subject. */
export type Allowance = { verdict: 'expected' | 'muted'; until: number; n: number };

/** What has not been learned yet, because its story has fired: an hour of a type, or what a day had. */
export type Unlearned = { story: string; at: number; type?: string; n?: number; facts?: string[] };

export type Day = {
  facts: Record<string, 1>;
  n_facts: number;
  from: number;
  to: number;
  first_id: number;
  last_id: number;
  n: number;
  /** The story that has fired in it. */
  story: string | null;
};

export type Actor = {
  n: number;
  /** Days with an event, and the newest one. */
  days: number;
  day: number;
  types: Record<string, OfType>;
  /** The values of each field that were seen. */
  seen: Record<string, Record<string, 1>>;
  /** In how many days each fact of behaviour was seen, and those of the open day with their first and last event. */
  usual: Record<string, number>;
  today: Day | null;
  learned_days: number;
  story: Story | null;
  unlearned: Unlearned[];
  allowed: Record<string, Allowance>;
};

/** A story that took part in the ranking of a kind: its largest score, when it was, and which story. */
export type Ranked = [score: number, at: number, story: string];

/** What is remembered of the whole log. */
export type Whole = {
  /** The first and the newest time of the log, in epoch ms. */
  start: number;
  newest: number;
  hours: number;
  types: Record<string, Habit>;
  usual: Record<string, number>;
  days: number;
  ranked: Partial<Record<FactKind, Ranked[]>>;
  /** The scores of the last days of users. */
  day_scores: number[];
};

export const newActor = (): Actor => ({
  n: 0,
  days: 0,
  day: Number.MIN_SAFE_INTEGER,
  types: {},
  seen: {},
  usual: {},
  today: null,
  learned_days: 0,
  story: null,
  unlearned: [],
  allowed: {},
});

export const newWhole = (at: number): Whole => ({
  start: at,
  newest: at,
  hours: 0,
  types: {},
  usual: {},
  days: 0,
  ranked: {},
  day_scores: [],
});

export const minute_ms = 60_000;
export const hour_ms = 60 * minute_ms;
export const day_ms = 24 * hour_ms;

/** Nothing fires before the log and the subject have a past. */
export const warmUp = { log_days: 7, subject_days: 3, subject_events: 20 } as const;

export const isLogWarm = ({ start }: Whole, at: number) => at - start >= warmUp.log_days * day_ms;
export const isWarm = (whole: Whole, { days, n }: Actor, at: number) =>
  isLogWarm(whole, at) && days > warmUp.subject_days && n > warmUp.subject_events;

/** Values that are kept of a field of a subject; when there are as many, nothing is new any more. */
export const values_max = 500;
