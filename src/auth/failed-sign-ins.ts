/** Reports failed sign-ins in the service's log: counts for each name, at most one line for each interval. */

export type Outcome = 'failed' | 'refused';
type Report = (what: string, error: unknown, about: { level: 'warn' }) => void;

const interval_ms = 10_000;

/**
 * Returns a function that counts a sign-in that failed, or that was refused because too many had failed before. The first
 * one of an interval is reported at once, the others at its end. Only names of USERS are written: what somebody typed as a
 * name may be a password.
 */
export function failedSignIns(isUser: (name: string) => boolean, report: Report) {
  const counts = new Map<string, Record<Outcome, number>>();
  let interval_start = Number.NEGATIVE_INFINITY;

  function flush(): void {
    if (counts.size === 0) return;
    interval_start = performance.now();
    const text = [...counts]
      .map(([name, { failed, refused }]) => `${name}: ${failed}${refused > 0 ? ` and ${refused} refused` : ''}`)
      .join(', ');
    counts.clear();
    report('sign-ins failed', new Error(text), { level: 'warn' });
  }

  return (name: string, outcome: Outcome): void => {
    const key = isUser(name) ? JSON.stringify(name) : 'names that are not in USERS';
    const isFirst = counts.size === 0;
    const of = counts.get(key) ?? { failed: 0, refused: 0 };
    of[outcome] += 1;
    counts.set(key, of);
    const left_ms = interval_start + interval_ms - performance.now();
    if (left_ms <= 0) flush();
    // On Workers a timer ends with its request: then the next failure reports the count.
    else if (isFirst) setTimeout(flush, left_ms);
  };
}
