/** Concurrent writers share commits: events that arrive while a batch is committed go into the next batch. No timer. */
import { observe } from '../http/metric.ts';
import { eventLoopTurn } from '../http/pause.ts';
import { appendProblemOf, isDataFault, isTransient, unavailable } from '../http/problem.ts';
import { type AppendMeter, busyMs, createAppendMeter } from './append-meter.ts';
import type { NewEntry } from './entry.ts';
import type { Entry } from './schema.ts';

export const queueLimits = {
  /** Rows in one commit. The events of one caller are never split over two commits. */
  batch_rows_max: 1_000,
  /** Queued rows. Above it a write is refused at once, so that the queue cannot grow without bound. */
  waiting_rows_max: 20_000,
} as const;

/** The result for one event: the stored row, and whether its event_uid had been stored before. */
export type Appended = { entry: Entry; duplicate: boolean };

/** A transient error as the problem that says what was stored; any other error unchanged, for the app to report. */
const appendErrorOf = (error: unknown) => (isTransient(error) ? appendProblemOf(error) : error);

type Caller = { entries: NewEntry[]; resolve(appended: Appended[]): void; reject(error: unknown): void };

/**
 * Wraps an append so that one runs at a time and takes all queued callers. Each caller gets the results of its own events
 * after the commit. When the data of one caller is invalid, only that caller is refused. `prepare` returns null or a promise
 * that never rejects: until it resolves its caller waits beside the queue, and the others do not.
 */
export function appendQueue(
  appendNow: (entries: NewEntry[]) => Promise<Appended[]>,
  prepare: (entries: NewEntry[]) => Promise<void> | null = () => null,
  meter: AppendMeter = createAppendMeter(),
) {
  const waiting: Caller[] = [];

  async function run(callers: Caller[]): Promise<void> {
    try {
      const started = performance.now();
      const appended = await appendNow(callers.flatMap((caller) => caller.entries));
      count(appended, performance.now() - started);
      let from = 0;
      for (const { entries, resolve } of callers) {
        resolve(appended.slice(from, from + entries.length));
        from += entries.length;
      }
    } catch (error) {
      // The whole batch was rolled back. Run one by one, the valid callers succeed and the invalid one gets the error.
      if (callers.length > 1 && isDataFault(error)) for (const caller of callers) await run([caller]);
      else for (const { reject } of callers) reject(appendErrorOf(error));
    }
  }

  function count(appended: Appended[], ms: number): void {
    observe(meter.seconds, ms / 1_000);
    observe(meter.events, appended.length);
    meter.n_received += appended.length;
    for (const { duplicate } of appended) if (duplicate) meter.n_duplicates += 1;
  }

  function nextBatch(): Caller[] {
    let rows = 0;
    let n = 0;
    for (const { entries } of waiting) {
      if (n > 0 && rows + entries.length > queueLimits.batch_rows_max) break;
      rows += entries.length;
      n += 1;
    }
    meter.n_waiting -= rows;
    return waiting.splice(0, n);
  }

  async function flush(): Promise<void> {
    if (meter.busy_since !== null) return;
    meter.busy_since = performance.now();
    while (waiting.length > 0) {
      await run(nextBatch());
      // PGlite blocks the event loop while it commits: without this turn the next batch would start before any waiting
      // request was read (437 instead of 3,651 rows/s for 64 callers).
      await eventLoopTurn();
    }
    meter.busy_ms = busyMs(meter);
    meter.busy_since = null;
  }

  /**
   * Appends events; resolves after the commit with the result for each, in the order given. Rejects with a 503 when the
   * queue is full or when it is unknown whether they were stored (the problem says which), and with the driver's error
   * when nothing was stored.
   */
  return function append(entries: NewEntry[]): Promise<Appended[]> {
    if (meter.n_waiting + entries.length > queueLimits.waiting_rows_max)
      return Promise.reject(unavailable('Too many events wait to be stored. Try again.', 'nothing', 'queue_full'));
    meter.n_waiting += entries.length;
    return new Promise((resolve, reject) => {
      const enqueue = () => {
        waiting.push({ entries, resolve, reject });
        void flush();
      };
      const prepared = prepare(entries);
      if (prepared) void prepared.then(enqueue);
      else enqueue();
    });
  };
}
