/** What a rule remembers: its groups, their events so far, and when their timers are due. */
import type { Json } from '../../log/entry.ts';
import { type Rule, ruleLimits } from './rule.ts';

type Point = [at: number, id: number, value?: string | null];
/** A part of a ratio's window: its number, the events of both filters, the first id. */
export type Part = [part: number, n: number, of: number, first_id: number];
export type Open = {
  first_id: number;
  last_id: number;
  n: number;
  /** When it was opened, and until when its condition holds as far as is known; absent where an event ends it. */
  at: number;
  until?: number;
  told: boolean;
  remind?: [at: number, after_ms: number];
};
export type Group = { points: (Point | null)[]; parts?: Part[]; open?: Open };

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

export const hour_ms = 3_600_000;

export const hourEnd = ([hour]: NonNullable<Fold['hour']>) => (hour + 1) * hour_ms - 1;

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

export function nextTimer(rule: Rule, { groups, hour }: Fold): number {
  let next = hour && hour[2] > 0 ? hourEnd(hour) : Number.POSITIVE_INFINITY;
  for (const group of groups.values()) next = Math.min(next, dueOf(rule, group));
  return next;
}

export const closesAt = ({ quiet_ms }: Rule, { at, until }: Open) =>
  until === undefined ? Number.POSITIVE_INFINITY : Math.max(until, at + quiet_ms) - 1;

/** When a group's next timer is due; it rings when the log is later than that. */
export function dueOf(rule: Rule, { open, points: [first] }: Group): number {
  let due = open
    ? Math.min(closesAt(rule, open), open.remind?.[0] ?? Number.POSITIVE_INFINITY)
    : Number.POSITIVE_INFINITY;
  if (first && rule.negated) due = Math.min(due, first[0] + rule.window_ms);
  if (first && rule.type === 'silence') due = Math.min(due, first[0] + (open ? rule.forget_ms : rule.window_ms));
  return due;
}

/** Changes a group, and keeps it where anything is left of it. */
export function change(rule: Rule, fold: Fold, key: string, group: Group, how: (group: Group) => void): void {
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
export function prune(rule: Rule, fold: Fold, at: number): void {
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

export const partOf = ({ window_ms }: Rule, at: number) => Math.floor(at / (window_ms / ruleLimits.window_parts));
export const partsAt = (rule: Rule, parts: Part[], at: number) =>
  parts.filter(([part]) => part > partOf(rule, at) - ruleLimits.window_parts);
