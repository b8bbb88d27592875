/** A rule, as the fold takes it: which events it is about, and when they are an alert. */
import type { Metadata } from '../../log/entry.ts';

export const ruleTypes = ['every', 'count', 'distinct', 'sequence', 'silence', 'first_seen', 'ratio'] as const;
export type RuleType = (typeof ruleTypes)[number];

export type Rule = {
  type: RuleType;
  /** Filters as query strings: that of the rule, then those of `followed_by`, `not_followed_by` or `of`. */
  filters: string[];
  group_by: string | null;
  /** Whose different values are counted. */
  field: string | null;
  n: number;
  window_ms: number;
  /** How long after an alert of a group no other one of it is made, even if it has been resolved. */
  quiet_ms: number;
  /** After how long the first reminder of an open group comes; 0 for none. The next one comes after twice as long. */
  again_ms: number;
  /** After how long a silent group is forgotten. */
  forget_ms: number;
  ratio: number;
  /** Of a sequence: the second event must not come. */
  negated: boolean;
  /** Only events that happened from this hour on and before that one count. */
  hours: { from: number; to: number; zone: string } | null;
  alerts_per_hour_max: number;
};

export const ruleLimits = {
  /** Groups that a rule knows at the same time, and the events or values that it keeps of all of them. */
  groups_max: 10_000,
  points_max: 20_000,
  /** A ratio counts its window in so many equal parts. */
  window_parts: 60,
  /** Alerts of a rule within one hour of the clock, where the rule does not say another number. */
  alerts_per_hour_max: 60,
  forget_s: 7 * 86_400,
} as const;

type Spec = Metadata & {
  type: RuleType;
  followed_by?: string[];
  not_followed_by?: string;
  of?: string;
  group_by?: string;
  field?: string;
  n?: number;
  window_s?: number;
  quiet_s?: number;
  again_after_s?: number;
  forget_s?: number;
  ratio?: number;
  hours?: string;
  zone?: string;
  alerts_per_hour_max?: number;
};

/** The rule of a spec that has been checked. */
export function ruleOf(checked: Metadata, filter: string): Rule {
  const spec = checked as Spec;
  const [from = 0, to = 24] = (spec.hours ?? '').split('-').map(Number);
  const others = [...(spec.followed_by ?? []), ...(spec.not_followed_by === undefined ? [] : [spec.not_followed_by])];
  return {
    type: spec.type,
    filters: [filter, ...others, ...(spec.of === undefined ? [] : [spec.of])],
    group_by: spec.group_by ?? null,
    field: spec.field ?? null,
    n: spec.n ?? 1,
    window_ms: (spec.window_s ?? 0) * 1_000,
    quiet_ms: (spec.quiet_s ?? 0) * 1_000,
    again_ms: (spec.again_after_s ?? 0) * 1_000,
    forget_ms: spec.group_by ? (spec.forget_s ?? ruleLimits.forget_s) * 1_000 : Number.POSITIVE_INFINITY,
    ratio: spec.ratio ?? 1,
    negated: spec.not_followed_by !== undefined,
    hours: spec.hours ? { from, to, zone: spec.zone ?? 'UTC' } : null,
    alerts_per_hour_max: spec.alerts_per_hour_max ?? ruleLimits.alerts_per_hour_max,
  };
}
