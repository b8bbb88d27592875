/** Batching for the live page: events that arrive within 250 ms are sent as one batch. */
import { pause } from '../http/pause.ts';
import type { Batch, Tail } from '../log/tail.ts';

export const batchLimits = {
  /** At most four messages per second, because the browser repaints for each message. */
  pause_ms: 250,
  /** A larger batch is sent when its pause ends; until then no more events are read, as with a slow reader. */
  batch_rows_max: 2_000,
} as const;

/** A tail that batches events: the first event is sent at once, further events as one batch per pause. */
export const inBatches = (tail: Tail): Tail => ({
  ...tail,
  deliver: async (after, filter, signal, take) => {
    for await (const batch of gathered(tail.follow(after, filter, signal), signal))
      if (!(await take(batch))) return false;
    return true;
  },
});

async function* gathered(batches: AsyncGenerator<Batch>, signal: AbortSignal): AsyncGenerator<Batch> {
  let due = 0;
  let held: Batch | null = null;
  /** Created once per pause and not once per batch, because each one costs a timer and a listener. */
  let over: Promise<null> | null = null;
  let reading = batches.next();
  try {
    for (;;) {
      const wait_ms = due - performance.now();
      const isFull = held !== null && (wait_ms <= 0 || held.entries.length >= batchLimits.batch_rows_max);
      if (held && isFull) {
        if (wait_ms > 0) await pause(wait_ms, signal);
        yield held;
        held = null;
        over = null;
        due = performance.now() + batchLimits.pause_ms;
        continue;
      }
      if (held) over ??= pause(wait_ms, signal).then(() => null);
      const came: IteratorResult<Batch> | null = over ? await Promise.race([reading, over]) : await reading;
      if (came?.done || signal.aborted) return;
      if (!came) {
        // The pause is over. A timer may fire slightly early, so the time is not compared again.
        due = 0;
        continue;
      }
      held = held ? joined(held, came.value) : came.value;
      reading = batches.next();
    }
  } finally {
    // The pending read is not awaited: the signal ends it.
    reading.catch(() => {});
    void batches.return(undefined).catch(() => {});
  }
}

function joined(first: Batch, second: Batch): Batch {
  const entries = [...first.entries, ...second.entries];
  return { entries, cursor: second.cursor, at_ms: second.at_ms, as: (_form, make) => make(entries) };
}
