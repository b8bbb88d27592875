/** What a rule says: an alert, a reminder or an end of one, within the limits of its memory and of an hour. */
import { type Fold, type Group, hour_ms, hourEnd, type Open } from './fold-groups.ts';
import { type Rule, ruleLimits } from './rule.ts';

export type Verdict = {
  kind: 'ALERT' | 'ALERT_REMINDER' | 'ALERT_RESOLVED';
  /** Null for a rule without groups, and where it is about all of them. */
  group: string | null;
  n: number;
  first_id: number;
  last_id: number;
  at: number;
  /** `full`: no room for more groups. `more`: what the limit of an hour has left out. */
  note?: 'full' | 'more';
};

/** Whether there is room for another event, or for another group. That there is none is said once. */
export function hasRoom(rule: Rule, fold: Fold, id: number, found: Verdict[], ofGroup: boolean): boolean {
  const { groups_max, points_max } = ruleLimits;
  if (fold.size < points_max && (!ofGroup || fold.groups.size < groups_max)) return true;
  if (!fold.full) {
    fold.full = true;
    tell(
      rule,
      fold,
      { kind: 'ALERT', group: null, n: fold.groups.size, first_id: id, last_id: id, at: fold.at, note: 'full' },
      found,
    );
  }
  return false;
}

/** Makes an alert, or counts it where the hour has had enough of them. */
function tell(rule: Rule, fold: Fold, verdict: Verdict, found: Verdict[]): boolean {
  const hour = Math.floor(verdict.at / hour_ms);
  if (fold.hour && fold.hour[0] !== hour) endHour(fold, found);
  fold.hour ??= [hour, 0, 0, 0, 0];
  if (fold.hour[1] < rule.alerts_per_hour_max) {
    fold.hour[1] += 1;
    found.push(verdict);
    return true;
  }
  if (fold.hour[2] === 0) fold.hour[3] = verdict.first_id;
  fold.hour[2] += 1;
  fold.hour[4] = verdict.last_id;
  fold.next = Math.min(fold.next, hourEnd(fold.hour));
  return false;
}

/** The one alert that says how many more an hour had. */
export function endHour(fold: Fold, found: Verdict[]): void {
  const [, , n, first_id, last_id] = fold.hour ?? [0, 0, 0, 0, 0];
  if (fold.hour && n > 0)
    found.push({ kind: 'ALERT', group: null, n, first_id, last_id, at: hourEnd(fold.hour), note: 'more' });
  fold.hour = null;
}

type Fires = { n: number; first_id: number; last_id: number; at: number; until?: number };

/** Makes an alert of a group, and opens it: while it is open, there is no second one. */
export function fire(
  rule: Rule,
  fold: Fold,
  key: string,
  group: Group,
  { n, first_id, last_id, at, until }: Fires,
  found: Verdict[],
): void {
  const name = rule.group_by === null ? null : key;
  const told = tell(rule, fold, { kind: 'ALERT', group: name, n, first_id, last_id, at }, found);
  if (until !== undefined && Math.max(until, at + rule.quiet_ms) <= at) return;
  group.open = { first_id, last_id, n, at, told, ...(until !== undefined && { until }) };
  if (told && rule.again_ms > 0) group.open.remind = [at + rule.again_ms - 1, rule.again_ms];
}

export const resolved = ({ group_by }: Rule, key: string, { n, first_id, last_id }: Open, at: number): Verdict => ({
  kind: 'ALERT_RESOLVED',
  group: group_by === null ? null : key,
  n,
  first_id,
  last_id,
  at,
});
