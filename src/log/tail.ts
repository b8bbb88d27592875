/** Following the log: a loop, a cursor and a bell. The bell is a hint that something may be new; the cursor is the truth. */

import { pause, whenAborted } from '../http/pause.ts';
import { isTransient } from '../http/problem.ts';
import type { Filter } from './filter.ts';
import type { Entry } from './schema.ts';
import { type Store, storeLimits } from './store.ts';

/** What a follower gets: the matching entries, and the id up to which there are no others. */
export type Batch = {
  entries: Entry[];
  cursor: number;
  /** The entries in some form, made once however many followers share them. `form` names the maker. */
  as<T>(form: string, make: (entries: Entry[]) => T): T;
};

export type TailOptions = {
  /** How soon the poll looks again while rows flow, and how seldom while none do. */
  poll_ms_min: number;
  poll_ms_max: number;
  /** Whether the inbox is looked after while nobody follows. Where nothing may run unasked, a schedule does that. */
  poll_unfollowed: boolean;
  /** Hears of the first failure of each outage; the tail itself goes on trying. */
  report(what: string, error: unknown): void;
};

export type Tail = ReturnType<typeof createTail>;

/**
 * One process's view of the growing log. `start` begins a poll that also drains the inbox; `ring` tells it of an append
 * by this process; `follow` reads on from a cursor for ever; `stop` ends them all.
 */
export function createTail(store: Store, { poll_ms_min, poll_ms_max, poll_unfollowed, report }: TailOptions) {
  const stopping = new AbortController();
  const appended = createAppendSignal();
  /** The last read of each question, pending or done: followers that stand at the same place share it. */
  const reads = new Map<string, { after: number; n_followers: number; batch: Promise<Batch> | null }>();
  /** How each follower is ended. */
  const followers = new Set<() => void>();
  let head = 0;
  let poll_ms = poll_ms_max;
  let sleeping = new AbortController();

  /** The log has grown to at least this id. */
  function notifyAppended(newest: number): void {
    if (newest <= head) return;
    head = newest;
    appended.notify();
  }

  async function pollOnce(): Promise<boolean> {
    const before = head;
    const { head: newest, waiting } = await store.pollState();
    // Before the inbox: what keeps that from being drained must not keep the followers from what is there.
    notifyAppended(newest);
    if (waiting) {
      while ((await store.drain()) === storeLimits.inbox_rows_max);
      notifyAppended(await store.head());
    }
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
        // Nobody follows: only the inbox is looked after, at the slow pace.
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

  function read(question: { after: number; batch: Promise<Batch> | null }, after: number, filter: Filter) {
    if (!question.batch || question.after !== after) {
      question.after = after;
      question.batch = store.since(after, filter).then(toBatch);
      // Nothing new, or a failure: the next one asks again.
      const forget = (batch: Promise<Batch>) => {
        if (question.batch === batch) question.batch = null;
      };
      const asked = question.batch;
      asked.then(
        ({ cursor }) => cursor === after && forget(asked),
        () => forget(asked),
      );
    }
    return question.batch;
  }

  /**
   * Every entry after `after` that matches, in id order, for ever: what is there already and what comes. Outages of
   * the database are waited out. Ends when the signal fires or the tail stops; throws only what will not pass.
   */
  async function* follow(after: number, filter: Filter, signal: AbortSignal): AsyncGenerator<Batch> {
    const over = new AbortController();
    const end = () => over.abort();
    // Neither AbortSignal.any nor a listener on a signal that lives as long as the process: on Node 20 the one leaves
    // some bytes behind, and the other is warned about from the eleventh follower on.
    followers.add(end);
    signal.addEventListener('abort', end);
    if (signal.aborted || stopping.signal.aborted) end();
    const ended = over.signal;
    const question = reads.get(filter.key) ?? { after, n_followers: 0, batch: null };
    reads.set(filter.key, question);
    question.n_followers += 1;
    if (followers.size === 1) sleeping.abort();
    let cursor = after;
    try {
      while (!ended.aborted) {
        const seen = appended.count();
        const batch = await read(question, cursor, filter).catch((error) => {
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
      question.n_followers -= 1;
      if (question.n_followers === 0) reads.delete(filter.key);
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

function toBatch({ entries, cursor }: { entries: Entry[]; cursor: number }): Batch {
  const forms = new Map<string, unknown>();
  return {
    entries,
    cursor,
    as: <T>(form: string, make: (entries: Entry[]) => T): T => {
      if (!forms.has(form)) forms.set(form, make(entries));
      return forms.get(form) as T;
    },
  };
}

/** Counts its rings, so that a ring between looking and waiting is not missed. */
function createAppendSignal() {
  let appends = 0;
  const waiting = new Set<() => void>();
  return {
    notify() {
      appends += 1;
      for (const wake of waiting) wake();
    },
    count: () => appends,
    /** Resolves once the bell has rung more often than `heard`, or when the signal fires. */
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
