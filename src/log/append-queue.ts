/** Concurrent writers share commits: whoever arrives while a batch is being committed rides in the next one. No timer. */

import { appendProblemOf, isDataFault, isTransient, unavailable } from '../http/problem.ts';
import type { NewEntry } from './entry.ts';
import type { Entry } from './schema.ts';

export const queueLimits = {
  /** Rows in one commit. Callers are never split over two. */
  batch_rows_max: 1_000,
  /** Rows that may wait. Beyond it a write is refused at once: a queue that only grows helps nobody. */
  waiting_rows_max: 20_000,
} as const;

/** What became of one event: the stored row, and whether its event_uid had been stored before. */
export type Appended = { entry: Entry; duplicate: boolean };

/** A passing failure as the problem that says what was stored; anything else as it is, for the app to report. */
const appendErrorOf = (error: unknown) => (isTransient(error) ? appendProblemOf(error) : error);

/**
 * Lets the sockets be read. PGlite holds the event loop while it commits: without a turn in between, the next batch
 * would be taken before anybody had the chance to arrive (437 instead of 3,651 rows/s for 64 callers).
 */
const yieldToEventLoop = () =>
  new Promise<void>((resolve) => (typeof setImmediate === 'function' ? setImmediate(resolve) : setTimeout(resolve)));

type Caller = { entries: NewEntry[]; resolve(appended: Appended[]): void; reject(error: unknown): void };

/**
 * Wraps an append so that one runs at a time and takes everybody who waits. Each caller gets what became of its own
 * events, after the commit. When data of one caller is at fault, only that caller is refused.
 */
export function appendQueue(appendNow: (entries: NewEntry[]) => Promise<Appended[]>) {
  const waiting: Caller[] = [];
  let waitingRows = 0;
  let running = false;

  async function run(callers: Caller[]): Promise<void> {
    try {
      const appended = await appendNow(callers.flatMap((caller) => caller.entries));
      let from = 0;
      for (const { entries, resolve } of callers) {
        resolve(appended.slice(from, from + entries.length));
        from += entries.length;
      }
    } catch (error) {
      // The whole batch was rolled back. Alone, the innocent succeed and the guilty one hears why.
      if (callers.length > 1 && isDataFault(error)) for (const caller of callers) await run([caller]);
      else for (const { reject } of callers) reject(appendErrorOf(error));
    }
  }

  function nextBatch(): Caller[] {
    let rows = 0;
    let n = 0;
    for (const { entries } of waiting) {
      if (n > 0 && rows + entries.length > queueLimits.batch_rows_max) break;
      rows += entries.length;
      n += 1;
    }
    waitingRows -= rows;
    return waiting.splice(0, n);
  }

  async function flush(): Promise<void> {
    if (running) return;
    running = true;
    while (waiting.length > 0) {
      await run(nextBatch());
      await yieldToEventLoop();
    }
    running = false;
  }

  /**
   * Appends events; resolves after the commit with what became of each, in the order given. Rejects with a 503 when
   * too much waits already, with a 503 that says so when it is not known
   * whether they were stored, and with the driver's error when nothing was.
   */
  return function append(entries: NewEntry[]): Promise<Appended[]> {
    if (waitingRows + entries.length > queueLimits.waiting_rows_max)
      return Promise.reject(unavailable('Too many events wait to be stored. Try again.'));
    return new Promise((resolve, reject) => {
      waiting.push({ entries, resolve, reject });
      waitingRows += entries.length;
      void flush();
    });
  };
}
