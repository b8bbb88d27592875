/** What a step of a delivery makes of its far side's answer: where the cursor goes, what is sent next and when. */
import type { Move } from './delivery-rows.ts';
import type { Judged, Sent } from './delivery-sink.ts';
import type { Json } from './entry.ts';
import type { Entry } from './schema.ts';

export const deliveryLimits = {
  /** The pause after a failure: random, up to one second, then up to twice as long after each, at most five minutes. */
  backoff_ms: 1_000,
  backoff_ms_max: 300_000,
  /** How often what needs a person is tried. */
  wrong_ms: 300_000,
  /** The pause of a delivery that has sent everything: events of that time go in one request. */
  idle_ms: 1_000,
  /** Requests after which a far side that wanted smaller ones is offered larger ones again. */
  calm_requests: 50,
  /** Refusals of a far side that has never kept anything, and among its last outcomes, from which it is left alone. */
  refused_first: 10,
  refused_recent: 20,
  recent: 100,
  reason_chars_max: 300,
} as const;

/** The range that is being delivered: what matches above the cursor up to `to`, or of it only the events in `left`. */
export type Pending = { to: number; left?: number[]; note?: Json };

/** What the next step knows of those before. */
export type State = {
  /** Events in a request, where that is fewer than the sink's own limit. */
  size?: number;
  /** The last id of a request with an event that the far side refuses: the size is back to normal when it is found or passed. */
  searching?: number;
  /** Requests since the size was changed. */
  calm?: number;
  /** The last outcomes, one character each; absent while none was a refusal. */
  recent?: string;
};

export type Range = {
  from: number;
  /** What is stored of the range. */
  pending: Pending | null;
  /** The end of the range, and all of its events that are not settled yet. */
  to: number;
  unsettled: Entry[];
  /** Those of them that were sent, the first ones. */
  sent: Entry[];
  /** Whether the log goes on after the range. */
  more: boolean;
};

/** What is known before the answer. */
export type Before = { state: State; attempts: number; events_max: number; neverKept: boolean; random(): number };

const [kept, refused] = ['.', 'x'];

/** The step's result: the new cursor, and what to leave for the next step. */
export function outcomeOf(range: Range, answer: Sent, before: Before): { to: number; move: Move } {
  const { sent, from } = range;
  const { attempts } = before;
  const stay = (move: Partial<Move>): { to: number; move: Move } => ({
    to: from,
    move: { ...quiet, pending: noted(range.pending, answer), state: stateOf(before.state), attempts, ...move },
  });
  const reason = reasonOf(answer);
  if (!answer.items) {
    if (answer.verdict === 'later')
      return stay({
        pending: { ...range.pending, to: range.to, note: answer.note ?? null },
        due_ms: answer.retry_after_ms ?? 0,
        attempts: 0,
      });
    if (answer.verdict === 'again')
      return stay({ error: reason, attempts: attempts + 1, due_ms: backoff_ms(answer, before) });
    if (answer.verdict === 'wrong')
      return stay({
        error: reason,
        attempts: attempts + 1,
        due_ms: deliveryLimits.wrong_ms,
        ...(answer.hold && { status: 'held' as const }),
      });
    if ((answer.verdict === 'smaller' || answer.verdict === 'refused') && sent.length > 1) {
      const state: State = { ...before.state, size: Math.floor(sent.length / 2), calm: 0 };
      const searching = sent.at(-1)?.id ?? range.to;
      const { left } = range.pending ?? {};
      // A range that is known by its ids is given up for a smaller one: the far side has kept nothing of it.
      return stay({
        state: stateOf(answer.verdict === 'refused' ? { ...state, searching } : state),
        pending: left ? { to: range.to, left } : null,
      });
    }
  }
  const one: Judged = { verdict: answer.verdict === 'kept' ? 'kept' : 'refused', reason };
  const items = answer.items ?? sent.map(() => one);
  return settle(range, answer, items, before);
}

