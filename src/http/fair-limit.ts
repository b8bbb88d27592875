/** A concurrency limit whose queue takes turns: whoever sends much waits for itself, not everybody else for it. */
import { unavailable } from './problem.ts';

type Waiting = { key: string; start(): void };

export type FairLimits = { running_max: number; waiting_max: number; waiting_per_key_max: number };

/**
 * Runs at most `running_max` tasks at once. Of the queued tasks, one of the key that was started the longest time ago
 * runs next. Throws a 503 with `refusal` when too many tasks are queued, or too many of the same key.
 */
export function fairLimit({ running_max, waiting_max, waiting_per_key_max }: FairLimits, refusal: string) {
  const queue: Waiting[] = [];
  /** When a task of each key was last started, as a count of starts; only for keys with queued tasks. */
  const startedAt = new Map<string, number>();
  let starts = 0;
  let running = 0;

  const waitingOf = (key: string) => queue.filter((waiting) => waiting.key === key).length;

  function takeNext(): Waiting | undefined {
    let best = 0;
    for (const [i, { key }] of queue.entries())
      if ((startedAt.get(key) ?? 0) < (startedAt.get(queue[best]?.key ?? '') ?? 0)) best = i;
    const [next] = queue.splice(best, 1);
    return next;
  }

  function noteStart(key: string): void {
    starts += 1;
    startedAt.set(key, starts);
    for (const known of startedAt.keys()) if (known !== key && waitingOf(known) === 0) startedAt.delete(known);
  }

  return async function run<T>(key: string, work: () => Promise<T>): Promise<T> {
    if (running >= running_max) {
      if (queue.length >= waiting_max || waitingOf(key) >= waiting_per_key_max)
        throw unavailable(refusal, 'nothing', 'queue_full');
      await new Promise<void>((start) => queue.push({ key, start }));
    } else running += 1;
    noteStart(key);
    try {
      return await work();
    } finally {
      const next = takeNext();
      if (next) next.start();
      else running -= 1;
    }
  };
}
