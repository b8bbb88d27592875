/** A concurrency limit with a bounded queue, in the order of arrival. */
import { fairLimit } from './fair-limit.ts';

/** Runs at most `running_max` tasks at once and queues up to `waiting_max`; above that it throws a 503 with `refusal`. */
export function limitConcurrency(running_max: number, waiting_max: number, refusal: string) {
  const run = fairLimit({ running_max, waiting_max, waiting_per_key_max: waiting_max }, refusal);
  return <T>(work: () => Promise<T>): Promise<T> => run('', work);
}
