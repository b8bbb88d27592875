/** One step of a delivery: takes the lease, reads the next range, sends it, and moves the cursor, unless another took over. */

import { type Finder, type FinderStore, moveFound } from './delivery-finder.ts';
import {
  type Before,
  deliveryLimits,
  heldBecause,
  outcomeOf,
  type Pending,
  passed,
  type State,
} from './delivery-outcome.ts';
import { canLinger, firstOf, nextRange, type Read } from './delivery-range.ts';
import type { Delivery } from './delivery-rows.ts';
import { type OpenReader, type Sent, type Sink, SinkFault } from './delivery-sink.ts';
import type { Entry } from './schema.ts';
import type { Store } from './store.ts';

export type StepParts = {
  store: Pick<Store, 'newest' | 'sinceUpto' | 'byIds' | 'deliveries' | 'derive' | 'appends'> & FinderStore;
  open: OpenReader;
  /** This process; every process has another one. */
  me: string;
  /** How long a process that has died keeps others from going on. A living one prolongs it while it waits for an answer. */
  lease_ms: number;
  random(): number;
  now(): number;
  report(what: string, error: unknown): void;
  /** Says that events were appended up to an id: a hint for followers. */
  notify?(id: number): void;
  /** Called after each request with how long the far side took. */
  answered?(ms: number): void;
};

/** A lingering delivery looks at the log again at least this often: a batch may be full by then. */
const linger_look_ms = 5_000;

/**
 * Does one step of a delivery. Resolves to when the next one is due, in ms, or to null when it is not ours or must wait for a
 * person. Rejects with the database's errors, and leaves the lease then to run out.
 */
export async function stepDelivery(parts: StepParts, name: string, stopped: AbortSignal): Promise<number | null> {
  const { store, me, lease_ms, report } = parts;
  const row = await store.deliveries.take(name, me, lease_ms);
  if (!row) return null;
  const end = await store.newest();
  const state = (row.state ?? {}) as State;
  if (row.log_id !== end.log_id || row.cursor > end.id)
    return moved(row, row.cursor, heldBecause(replaced, row.pending, state));
  const sink = await openSink(parts, row);
  if (sink instanceof SinkFault) return failed(row, { verdict: 'wrong', reason: sink.message });
  if ('find' in sink) {
    const found = await sink.find(row, end, store).catch((error) => report(`the reader ${name} failed`, error));
    return found ? moveFound(parts, row, end, found) : failed(row, { verdict: 'again', reason: unread });
  }
  const oldest = canLinger(row, state, sink, end) ? await firstOf(store, row, end) : undefined;
  if (oldest && lingers_ms(sink, oldest) > 0) return lingering(row, oldest, lingers_ms(sink, oldest));
  const read = await nextRange(store, row, state, sink, end);
  const [first] = read.unsettled;
  if (!first) return moved(row, read.to, passed(state, read.more ? 0 : deliveryLimits.idle_ms));
  const wait_ms = read.isFull || row.pending ? 0 : lingers_ms(sink, first);
  if (wait_ms > 0) return lingering(row, first, wait_ms);
  if (sink.by_range && !row.pending) {
    // Before it is sent: whoever repeats it after us repeats this range, and the far side knows it again.
    const range = {
      pending: { to: read.to },
      state: row.state,
      attempts: row.attempts,
      error: row.last_error,
      keep: true,
    };
    if (!(await store.deliveries.move(row, row.cursor, { ...passed(state, 0), ...range }))) return null;
    read.pending = { to: read.to };
  }
  const sent_ms = parts.now();
  const answer = await sendHolding(row, sink, read);
  parts.answered?.(parts.now() - sent_ms);
  if (!answer) return null;
  const { to, move } = outcomeOf(read, answer, beforeOf(row, state, sink.limits.events_max));
  return moved(row, to, move);

  /** Nothing could be done. */
  function failed(row: Delivery, why: Sent): Promise<number | null> {
    const { cursor, pending } = row;
    const nothing = {
      from: cursor,
      to: cursor,
      pending: pending as Pending | null,
      unsettled: [],
      sent: [],
      more: false,
    };
    return moved(row, cursor, outcomeOf(nothing, why, beforeOf(row, state, 1)).move);
  }

  function beforeOf({ attempts, last_ok_at }: Delivery, state: State, events_max: number): Before {
    return { state, attempts, events_max, neverKept: last_ok_at === null, random: parts.random };
  }

  async function moved(
    from: Delivery,
    to: number,
    move: Parameters<typeof store.deliveries.move>[2],
  ): Promise<number | null> {
    const isMoved = await store.deliveries.move(from, to, move);
    return isMoved && move.status !== 'held' ? move.due_ms : null;
  }

  function lingers_ms({ limits: { linger_ms = 0 } }: Sink, { created_at }: Entry): number {
    return Date.parse(created_at) + linger_ms - parts.now();
  }

  /** Nothing is sent yet, and the next look begins with this event. */
  function lingering(from: Delivery, { id }: Entry, wait_ms: number): Promise<number | null> {
    return moved(from, id - 1, passed(state, Math.min(wait_ms, linger_look_ms)));
  }

  /** Sends, and prolongs the lease until the answer is there; null when the lease was lost meanwhile or the process ends. */
  async function sendHolding(
    row: Delivery,
    sink: Sink,
    { from, to, sent, lines, pending }: Read,
  ): Promise<Sent | null> {
    const giveUp = new AbortController();
    const end = () => giveUp.abort();
    stopped.addEventListener('abort', end);
    if (stopped.aborted) end();
    let lost = false;
    let taking = null as Promise<void> | null;
    const prolonging = setInterval(() => {
      taking ??= store.deliveries
        .take(name, me, lease_ms)
        .then(
          (held) => {
            if (held?.epoch === row.epoch) return;
            lost = true;
            end();
          },
          // The move will show whether the lease was lost.
          () => {},
        )
        .finally(() => {
          taking = null;
        });
    }, lease_ms / 4);
    let answer: Sent;
    try {
      const { revision } = row;
      const batch = {
        name,
        revision,
        from,
        to,
        entries: sent,
        lines,
        note: pending?.note ?? null,
        signal: giveUp.signal,
      };
      answer = await sink.send(batch);
    } catch (error) {
      if (!lost && !stopped.aborted) report(`the delivery ${name} failed`, error);
      answer = {
        verdict: 'again',
        reason: stopped.aborted ? 'the service was stopped' : 'an error of Edgetrail itself: its log says which',
      };
    } finally {
      clearInterval(prolonging);
      stopped.removeEventListener('abort', end);
    }
    // One that arrived after the move would take the lease that the move has given back.
    await taking;
    return lost ? null : answer;
  }
}

const unread = 'The log could not be read for it: the log of the service says why.';

const replaced =
  'The log was replaced, or restored from a backup, and this reader had read further. Delete it and make it anew at the id it is to go on from.';

async function openSink({ open, report }: StepParts, row: Delivery): Promise<Sink | Finder | SinkFault> {
  try {
    return await open(row);
  } catch (error) {
    if (error instanceof SinkFault) return error;
    report(`the delivery ${row.name} cannot be opened`, error);
    return new SinkFault('It cannot be opened: the log of the service says why.');
  }
}
