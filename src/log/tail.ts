/** Following the log: a poll loop, and an append signal that moves the followers. The signal is a hint; the cursor decides. */

import { pause, whenAborted } from '../http/pause.ts';
import type { Batch, Take } from './batch.ts';
import { drainLimits } from './drain.ts';
import type { Filter } from './filter.ts';
import { createFollowers } from './followers.ts';
import type { Newest, PollState, Store } from './store.ts';

export type { Batch, Take } from './batch.ts';

export type TailOptions = {
  /** The poll interval while rows arrive, and while none do. */
  poll_ms_min: number;
  poll_ms_max: number;
  /** Whether the poll also runs without followers, for the inbox. On Workers a schedule drains the inbox instead. */
  poll_unfollowed: boolean;
  /** Logs the first failure of each outage; the tail retries by itself. */
  report(what: string, error: unknown): void;
};

export type Tail = ReturnType<typeof createTail>;

/**
 * One process's view of the end of the log. `start` begins the poll, which also drains the inbox; `notifyAppended`
 * reports an append by this process; `deliver` and `follow` read from a cursor on; `stop` ends the poll and all followers.
 */
export function createTail(store: Store, { poll_ms_min, poll_ms_max, poll_unfollowed, report }: TailOptions) {
  const stopping = new AbortController();
  const followers = createFollowers(store, { retry_ms: poll_ms_max, stopped: stopping.signal });
  /** The newest position at the last poll. */
  let known: Newest = { log_id: '', id: 0, at_ms: null };
  /** The newest row of the inbox that was reported as refused. */
  let refused: number | null = null;
  let poll_ms = poll_ms_max;
  let sleeping = new AbortController();

  /** Ends the followers when the log under them was replaced: their positions are in a history that is gone. */
  function checkHistory({ newest, known_at_ms }: PollState): void {
    const isSame = known.log_id === newest.log_id && known.at_ms === known_at_ms && newest.id >= known.id;
    const isReplaced = known.id > 0 && !isSame;
    known = newest;
    if (!isReplaced) return;
    report('the log was replaced', new Error(`log ${newest.log_id} ends at ${newest.id} and has another history`));
    followers.restart(newest.id);
  }

  /** Empties the inbox. After a full batch the lock is left to other writers for twice as long as it was held. */
  async function drainInbox(): Promise<void> {
    for (;;) {
      const started = performance.now();
      const n = await store.drain();
      followers.notifyAppended(await store.head());
      if (n < drainLimits.inbox_rows_max || stopping.signal.aborted) return;
      await pause(2 * (performance.now() - started), stopping.signal);
    }
  }

  async function pollOnce(): Promise<boolean> {
    const before = followers.head();
    const state = await store.pollState(known.id);
    checkHistory(state);
    // Before the drain: followers must get what is stored even when draining fails.
    followers.notifyAppended(state.newest.id);
    if (state.refused !== null && state.refused !== refused)
      report('the inbox refused rows', new Error(`activity_inbox_refused says why, up to n = ${state.refused}`));
    refused = state.refused;
    if (state.waiting) await drainInbox();
    return followers.head() > before;
  }

  async function poll(): Promise<void> {
    let failing = false;
    while (!stopping.signal.aborted) {
      if (followers.count() === 0 && !poll_unfollowed) {
        sleeping = new AbortController();
        await whenAborted(sleeping.signal);
        continue;
      }
      try {
        const moved = await pollOnce();
        // Without followers only the inbox needs the poll, at the long interval.
        poll_ms = followers.count() === 0 ? poll_ms_max : moved ? poll_ms_min : Math.min(poll_ms * 2, poll_ms_max);
        failing = false;
      } catch (error) {
        if (!failing && !stopping.signal.aborted) report('the log cannot be polled', error);
        failing = true;
        poll_ms = poll_ms_max;
      }
      sleeping = new AbortController();
      if (!stopping.signal.aborted) await pause(poll_ms, sleeping.signal);
    }
  }

  /**
   * Passes every matching entry after `after` to `take`, in id order: the stored ones, then new ones as they are
   * appended. `take` returns false to stop. Resolves to false when it did, and to true when the signal fired or the tail
   * stopped. Retries while the database is unreachable; rejects only with errors that are not transient.
   */
  function deliver(after: number, filter: Filter, signal: AbortSignal, take: Take): Promise<boolean> {
    const ended = followers.add(after, filter, signal, take);
    if (followers.count() === 1) sleeping.abort();
    return ended;
  }

  /** The same as an iterable, which reads the next batch when it is asked for it. */
  const follow = (after: number, filter: Filter, signal: AbortSignal): AsyncGenerator<Batch> =>
    batchesOf((ended, take) => deliver(after, filter, ended, take), signal);

  return {
    notifyAppended: followers.notifyAppended,
    deliver,
    follow,
    start: () => void poll(),
    stop: () => {
      stopping.abort();
      sleeping.abort();
      followers.endAll();
    },
    /** Fires when the tail stops: streams end with it. */
    stopped: stopping.signal,
  };
}

/** A delivery as an iterable: the next batch is taken when the one before has been used. */
async function* batchesOf(
  deliver: (ended: AbortSignal, take: Take) => Promise<boolean>,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  const over = new AbortController();
  const end = () => over.abort();
  signal.addEventListener('abort', end);
  if (signal.aborted) end();
  let taken = (_more: boolean) => {};
  let offer = (_batch: Batch | null) => {};
  const nextOffer = () =>
    new Promise<Batch | null>((resolve) => {
      offer = resolve;
    });
  let offered = nextOffer();
  const finished = deliver(over.signal, (batch) => {
    offer(batch);
    return new Promise<boolean>((resolve) => {
      taken = resolve;
    });
  }).then(
    () => offer(null),
    (error) => {
      offer(null);
      throw error;
    },
  );
  finished.catch(() => {}); // Awaited below; this only prevents an unhandled rejection.
  try {
    for (let batch = await offered; batch; batch = await offered) {
      offered = nextOffer();
      yield batch;
      taken(true);
    }
    await finished;
  } finally {
    end();
    taken(false);
    signal.removeEventListener('abort', end);
  }
}