/** What becomes of the events of a request, one by one. */
function settle(range: Range, answer: Sent, items: Judged[], before: Before): { to: number; move: Move } {
  const { sent, unsettled } = range;
  const again = new Set<number>();
  const refusals: Move['refused'] = [];
  let recent = before.state.recent ?? '';
  let ok = false;
  let error: string | null = null;
  let held_at: number | null = null;
  for (const [i, { id }] of sent.entries()) {
    const item = items[i] ?? { verdict: 'again', reason: 'the answer has no outcome for this event' };
    if (item.verdict === 'kept') {
      ok = true;
      recent += kept;
    } else if (item.verdict === 'refused') {
      recent += refused;
      refusals.push({ id, reason: reasonOf(item) });
      if (isMassRefusal(recent, before.neverKept && !ok)) {
        held_at = id;
        error = `${massRefusal(recent)} The last reason: ${reasonOf(item)}`;
        break;
      }
    } else {
      again.add(id);
      error ??= reasonOf(item);
    }
  }
  const [first] = sent;
  const last = sent.at(-1);
  if (answer.refused_n && first && last)
    refusals.push({ id: first.id, upto: last.id, n: answer.refused_n, reason: reasonOf(answer) });
  const to = held_at ?? range.to;
  // After a mass refusal what comes behind it is sent again, when a person has said that it may.
  const rest = [...sent.filter(({ id }) => again.has(id)), ...unsettled.slice(sent.length)]
    .map(({ id }) => id)
    .filter((id) => held_at === null || id <= held_at);
  const hasFailed = again.size > 0;
  const cursor = rest[0] === undefined ? to : Math.max(range.from, rest[0] - 1);
  // Where a request was refused and every part of it was kept, the refusal was of that moment.
  const isFound = refusals.length > 0 || cursor >= (before.state.searching ?? Number.POSITIVE_INFINITY);
  const move: Move = {
    ...quiet,
    pending: rest.length > 0 ? { to, left: rest } : null,
    state: stateOf(resized({ ...before.state, recent }, sent.length, isFound, before.events_max)),
    ...(held_at !== null && { status: 'held' }),
    due_ms: hasFailed ? backoff_ms(answer, before) : rest.length > 0 || range.more ? 0 : deliveryLimits.idle_ms,
    attempts: hasFailed ? before.attempts + 1 : 0,
    error,
    ok,
    refused: refusals,
  };
  return { to: cursor, move };
}

const quiet: Move = {
  pending: null,
  state: null,
  due_ms: 0,
  attempts: 0,
  error: null,
  ok: false,
  keep: false,
  refused: [],
};

/** Nothing matched up to an id. */
export const passed = (state: State, due_ms: number): Move => ({ ...quiet, state: stateOf(state), due_ms });

/** A person must look at it. */
export const heldBecause = (error: string, pending: Json, state: State): Move => ({
  ...quiet,
  pending,
  state: stateOf(state),
  status: 'held',
  error,
});

/** What is stored of a range, with what the answer says of its note. */
const noted = (pending: Pending | null, { note }: Sent): Json =>
  pending === null || note === undefined ? pending : { ...pending, note };

const stateOf = (state: State): Json => (Object.keys(state).length === 0 ? null : (state as Json));

/** The random pause of "full jitter" (Brooker, Exponential Backoff and Jitter), never shorter than the far side asks for. */
function backoff_ms({ retry_after_ms = 0 }: Sent, { attempts, random }: Before): number {
  const { backoff_ms, backoff_ms_max } = deliveryLimits;
  const jitter = random() * Math.min(backoff_ms_max, backoff_ms * 2 ** Math.min(attempts, 20));
  return Math.ceil(Math.max(retry_after_ms, jitter));
}

/** The size of the next request: normal when the event that was looked for was found or is not there, larger after many that were kept. */
function resized(state: State, n_sent: number, found: boolean, events_max: number): State {
  const { size, searching, calm = 0, recent = '', ...rest } = state;
  const tail = recent.slice(-deliveryLimits.recent);
  const outcomes = tail.includes(refused ?? '') ? { recent: tail } : {};
  if (size === undefined || (searching && found)) return { ...rest, ...outcomes };
  if (searching) return { ...rest, ...outcomes, size, searching };
  if (calm + 1 < deliveryLimits.calm_requests) return { ...rest, ...outcomes, size, calm: calm + 1 };
  const larger = Math.max(size, n_sent) * 2;
  return { ...rest, ...outcomes, ...(larger < events_max && { size: larger, calm: 0 }) };
}

function isMassRefusal(recent: string, neverKept: boolean): boolean {
  const { refused_first, refused_recent } = deliveryLimits;
  if (neverKept && !recent.includes(kept ?? '')) return recent.length >= refused_first;
  return refusedIn(recent) >= refused_recent;
}

const refusedIn = (recent: string) => [...recent.slice(-deliveryLimits.recent)].filter((one) => one === refused).length;

const massRefusal = (recent: string) =>
  `${refusedIn(recent)} of the last ${Math.min(recent.length, deliveryLimits.recent)} events were refused.`;

const reasonOf = ({ reason, verdict }: Judged) => (reason ?? verdict).slice(0, deliveryLimits.reason_chars_max);
