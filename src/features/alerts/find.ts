/** Runs a rule over a range of the log, and writes what it finds as events: the same for a rule that is on and a preview. */
import { shortDigest } from '../../http/digest.ts';
import type { Finder, FinderStore, Found } from '../../log/delivery-finder.ts';
import type { Delivery } from '../../log/delivery-rows.ts';
import { type Json, type NewEntry, own_service } from '../../log/entry.ts';
import { readFilter } from '../../log/filter.ts';
import type { MatchQuery } from '../../log/matches.ts';
import { wallClock } from '../../page/time-zone.ts';
import { advance, evaluate } from './fold.ts';
import { begin, type Fold, readFold, writeFold } from './fold-groups.ts';
import type { Verdict } from './fold-verdicts.ts';
import { type Rule, ruleOf } from './rule.ts';
import { ruleName } from './spec.ts';
import { eventsHref, sentence } from './words.ts';

/** Verdicts of one step: a step ends early when it has as many. */
const verdicts_max = 500;

export const matchQueryOf = ({ filters, group_by, field }: Rule): MatchQuery => ({
  filters: filters.map((filter) => readFilter(new URLSearchParams(filter))),
  group_by,
  field,
});

export type Part = { fold: Fold; to: number; verdicts: Verdict[] };

/** Folds the next part of the log, up to an id at most. */
export async function foldPart(
  rule: Rule,
  known: Fold | null,
  from: number,
  end: number,
  store: FinderStore,
): Promise<Part> {
  const query = matchQueryOf(rule);
  const read = await store.matches(from, end, query);
  const fold = known ?? begin(rule, read.start === null ? null : { id: from, at: read.start });
  const matches = read.matches.filter(({ happened }) => isWithin(rule, happened));
  const groups = matches.flatMap(({ group }) => group ?? []);
  const seen = rule.type === 'first_seen' ? await store.known([...new Set(groups)], from, query) : new Set<string>();
  const verdicts: Verdict[] = [];
  for (const match of matches) {
    verdicts.push(...evaluate(rule, fold, { ...match, known: seen.has(match.group ?? '') }));
    if (rule.type === 'first_seen' && match.group !== null) seen.add(match.group);
    if (verdicts.length >= verdicts_max && match.id < read.cursor) return { fold, to: match.id, verdicts };
  }
  if (read.at !== null) verdicts.push(...advance(rule, fold, read.at));
  return { fold, to: read.cursor, verdicts };
}

/** Whether an event happened within the hours that a rule is about. */
function isWithin({ hours }: Rule, ms: number): boolean {
  if (!hours) return true;
  if (!Number.isFinite(ms)) return false;
  const hour = Number(wallClock(ms, hours.zone).slice(11, 13));
  return hours.from < hours.to ? hour >= hours.from && hour < hours.to : hour >= hours.from || hour < hours.to;
}

export type Mute = { group: string | null; until: string };

export function finderOf(delivery: Delivery): Finder {
  const rule = ruleOf(delivery.spec ?? {}, delivery.filter);
  return {
    async find(row, end, store): Promise<Found> {
      const known = row.state === null ? null : readFold(rule, row.state);
      const { fold, to, verdicts } = await foldPart(rule, known, row.cursor, end.id, store);
      const found: Found = {
        to,
        events: await eventsOf(row, rule, verdicts),
        state: writeFold(fold),
        wake_at: Number.isFinite(fold.next) ? fold.next + 1 : null,
        quiet_until: null,
      };
      const now = Date.now();
      if (to < end.id || fold.next >= now) return found;
      // The log is quiet, and time has gone on. Beside what was read: without an event that says so nothing has happened.
      const later = readFold(rule, JSON.parse(JSON.stringify(found.state)) as Json);
      const events = await eventsOf(row, rule, advance(rule, later, now));
      const wake_at = Number.isFinite(later.next) ? later.next + 1 : null;
      if (events.length === 0) return { ...found, wake_at };
      return { ...found, events: [...found.events, ...events], state: writeFold(later), wake_at, quiet_until: now - 1 };
    },
  };
}

const eventsOf = (row: Delivery, rule: Rule, verdicts: Verdict[]): Promise<NewEntry[]> =>
  Promise.all(verdicts.map((verdict) => eventOf(row, rule, verdict)));

/** A verdict as an event. What names it is derived from it: the same one is stored once. */
async function eventOf({ name: reader, spec, revision }: Delivery, rule: Rule, verdict: Verdict): Promise<NewEntry> {
  const { kind, group, n, first_id, last_id, at, note } = verdict;
  const name = ruleName(reader);
  const mutes = (spec?.mutes ?? []) as Mute[];
  const isMuted = mutes.some((mute) => (mute.group === null || mute.group === group) && at < Date.parse(mute.until));
  const digest = await shortDigest(JSON.stringify(group), 8);
  return {
    event_type: isMuted && kind !== 'ALERT_RESOLVED' ? 'ALERT_MUTED' : kind,
    entity_type: 'rule',
    entity_id: name,
    user_id: null,
    description: sentence(name, rule, verdict),
    metadata: {
      rule: name,
      type: rule.type,
      ...(rule.group_by !== null && { group_by: rule.group_by }),
      group,
      n,
      first_id,
      last_id,
      ...(rule.window_ms > 0 && { window_s: rule.window_ms / 1_000 }),
      ...(note && { note }),
      link: eventsHref(rule, verdict),
    },
    ip_address: null,
    user_agent: null,
    timestamp: new Date(at).toISOString(),
    service: own_service,
    trace_id: null,
    session_id: null,
    span_id: null,
    parent_span_id: null,
    caused_by: null,
    event_uid: `${kind.toLowerCase()}/${name}/${revision}/${digest}/${first_id}-${last_id}/${at}`,
  };
}
