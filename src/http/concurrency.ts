/** A concurrency limit with a bounded queue. */
import { unavailable } from './problem.ts';

/** Runs at most `running_max` tasks at once and queues up to `waiting_max`; above that it throws a 503 with `refusal`. */
export function limitConcurrency(running_max: number, waiting_max: number, refusal: string) {
  const queue: (() => void)[] = [];
  let running = 0;
  return async function run<T>(work: () => Promise<T>): Promise<T> {
    if (running >= running_max) {
      if (queue.length >= waiting_max) throw unavailable(refusal);
      await new Promise<void>((resolve) => queue.push(resolve));
    } else running += 1;
    try {
      return await work();
    } finally {
      const next = queue.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
