/** A rule as the API and the page show it: its spec, how far it is, and which groups are open. */

import type { DeliveryState } from '../../log/delivery-rows.ts';
import { type Status, statusOf } from '../../log/delivery-status.ts';
import type { Mute } from './find.ts';
import { openGroups } from './fold-groups.ts';
import { type Rule, ruleOf } from './rule.ts';
import { ruleName } from './spec.ts';
import { condition, eventsHref } from './words.ts';

const groups_shown_max = 100;

export type OpenGroup = {
  group: string | null;
  n: number;
  first_id: number;
  last_id: number;
  since: string;
  link: string;
};

export type RuleView = {
  name: string;
  filter: string;
  type: string;
  /** When it makes an alert, in words. */
  condition: string;
  status: Status;
  cursor: number;
  lag_events: number;
  last_error: string | null;
  open_groups: number;
  open: OpenGroup[];
  muted: Mute[];
} & Record<string, unknown>;

/** The spec of a rule without what is of its state. */
export function specOf({ spec, filter }: Pick<DeliveryState, 'spec' | 'filter'>) {
  const { mutes, after, ...fields } = spec ?? {};
  return { fields: { ...fields, filter }, mutes: (mutes ?? []) as Mute[], after: (after ?? 0) as number };
}

type StoredState = { groups: Parameters<typeof openGroups>[0] extends Map<string, infer G> ? [string, G][] : never };

export function viewOf(delivery: DeliveryState, now_ms: number): RuleView {
  const { fields, mutes, after } = specOf(delivery);
  const rule: Rule = ruleOf(delivery.spec ?? {}, delivery.filter);
  const open = openGroups(new Map((delivery.state as StoredState | null)?.groups ?? []));
  return {
    ...fields,
    name: ruleName(delivery.name),
    filter: delivery.filter,
    type: rule.type,
    condition: condition(rule),
    after,
    status: statusOf(delivery),
    cursor: delivery.cursor,
    lag_events: delivery.lag_events,
    last_error: delivery.last_error,
    open_groups: open.length,
    open: open.slice(0, groups_shown_max).map(({ group: key, n, first_id, last_id, at }) => {
      const group = rule.group_by === null ? null : key;
      const link = eventsHref(rule, { group, first_id, last_id });
      return { group, n, first_id, last_id, since: new Date(at).toISOString(), link };
    }),
    muted: mutes.filter(({ until }) => Date.parse(until) > now_ms),
  };
}
