/**
 * What a rule makes of the events of a log: a fold over them in the order of their ids, on the times at which the log took
 * them. It reads neither a clock nor a database, so that the same events give the same verdicts, live and in a preview,
 * in steps of any size.
 *
 * Time is that of the log. A timer, such as the end of a silence, is due when an event is known to be later: the verdict is
 * the one that a clock would have given, whoever finds it and when.
 */
import {
  change,
  closesAt,
  dueOf,
  type Fold,
  type Group,
  hourEnd,
  nextTimer,
  partOf,
  partsAt,
  prune,
} from './fold-groups.ts';
import { endHour, fire, hasRoom, resolved, type Verdict } from './fold-verdicts.ts';
import type { Rule } from './rule.ts';

/** An event as a rule sees it. */
export type Seen = {
  id: number;
  /** When the log took it, in epoch ms. */
  at: number;
  group: string | null;
  /** The value that `distinct` counts. */
  value: string | null;
  /** Which of the rule's filters it matches. */
  matched: readonly number[];
  /** Of `first_seen`: whether the log has an earlier one of its group. */
  known?: boolean;
};

/** Takes the next event, in the order of the ids; returns what it and the timers before it make. */
export function evaluate(rule: Rule, fold: Fold, event: Seen): Verdict[] {
  const at = Math.max(fold.at, event.at);
  const found = advance(rule, fold, at);
  fold.at = at;
  if (rule.group_by !== null && event.group === null) return found;
  prune(rule, fold, at);
  const key = rule.group_by === null ? '' : (event.group ?? '');
  const group = fold.groups.get(key);
  if (group || hasRoom(rule, fold, event.id, found, true))
    change(rule, fold, key, group ?? { points: [] }, (it) => take(rule, fold, key, it, { ...event, at }, found));
  return found;
}

/** Makes the verdicts of the timers that are due before a time that the log has reached. */
export function advance(rule: Rule, fold: Fold, before: number): Verdict[] {
  const found: Verdict[] = [];
  if (fold.next >= before) return found;
  const queue: [due: number, key: string, group: Group][] = [];
  for (const [key, group] of fold.groups) {
    const due = dueOf(rule, group);
    if (due < before) queue.push([due, key, group]);
  }
  const isLater = ([due, key]: (typeof queue)[number], [otherDue, other]: (typeof queue)[number]) =>
    due - otherDue || (key < other ? -1 : 1);
  queue.sort(isLater);
  for (let next = queue.shift(); next; next = queue.shift()) {
    const [due, key, group] = next;
    if (fold.hour && hourEnd(fold.hour) < due) endHour(fold, found);
    change(rule, fold, key, group, (it) => ring(rule, fold, key, it, due, found));
    const again = dueOf(rule, group);
    if (!fold.groups.has(key) || again >= before) continue;
    const place = queue.findIndex((other) => isLater([again, key, group], other) < 0);
    queue.splice(place < 0 ? queue.length : place, 0, [again, key, group]);
  }
  if (fold.hour && fold.hour[2] > 0 && hourEnd(fold.hour) < before) endHour(fold, found);
  fold.next = nextTimer(rule, fold);
  return found;
}

/** What an event does to its group. */
function take(rule: Rule, fold: Fold, key: string, group: Group, event: Seen, found: Verdict[]): void {
  const { id, at, matched } = event;
  const { open, points } = group;
  const start = at - rule.window_ms;
  const counted = (until: number | undefined) => {
    if (!open) return;
    open.n += 1;
    open.last_id = id;
    if (until !== undefined) open.until = until;
  };
  switch (rule.type) {
    case 'first_seen':
    case 'every': {
      if (event.known) return;
      if (open) counted(undefined);
      else fire(rule, fold, key, group, { n: 1, first_id: id, last_id: id, at, until: at }, found);
      return;
    }
    case 'distinct':
    case 'count': {
      if (rule.type === 'distinct') {
        if (event.value === null) return;
        const known = points.findIndex((point) => point?.[2] === event.value);
        if (known >= 0) points.splice(known, 1);
      }
      points.push(rule.type === 'distinct' ? [at, id, event.value] : [at, id]);
      if (points.length > rule.n || !hasRoom(rule, fold, id, found, false)) points.shift();
      const [first] = points;
      const until = first && points.length === rule.n && first[0] > start ? first[0] + rule.window_ms : undefined;
      if (open) counted(until);
      else if (first && until !== undefined)
        fire(rule, fold, key, group, { n: rule.n, first_id: first[1], last_id: id, at, until }, found);
      return;
    }
    case 'silence': {
      if (open?.told) found.push(resolved(rule, key, { ...open, n: 1, last_id: id }, at));
      delete group.open;
      group.points = [[at, id]];
      return;
    }
    case 'ratio': {
      const parts = partsAt(rule, group.parts ?? [], at);
      const part = partOf(rule, at);
      let last = parts.at(-1);
      if (last?.[0] !== part) {
        last = [part, 0, 0, id];
        parts.push(last);
      }
      if (matched.includes(0)) last[1] += 1;
      if (matched.includes(1)) last[2] += 1;
      group.parts = parts;
      const n = parts.reduce((sum, [, some]) => sum + some, 0);
      const of = parts.reduce((sum, [, , all]) => sum + all, 0);
      const holds = of >= rule.n && n >= rule.ratio * of;
      if (open) counted(holds ? at + rule.window_ms : Math.min(at, open.until ?? at));
      else if (holds && matched.includes(0))
        fire(
          rule,
          fold,
          key,
          group,
          { n, first_id: parts[0]?.[3] ?? id, last_id: id, at, until: at + rule.window_ms },
          found,
        );
      return;
    }
    case 'sequence': {
      if (rule.negated) {
        if (matched.includes(1)) group.points = [];
        if (matched.includes(0) && hasRoom(rule, fold, id, found, false)) group.points.push([at, id]);
        return;
      }
      const last = rule.filters.length - 1;
      for (let stage = last; stage > 0; stage -= 1) {
        const before = points[stage - 1];
        if (!matched.includes(stage) || !before || before[0] <= start) continue;
        if (stage < last) {
          points[stage] = before;
          continue;
        }
        group.points = [];
        if (open) counted(undefined);
        else fire(rule, fold, key, group, { n: last + 1, first_id: before[1], last_id: id, at, until: at }, found);
        break;
      }
      if (matched.includes(0)) group.points[0] = [at, id];
    }
  }
}

/** What a timer of a group does that is due. */
function ring(rule: Rule, fold: Fold, key: string, group: Group, due: number, found: Verdict[]): void {
  const {
    open,
    points: [first],
  } = group;
  if (first && rule.type === 'silence' && due === first[0] + (open ? rule.forget_ms : rule.window_ms)) {
    if (!open) {
      fire(rule, fold, key, group, { n: 0, first_id: first[1], last_id: first[1], at: due }, found);
      return;
    }
    if (open.told) found.push(resolved(rule, key, open, due));
    group.points = [];
    delete group.open;
  } else if (first && rule.negated && due === first[0] + rule.window_ms) {
    group.points.shift();
    if (open) open.n += 1;
    else fire(rule, fold, key, group, { n: 1, first_id: first[1], last_id: first[1], at: due, until: due }, found);
  } else if (open && due === closesAt(rule, open)) {
    if (open.told) found.push(resolved(rule, key, open, due + 1));
    delete group.open;
  } else if (open?.remind) {
    const [at, after_ms] = open.remind;
    found.push({ ...resolved(rule, key, open, at + 1), kind: 'ALERT_REMINDER' });
    open.remind = [at + 2 * after_ms, 2 * after_ms];
  }
}
