/** The months of the past: each gets its partition before the first of its events is appended. */
import { pause } from '../http/pause.ts';
import { isLocked, isTransient } from '../http/problem.ts';
import type { NewEntry } from './entry.ts';

export const pastMonthLimits = {
  /** How long events wait for the partition of their month while a transaction uses the log, such as that of pg_dump. */
  wait_ms_max: 3_000,
  /** The pause between two attempts. Each attempt holds up other writers for at most 100 ms. */
  retry_ms: 300,
  /** After a failure no event waits for this long, so that an import goes on while the log is in use. */
  resume_ms: 60_000,
} as const;

/**
 * Returns a function that makes the partitions which events need. It returns null when all are known to exist, as for
 * every event of the current month. Its promise never rejects: without a partition of their own, events are stored in
 * the one that covers their time, and a later call divides it. `make` gets the first moment of a month.
 */
export function pastMonths(
  make: (month: string) => Promise<void>,
  report: (what: string, error: unknown) => void,
): (entries: NewEntry[]) => Promise<void> | null {
  const known = new Set<string>();
  let resume_at = 0;
  let last: Promise<void> = Promise.resolve();

  function missingOf(entries: NewEntry[]): Set<string> {
    const missing = new Set<string>();
    let current: string | null = null;
    for (const { timestamp } of entries) {
      const month = timestamp?.slice(0, 'YYYY-MM'.length);
      if (month === undefined || known.has(month)) continue;
      current ??= new Date().toISOString();
      if (month < current.slice(0, month.length)) missing.add(month);
    }
    return missing;
  }

  async function makeMonth(month: string): Promise<void> {
    const { wait_ms_max, retry_ms, resume_ms } = pastMonthLimits;
    if (known.has(month) || performance.now() < resume_at) return;
    const deadline = performance.now() + wait_ms_max;
    for (;;)
      try {
        await make(`${month}-01T00:00:00.000Z`);
        known.add(month);
        return;
      } catch (error) {
        if (isLocked(error) && performance.now() + retry_ms < deadline) {
          await pause(retry_ms, new AbortController().signal);
          continue;
        }
        resume_at = performance.now() + resume_ms;
        // The append meets a database that is away or full itself, and says so.
        if (isLocked(error) || !isTransient(error))
          report('events of past months are stored without partitions of their own for now', error);
        return;
      }
  }

  return (entries) => {
    const missing = missingOf(entries);
    if (missing.size === 0) return null;
    // One at a time: an import from many connections must not take all connections of the writers.
    last = last.then(async () => {
      for (const month of missing) await makeMonth(month);
    });
    return last;
  };
}
