/**
 * What rules must make of a complete list of events, said a second time and in another way: each type is decided from all
 * events of its group at once, without a state that is carried on. Only alerts, and no limit of an hour.
 */
import type { Verdict } from '../../../src/features/alerts/fold-verdicts.ts';
import type { Rule } from '../../../src/features/alerts/rule.ts';

export type OracleEvent = { id: number; at: number; group: string | null; value: string | null; matched: number[] };
export type OracleAlert = Pick<Verdict, 'group' | 'n' | 'first_id' | 'last_id'> & { at: number };

/** `end` is the time of the newest event of the log, of any kind. */
export function oracle(rule: Rule, events: OracleEvent[], end: number): OracleAlert[] {
  const groups = new Map<string, OracleEvent[]>();
  for (const event of events) {
    if (event.matched.length === 0 || (rule.group_by !== null && event.group === null)) continue;
    const key = rule.group_by === null ? '' : (event.group ?? '');
    groups.set(key, [...(groups.get(key) ?? []), event]);
  }
  const alerts = [...groups].flatMap(([key, own]) =>
    ofGroup(rule, own, end).map((alert) => ({ ...alert, group: rule.group_by === null ? null : key })),
  );
  return sortAlerts(alerts);
}

export const sortAlerts = (alerts: OracleAlert[]): OracleAlert[] =>
  alerts
    .map(({ group, n, first_id, last_id, at }) => ({ group, n, first_id, last_id, at }))
    .toSorted((a, b) => a.at - b.at || a.last_id - b.last_id || a.first_id - b.first_id || a.n - b.n);

type Own = Omit<OracleAlert, 'group'>;

function ofGroup(rule: Rule, own: OracleEvent[], end: number): Own[] {
  const { window_ms: w, quiet_ms: quiet } = rule;
  switch (rule.type) {
    case 'every':
    case 'first_seen': {
      const wanted = rule.type === 'every' ? own : own.slice(0, 1);
      return thinned(
        wanted.map(({ id, at }) => ({ n: 1, first_id: id, last_id: id, at })),
        quiet,
      );
    }
    case 'count':
    case 'distinct': {
      const alerts: Own[] = [];
      let openUntil = Number.NEGATIVE_INFINITY;
      for (const [i, event] of own.entries()) {
        if (rule.type === 'distinct' && event.value === null) continue;
        const window = own.slice(0, i + 1).filter(({ at }) => at > event.at - w);
        // The newest event of each value; without values, each event is one of its own.
        const newest = new Map<string, OracleEvent>();
        for (const each of window)
          if (rule.type === 'count') newest.set(String(each.id), each);
          else if (each.value !== null) newest.set(each.value, each);
        const counted = [...newest.values()].toSorted((a, b) => a.id - b.id).slice(-rule.n);
        const [first] = counted;
        if (!first || counted.length < rule.n) continue;
        if (event.at >= openUntil) {
          alerts.push({ n: rule.n, first_id: first.id, last_id: event.id, at: event.at });
          openUntil = event.at + quiet;
        }
        openUntil = Math.max(openUntil, first.at + w);
      }
      return alerts;
    }
    case 'silence':
      return own
        .filter(({ at }, i) => (own[i + 1]?.at ?? end) - at > w)
        .map(({ id, at }) => ({ n: 0, first_id: id, last_id: id, at: at + w }));
    case 'ratio': {
      const alerts: Own[] = [];
      const part = (at: number) => Math.floor(at / (w / 60));
      let [openedAt, openUntil] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
      for (const [i, event] of own.entries()) {
        const window = own.slice(0, i + 1).filter(({ at }) => part(at) > part(event.at) - 60);
        const n = window.filter(({ matched }) => matched.includes(0)).length;
        const of = window.filter(({ matched }) => matched.includes(1)).length;
        const holds = of >= rule.n && n >= rule.ratio * of;
        if (event.at >= openUntil && holds && event.matched.includes(0)) {
          alerts.push({ n, first_id: window[0]?.id ?? 0, last_id: event.id, at: event.at });
          openUntil = Math.max(event.at + w, event.at + quiet);
          openedAt = event.at;
        } else if (event.at < openUntil) openUntil = Math.max(holds ? event.at + w : event.at, openedAt + quiet);
      }
      return alerts;
    }
    case 'sequence': {
      if (rule.negated)
        return thinned(
          own
            .filter(({ matched }) => matched.includes(0))
            .filter(
              ({ id, at }) => at + w < end && !own.some((b) => b.id > id && b.matched.includes(1) && b.at <= at + w),
            )
            .map(({ id, at }) => ({ n: 1, first_id: id, last_id: id, at: at + w })),
          quiet,
        );
      return thinned(sequences(rule, own), quiet);
    }
  }
}

/** Leaves out what follows an alert within its quiet time. */
function thinned(alerts: Own[], quiet: number): Own[] {
  let until = Number.NEGATIVE_INFINITY;
  return alerts.filter(({ at }) => {
    if (at < until) return false;
    until = at + quiet;
    return true;
  });
}

/** All events of a sequence come after the one before it, the last one within the window of the first; each is used up. */
function sequences(rule: Rule, own: OracleEvent[]): Own[] {
  const last = rule.filters.length - 1;
  const found: Own[] = [];
  let from = 0;
  for (const [i, end] of own.entries()) {
    if (!end.matched.includes(last)) continue;
    // Backwards, the newest event of each stage before the one that follows it gives the newest beginning.
    let best: OracleEvent | null = null;
    const reach = (stage: number, before: number): void => {
      for (let j = before - 1; j >= from; j -= 1) {
        const event = own[j] as OracleEvent;
        if (!event.matched.includes(stage)) continue;
        if (stage === 0) {
          if (!best || event.id > best.id) best = event;
          return;
        }
        reach(stage - 1, j);
      }
    };
    reach(last - 1, i);
    const first = best as OracleEvent | null;
    if (!first || first.at <= end.at - rule.window_ms) continue;
    found.push({ n: last + 1, first_id: first.id, last_id: end.id, at: end.at });
    // The event that ended one may begin the next.
    from = i;
  }
  return found;
}
