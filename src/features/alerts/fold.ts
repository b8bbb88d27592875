/**
 * What a rule makes of the events of a log: a fold over them in the order of their ids, on the times at which the log took
 * them. It reads neither a clock nor a database, so that the same events give the same verdicts, live and in a preview,
 * in steps of any size.
 *
 * Time is that of the log. A timer, such as the end of a silence, is due when an event is known to be later: the verdict is
 * the one that a clock would have given, whoever finds it and when.
 */
import type { Json } from '../../log/entry.ts';
import { type Rule, ruleLimits } from './rule.ts';

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

type Point = [at: number, id: number, value?: string | null];
/** A part of a ratio's window: its number, the events of both filters, the first id. */
type Part = [part: number, n: number, of: number, first_id: number];
type Open = {
  first_id: number;
  last_id: number;
  n: number;
  /** When it was opened, and until when its condition holds as far as is known; absent where an event ends it. */
  at: number;
  until?: number;
  told: boolean;
  remind?: [at: number, after_ms: number];
};
type Group = { points: (Point | null)[]; parts?: Part[]; open?: Open };

/** What a rule remembers. `size` counts points, parts and groups; `cell` is the part of time in which it was last pruned. */
export type Fold = {
  at: number;
  groups: Map<string, Group>;
  size: number;
  cell: number;
  full: boolean;
  /** The hour of the newest alert, how many were told in it, and those that were not: their number, first and last id. */
  hour: [hour: number, n_told: number, n_more: number, first_id: number, last_id: number] | null;
  /** No timer is due before. */
  next: number;
};

const hour_ms = 3_600_000;

/** What a rule begins with after an event. A silence of all events begins with it. */
export function begin(rule: Rule, start: { id: number; at: number } | null): Fold {
  const fold: Fold = {
    at: start?.at ?? 0,
    groups: new Map(),
    size: 0,
    cell: 0,
    full: false,
    hour: null,
    next: Number.POSITIVE_INFINITY,
  };
  if (rule.type === 'silence' && rule.group_by === null && start)
    change(rule, fold, '', { points: [] }, (group) => void group.points.push([start.at, start.id]));
  return fold;
}

export const writeFold = ({ at, size, cell, full, hour, groups }: Fold): Json => ({
  at,
  size,
  cell,
  full,
  hour,
  groups: [...groups] as unknown as Json,
});

export function readFold(rule: Rule, stored: Json): Fold {
  const { groups, ...rest } = stored as unknown as Omit<Fold, 'groups' | 'next'> & { groups: [string, Group][] };
  const fold: Fold = { ...rest, groups: new Map(groups), next: 0 };
  fold.next = nextTimer(rule, fold);
  return fold;
}

/** The open groups, with their events so far. */
export const openGroups = (groups: Map<string, Group>): (Open & { group: string })[] =>
  [...groups].flatMap(([group, { open }]) => (open ? [{ ...open, group }] : []));

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

const hourEnd = ([hour]: NonNullable<Fold['hour']>) => (hour + 1) * hour_ms - 1;

function nextTimer(rule: Rule, { groups, hour }: Fold): number {
  let next = hour && hour[2] > 0 ? hourEnd(hour) : Number.POSITIVE_INFINITY;
  for (const group of groups.values()) next = Math.min(next, dueOf(rule, group));
  return next;
}

const closesAt = ({ quiet_ms }: Rule, { at, until }: Open) =>
  until === undefined ? Number.POSITIVE_INFINITY : Math.max(until, at + quiet_ms) - 1;

/** When a group's next timer is due; it rings when the log is later than that. */
function dueOf(rule: Rule, { open, points: [first] }: Group): number {
  let due = open
    ? Math.min(closesAt(rule, open), open.remind?.[0] ?? Number.POSITIVE_INFINITY)
    : Number.POSITIVE_INFINITY;
  if (first && rule.negated) due = Math.min(due, first[0] + rule.window_ms);
  if (first && rule.type === 'silence') due = Math.min(due, first[0] + (open ? rule.forget_ms : rule.window_ms));
  return due;
}

/** Changes a group, and keeps it where anything is left of it. */
function change(rule: Rule, fold: Fold, key: string, group: Group, how: (group: Group) => void): void {
  fold.size -= fold.groups.has(key) ? sizeOf(group) : 0;
  how(group);
  if (group.points.length === 0 && !group.parts && !group.open) {
    fold.groups.delete(key);
    return;
  }
  fold.groups.set(key, group);
  fold.size += sizeOf(group);
  fold.next = Math.min(fold.next, dueOf(rule, group));
}

const sizeOf = ({ points, parts }: Group) => 1 + points.length + (parts?.length ?? 0);

/** Forgets what no window reaches any more, now and then: the time decides when, not the steps. */
function prune(rule: Rule, fold: Fold, at: number): void {
  const cell = Math.floor(at / Math.max(1_000, rule.window_ms / 8));
  if (cell === fold.cell) return;
  fold.cell = cell;
  if (rule.type !== 'silence' && !rule.negated)
    for (const [key, group] of fold.groups)
      change(rule, fold, key, group, () => {
        const start = at - rule.window_ms;
        if (rule.type !== 'sequence') group.points = group.points.filter((point) => point && point[0] > start);
        else if (!group.points.some((point) => point && point[0] > start)) group.points = [];
        if (group.parts && !partsAt(rule, group.parts, at).length) delete group.parts;
      });
  if (fold.groups.size < ruleLimits.groups_max / 2 && fold.size < ruleLimits.points_max / 2) fold.full = false;
}

/** Whether there is room for another event, or for another group. That there is none is said once. */
function hasRoom(rule: Rule, fold: Fold, id: number, found: Verdict[], ofGroup: boolean): boolean {
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
function endHour(fold: Fold, found: Verdict[]): void {
  const [, , n, first_id, last_id] = fold.hour ?? [0, 0, 0, 0, 0];
  if (fold.hour && n > 0)
    found.push({ kind: 'ALERT', group: null, n, first_id, last_id, at: hourEnd(fold.hour), note: 'more' });
  fold.hour = null;
}

type Fires = { n: number; first_id: number; last_id: number; at: number; until?: number };

/** Makes an alert of a group, and opens it: while it is open, there is no second one. */
function fire(
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

const partOf = ({ window_ms }: Rule, at: number) => Math.floor(at / (window_ms / ruleLimits.window_parts));
const partsAt = (rule: Rule, parts: Part[], at: number) =>
  parts.filter(([part]) => part > partOf(rule, at) - ruleLimits.window_parts);

const resolved = ({ group_by }: Rule, key: string, { n, first_id, last_id }: Open, at: number): Verdict => ({
  kind: 'ALERT_RESOLVED',
  group: group_by === null ? null : key,
  n,
  first_id,
  last_id,
  at,
});

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
