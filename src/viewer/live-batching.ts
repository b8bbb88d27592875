/** Following at the pace of somebody who looks: what comes within a quarter of a second comes as one batch. */
import { pause } from '../http/pause.ts';
import type { Batch, Tail } from '../log/tail.ts';

export const batchLimits = {
  /** At most four messages a second: each is a paint. */
  pause_ms: 250,
  /** More is not gathered; the log waits, as it does for a slow reader. */
  batch_rows_max: 2_000,
} as const;

/** A tail whose followers get what comes together: the first event at once, and then no more than one batch a pause. */
export const inBatches = (tail: Tail): Tail => ({
  ...tail,
  follow: (after, filter, signal) => gathered(tail.follow(after, filter, signal), signal),
});

async function* gathered(batches: AsyncGenerator<Batch>, signal: AbortSignal): AsyncGenerator<Batch> {
  let due = 0;
  let held: Batch | null = null;
  /** One a pause, and not one a batch: each is a timer and a listener. */
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
        // A timer may be early by a moment.
        due = 0;
        continue;
      }
      held = held ? joined(held, came.value) : came.value;
      reading = batches.next();
    }
  } finally {
    // What is being read is not waited for: the signal ends it.
    reading.catch(() => {});
    void batches.return(undefined).catch(() => {});
  }
}

function joined(first: Batch, second: Batch): Batch {
  const entries = [...first.entries, ...second.entries];
  return { entries, cursor: second.cursor, at_ms: second.at_ms, as: (_form, make) => make(entries) };
}
