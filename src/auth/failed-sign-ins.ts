/** Reports failed sign-ins in the service's log: a count for each name, at most one line for each interval. */

type Report = (what: string, error: unknown, about: { level: 'warn' }) => void;

const interval_ms = 10_000;

/**
 * Returns a function that counts a failed sign-in. The first one of an interval is reported at once, the others at its
 * end. Only names of USERS are written: what somebody typed as a name may be a password.
 */
export function failedSignIns(isUser: (name: string) => boolean, report: Report) {
  const counts = new Map<string, number>();
  let interval_start = Number.NEGATIVE_INFINITY;

  function flush(): void {
    if (counts.size === 0) return;
    interval_start = performance.now();
    const text = [...counts].map(([name, n]) => `${name}: ${n}`).join(', ');
    counts.clear();
    report('sign-ins failed', new Error(text), { level: 'warn' });
  }

  return (name: string): void => {
    const key = isUser(name) ? JSON.stringify(name) : 'names that are not in USERS';
    counts.set(key, (counts.get(key) ?? 0) + 1);
    const left_ms = interval_start + interval_ms - performance.now();
    if (left_ms <= 0) flush();
    // On Workers a timer ends with its request: then the next failure reports the count.
    else if (counts.size === 1 && counts.get(key) === 1) setTimeout(flush, left_ms);
  };
}
