/** Following the log: a poll loop, a cursor per follower, and an append signal. The signal is a hint; the cursor decides. */

import { pause, whenAborted } from '../http/pause.ts';
import { isTransient } from '../http/problem.ts';
import type { Filter } from './filter.ts';
import type { Entry } from './schema.ts';
import { type Newest, type PollState, type Store, storeLimits } from './store.ts';

/** What a follower receives: matching entries, and the id up to which there are no others. */
export type Batch = {
  entries: Entry[];
  cursor: number;
  /** The mark of the cursor's position. */
  at_ms: number | null;
  /** The entries in an encoded form, made once for all followers that share the batch. `form` identifies the encoding. */
  as<T>(form: string, make: (entries: Entry[]) => T): T;
};

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
 * reports an append by this process; `follow` reads from a cursor on; `stop` ends the poll and all followers.
 */
export function createTail(store: Store, { poll_ms_min, poll_ms_max, poll_unfollowed, report }: TailOptions) {
  const stopping = new AbortController();
  const appended = createAppendSignal();
  /** The last read for each filter, pending or done: followers at the same cursor share it. */
  const reads = new Map<string, { after: number; n_followers: number; batch: Promise<Batch> | null }>();
  /** The function that ends each follower. */
  const followers = new Set<() => void>();
  let head = 0;
  /** The newest position at the last poll. */
  let known: Newest = { log_id: '', id: 0, at_ms: null };
  /** The newest row of the inbox that was reported as refused. */
  let refused: number | null = null;
  let poll_ms = poll_ms_max;
  let sleeping = new AbortController();

  /** The log has grown to at least this id. */
  function notifyAppended(newest: number): void {
    if (newest <= head) return;
    head = newest;
    appended.notify();
  }

  /** Ends the followers when the log under them was replaced: their positions are in a history that is gone. */
  function checkHistory({ newest, known_at_ms }: PollState): void {
    const isSame = known.log_id === newest.log_id && known.at_ms === known_at_ms && newest.id >= known.id;
    const isReplaced = known.id > 0 && !isSame;
    known = newest;
    if (!isReplaced) return;
    report('the log was replaced', new Error(`log ${newest.log_id} ends at ${newest.id} and has another history`));
    head = newest.id;
    reads.clear();
    for (const end of followers) end();
  }

  /** Empties the inbox. After a full batch the lock is left to other writers for twice as long as it was held. */
  async function drainInbox(): Promise<void> {
    for (;;) {
      const started = performance.now();
      const n = await store.drain();
      notifyAppended(await store.head());
      if (n < storeLimits.inbox_rows_max || stopping.signal.aborted) return;
      await pause(2 * (performance.now() - started), stopping.signal);
    }
  }

  async function pollOnce(): Promise<boolean> {
    const before = head;
    const state = await store.pollState(known.id);
    checkHistory(state);
    // Before the drain: followers must get what is stored even when draining fails.
    notifyAppended(state.newest.id);
    if (state.refused !== null && state.refused !== refused)
      report('the inbox refused rows', new Error(`activity_inbox_refused says why, up to n = ${state.refused}`));
    refused = state.refused;
    if (state.waiting) await drainInbox();
    return head > before;
  }

  async function poll(): Promise<void> {
    let failing = false;
    while (!stopping.signal.aborted) {
      if (followers.size === 0 && !poll_unfollowed) {
        sleeping = new AbortController();
        await whenAborted(sleeping.signal);
        continue;
      }
      try {
        const moved = await pollOnce();
        // Without followers only the inbox needs the poll, at the long interval.
        poll_ms = followers.size === 0 ? poll_ms_max : moved ? poll_ms_min : Math.min(poll_ms * 2, poll_ms_max);
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

  function read(shared: { after: number; batch: Promise<Batch> | null }, after: number, filter: Filter) {
    if (!shared.batch || shared.after !== after) {
      shared.after = after;
      shared.batch = store.since(after, filter).then(toBatch);
      // After an empty read or a failure the next follower reads again.
      const forget = (batch: Promise<Batch>) => {
        if (shared.batch === batch) shared.batch = null;
      };
      const pending = shared.batch;
      pending.then(
        ({ cursor }) => cursor === after && forget(pending),
        () => forget(pending),
      );
    }
    return shared.batch;
  }

  /**
   * Every matching entry after `after`, in id order: the stored ones, then new ones as they are appended. Retries while
   * the database is unreachable. Ends when the signal fires or the tail stops; throws only errors that are not transient.
   */
  async function* follow(after: number, filter: Filter, signal: AbortSignal): AsyncGenerator<Batch> {
    const over = new AbortController();
    const end = () => over.abort();
    // Not AbortSignal.any, which leaks memory on Node 20, and no listener on a signal of the process's lifetime, which
    // Node warns about from the eleventh follower on.
    followers.add(end);
    signal.addEventListener('abort', end);
    if (signal.aborted || stopping.signal.aborted) end();
    const ended = over.signal;
    const shared = reads.get(filter.key) ?? { after, n_followers: 0, batch: null };
    reads.set(filter.key, shared);
    shared.n_followers += 1;
    if (followers.size === 1) sleeping.abort();
    let cursor = after;
    try {
      while (!ended.aborted) {
        const seen = appended.count();
        const batch = await read(shared, cursor, filter).catch((error) => {
          if (!isTransient(error)) throw error;
          return null;
        });
        if (batch === null) await pause(poll_ms_max, ended);
        else if (batch.cursor === cursor) await appended.next(seen, ended);
        else {
          cursor = batch.cursor;
          yield batch;
        }
      }
    } finally {
      followers.delete(end);
      signal.removeEventListener('abort', end);
      shared.n_followers -= 1;
      if (shared.n_followers === 0) reads.delete(filter.key);
    }
  }

  return {
    notifyAppended,
    follow,
    start: () => void poll(),
    stop: () => {
      stopping.abort();
      sleeping.abort();
      for (const end of followers) end();
    },
    /** Fires when the tail stops: streams end with it. */
    stopped: stopping.signal,
  };
}

function toBatch({ entries, cursor, at_ms }: Omit<Batch, 'as'>): Batch {
  const forms = new Map<string, unknown>();
  return {
    entries,
    cursor,
    at_ms,
    as: <T>(form: string, make: (entries: Entry[]) => T): T => {
      if (!forms.has(form)) forms.set(form, make(entries));
      return forms.get(form) as T;
    },
  };
}

/** Counts appends, so that one between reading and waiting is not missed. */
function createAppendSignal() {
  let appends = 0;
  const waiting = new Set<() => void>();
  return {
    notify() {
      appends += 1;
      for (const wake of waiting) wake();
    },
    count: () => appends,
    /** Resolves when the count is above `seen`, or when the signal fires. */
    next: (seen: number, signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        if (appends > seen || signal.aborted) return resolve();
        const done = () => {
          waiting.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        waiting.add(done);
        signal.addEventListener('abort', done);
      }),
  };
}
