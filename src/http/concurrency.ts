/** Runs at most so many at once; beyond `waiting_max` in the queue it refuses with a 503. */
import { unavailable } from './problem.ts';

export function limitConcurrency(running_max: number, waiting_max: number, refusal: string) {
  const queue: (() => void)[] = [];
  let running = 0;
  return async function pass<T>(work: () => Promise<T>): Promise<T> {
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
