/** The followers of the log: each has a cursor, and those with the same filter and cursor share reads and encodings. */

import { pause } from '../http/pause.ts';
import { isTransient } from '../http/problem.ts';
import { type Batch, type Take, toBatch } from './batch.ts';
import type { Filter } from './filter.ts';
import { sinceLimits } from './since.ts';
import type { Newest, Store } from './store.ts';

export const followerLimits = {
  /**
   * After a delivery the next one to the same group waits for as long as the delivery took, at most for so long. Events
   * that are appended meanwhile go into one batch, so that a burst costs each follower few writes and leaves time for
   * other requests. One wait for all groups would starve those that lose the race for the next delivery.
   */
  gather_ms_max: 25,
} as const;

type Follower = { cursor: number; take: Take; end(delivered: boolean): void; fail(error: unknown): void };

/** The followers with one filter, and their last read, pending or done. */
type Group = {
  filter: Filter;
  after: number;
  batch: Promise<Batch> | null;
  n_followers: number;
  /** Those that have read everything up to the head and wait for an append. */
  waiting: Set<Follower>;
  isAdvancing: boolean;
  /** When the next delivery may begin. */
  free_at: number;
};

export type Followers = ReturnType<typeof createFollowers>;

/** `retry_ms` is the pause after a read that failed; no follower reads once `stopped` has fired. */
export function createFollowers(store: Store, { retry_ms, stopped }: { retry_ms: number; stopped: AbortSignal }) {
  const groups = new Map<string, Group>();
  const all = new Set<Follower>();
  let head = 0;
  /** The newest position at a certain head, which the groups share. */
  let end: { head: number; newest: Promise<Newest> } | null = null;

  /** The log has grown to at least this id. */
  function notifyAppended(newest: number): void {
    if (newest <= head) return;
    head = newest;
    for (const group of groups.values()) void advance(group);
  }

  function newestAtHead(): Promise<Newest> {
    if (end?.head === head) return end.newest;
    const shared = { head, newest: store.newest() };
    end = shared;
    shared.newest.catch(() => {
      if (end === shared) end = null;
    });
    return shared.newest;
  }

  function read(group: Group, after: number, newest?: Promise<Newest>): Promise<Batch> {
    if (group.batch && group.after === after) return group.batch;
    const { filter } = group;
    const found = newest ? newest.then((end) => store.sinceTogether(after, filter, end)) : store.since(after, filter);
    const batch = found.then(toBatch);
    group.after = after;
    group.batch = batch;
    // After an empty read or a failure the next follower reads again.
    const forget = () => {
      if (group.batch === batch) group.batch = null;
    };
    batch.then(({ cursor }) => cursor === after && forget(), forget);
    return batch;
  }

  /** Moves the waiting followers of a group to the head. */
  async function advance(group: Group): Promise<void> {
    if (group.isAdvancing) return;
    group.isAdvancing = true;
    for (let behind = mostBehind(group); behind.length > 0; behind = mostBehind(group)) {
      const gather_ms = isFarBehind(behind) ? 0 : group.free_at - performance.now();
      if (gather_ms > 0) await pause(gather_ms, stopped);
      else if (!(await advanceFrom(group, behind))) await pause(retry_ms, stopped);
    }
    group.isAdvancing = false;
  }

  /** The waiting followers with the lowest cursor, if that is below the head. */
  function mostBehind({ waiting }: Group): Follower[] {
    let lowest = head;
    for (const { cursor } of waiting) if (cursor < lowest) lowest = cursor;
    return lowest < head ? [...waiting].filter(({ cursor }) => cursor === lowest) : [];
  }

  /** Whether the next batch is full anyway, so that waiting for events gathers none. */
  const isFarBehind = ([first]: Follower[]): boolean =>
    first !== undefined && head - first.cursor >= sinceLimits.rows_max;

  /** Delivers one batch to followers with the same cursor. False when there was none. */
  async function advanceFrom(group: Group, followers: Follower[]): Promise<boolean> {
    const after = followers[0]?.cursor ?? head;
    const batch = await read(group, after, newestAtHead()).catch((error) => {
      if (!isTransient(error)) for (const follower of followers) follower.fail(error);
      return null;
    });
    if (batch === null || batch.cursor === after) return false;
    const started = performance.now();
    for (const follower of followers) if (group.waiting.has(follower)) passOn(group, follower, batch);
    const now = performance.now();
    group.free_at = now + Math.min(now - started, followerLimits.gather_ms_max);
    return true;
  }

  function passOn(group: Group, follower: Follower, batch: Batch): void {
    const taken = takeOf(follower, batch);
    if (taken === true) follower.cursor = batch.cursor;
    else {
      group.waiting.delete(follower);
      void catchUp(group, follower, { batch, taken });
    }
  }

  function takeOf(follower: Follower, batch: Batch): boolean | Promise<boolean> {
    try {
      return follower.take(batch);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Reads from a follower's cursor to the head at its own pace; then it waits with the others. */
  async function catchUp(
    group: Group,
    follower: Follower,
    first?: { batch: Batch; taken: boolean | Promise<boolean> },
  ): Promise<void> {
    try {
      let next = first;
      while (all.has(follower)) {
        if (next) {
          if (!(await next.taken)) return follower.end(false);
          follower.cursor = next.batch.cursor;
        }
        const batch: Batch | null = await read(group, follower.cursor).catch((error) => {
          if (!isTransient(error)) throw error;
          return null;
        });
        if (!all.has(follower)) return;
        next = undefined;
        if (batch === null) await pause(retry_ms, stopped);
        else if (batch.cursor === follower.cursor) break;
        else next = { batch, taken: takeOf(follower, batch) };
      }
      if (!all.has(follower)) return;
      group.waiting.add(follower);
      void advance(group);
    } catch (error) {
      follower.fail(error);
    }
  }

  /** Adds a follower. Resolves to whether it was not ended by `take`; rejects with a read's error that no retry helps. */
  function add(after: number, filter: Filter, signal: AbortSignal, take: Take): Promise<boolean> {
    if (signal.aborted || stopped.aborted) return Promise.resolve(true);
    const group = groups.get(filter.key) ?? newGroup(filter);
    groups.set(filter.key, group);
    group.n_followers += 1;
    return new Promise((resolve, reject) => {
      const leave = () => {
        if (!all.delete(follower)) return;
        signal.removeEventListener('abort', leftBySignal);
        group.waiting.delete(follower);
        group.n_followers -= 1;
        if (group.n_followers === 0 && groups.get(filter.key) === group) groups.delete(filter.key);
      };
      const follower: Follower = {
        cursor: after,
        take,
        end: (delivered) => {
          leave();
          resolve(delivered);
        },
        fail: (error) => {
          leave();
          reject(error);
        },
      };
      const leftBySignal = () => follower.end(true);
      // Not AbortSignal.any, which leaks memory on Node 20, and no listener on a signal of the process's lifetime, which
      // Node warns about from the eleventh follower on.
      signal.addEventListener('abort', leftBySignal);
      all.add(follower);
      void catchUp(group, follower);
    });
  }

  const endAll = () => {
    for (const follower of all) follower.end(true);
  };

  return {
    add,
    notifyAppended,
    endAll,
    /** Ends all followers of a log that was replaced, and begins at another head. */
    restart: (newest: number) => {
      head = newest;
      end = null;
      groups.clear();
      endAll();
    },
    count: () => all.size,
    head: () => head,
  };
}

const newGroup = (filter: Filter): Group => ({
  filter,
  after: 0,
  batch: null,
  n_followers: 0,
  waiting: new Set(),
  isAdvancing: false,
  free_at: 0,
});
