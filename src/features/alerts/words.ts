/** What a rule and its alerts are in words, and the address of exactly the events of an alert. */
import { formatDuration } from '../../page/format.ts';
import { logHref } from '../../page/links.ts';
import type { Verdict } from './fold-verdicts.ts';
import type { Rule } from './rule.ts';

/** The address of the events that an alert is about. */
export function eventsHref(
  rule: Rule,
  { group, first_id, last_id }: Pick<Verdict, 'group' | 'first_id' | 'last_id'>,
): string {
  // A sequence has several filters: its range of ids, which begins and ends with one of its events.
  const query = new URLSearchParams(rule.type === 'sequence' && !rule.negated ? '' : rule.filters[0]);
  if (rule.group_by !== null && group !== null) query.set(rule.group_by, group);
  query.set('first_id', String(first_id));
  query.set('last_id', String(last_id));
  return logHref(query);
}

const within = ({ window_ms }: Rule) => `within ${formatDuration(window_ms / 1_000)}`;
const events = (n: number) => `${n} ${n === 1 ? 'event' : 'events'}`;

const what: Record<Rule['type'], (rule: Rule, n: number) => string> = {
  every: () => 'an event',
  count: (rule, n) => `${events(n)} ${within(rule)}`,
  distinct: (rule, n) => `${n} different values of ${rule.field} ${within(rule)}`,
  sequence: (rule, n) =>
    rule.negated ? `an event that was not followed ${within(rule)}` : `${events(n)} in order ${within(rule)}`,
  silence: ({ window_ms }) => `no event for ${formatDuration(window_ms / 1_000)}`,
  first_seen: () => 'seen for the first time',
  ratio: (rule, n) => `${events(n)}, at least ${rule.ratio * 100} %, ${within(rule)}`,
};

/** The description of an alert. */
export function sentence(name: string, rule: Rule, { kind, group, n, note }: Verdict): string {
  if (note === 'full') return `${name}: no room for more than ${n} groups: what is new is not counted until there is`;
  if (note === 'more') return `${name}: ${n} more alerts in this hour`;
  const who = rule.group_by !== null && group !== null ? ` of ${rule.group_by} ${group}` : '';
  if (kind === 'ALERT_RESOLVED') return `${name}: over${who}, after ${events(n)}`;
  return `${name}: ${kind === 'ALERT_REMINDER' ? 'still ' : ''}${what[rule.type](rule, n)}${who}`.slice(0, 10_000);
}

/** When a rule of these fields makes an alert. */
export const condition = (rule: Rule): string =>
  `${what[rule.type](rule, rule.n)}${rule.group_by === null ? '' : `, by ${rule.group_by}`}`;
