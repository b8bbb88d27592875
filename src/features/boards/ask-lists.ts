/** The panels that list the newest of something: events, first sights, and what features offer. */
import { filterOf, isTimeKey, lastIdOf, onlyValue } from '../../log/filter.ts';
import { seenKinds } from '../../log/seen.ts';
import { type Ask, empty } from './marks.ts';
import { panelTerms, periodOfPanel } from './question.ts';

const rows_max = 10;
/** Visits are marks of a figure, and need no line each. */
const lane_marks_max = 60;
const lanes_max = 10;

export const events: Ask = async ({ store }, panel, query, newest) => {
  const filter = filterOf(panelTerms(panel, query, periodOfPanel(panel, query)));
  const { logs } = await store.page(filter, { limit: rows_max, offset: 0, before: null, after: null });
  const marks = logs.map(({ id, timestamp, event_type, entity_type, entity_id, user_id }) => ({
    names: [
      timestamp.replace('T', ' ').slice(0, 19),
      event_type,
      entity_id ? `${entity_type} ${entity_id}` : entity_type,
      user_id,
    ],
    value: id,
    href: `/logs/${id}`,
  }));
  return { ...empty, panel, cursor: newest, columns: ['Time (UTC)', 'Event', 'Entity', 'User'], marks };
};

const sights: Record<(typeof seenKinds)[number], string> = {
  action: 'anybody',
  service_action: 'service',
  user_action: 'user',
  user_network: 'network of a user',
  user_agent: 'agent of a user',
  user_slot: 'hours of a user',
};

/** First sights of a user or service of the filter, else of anybody. Other terms of the filter do not narrow them. */
export const seen: Ask = async ({ store }, panel, query, newest) => {
  const period = periodOfPanel(panel, query);
  const terms = panelTerms(panel, query, period);
  const [user, service] = [onlyValue(terms, 'user_id'), onlyValue(terms, 'service')];
  const isOfUser = (kind: string) => kind.startsWith('user_');
  const kinds =
    user !== undefined
      ? seenKinds.filter(isOfUser)
      : service !== undefined
        ? ['service_action' as const]
        : seenKinds.filter((kind) => !['user_slot', 'user_action'].includes(kind));
  const found = await store.firstSeen({
    kinds,
    subject: user ?? service,
    from: period.from,
    before: period.to + 1,
    rows_max,
  });
  const marks = found.map(({ kind, subject, value, first_id, first_at }) => ({
    names: [
      first_at.replace('T', ' ').slice(0, 19),
      subject === '' ? sights[kind] : `${sights[kind]} ${subject}`,
      wordsOf(value),
    ],
    value: first_id,
    href: `/logs/${first_id}`,
  }));
  return { ...empty, panel, cursor: newest, columns: ['Time (UTC)', 'Of', 'For the first time'], marks };
};

/** An action is an event type and an entity type as JSON. */
function wordsOf(value: string): string {
  if (value === '') return 'more than 1,000 values';
  try {
    const read: unknown = JSON.parse(value);
    return Array.isArray(read) ? read.join(' ') : value;
  } catch {
    return value;
  }
}

/**
 * What a feature knows alone (Feature.panels). Its own tables cannot be searched by everything that a filter may say: a
 * panel that left out a part of it would show numbers of other events.
 */
export const offered: Ask = async (parts, panel, query, newest) => {
  const nothing = { ...empty, panel, cursor: newest };
  const source = parts.features.map(({ panels }) => panels?.[panel.kind]).find((found) => found !== undefined);
  if (!source) return { ...nothing, fault: 'This service has no panels of this kind.' };
  const period = periodOfPanel(panel, query);
  const terms = panelTerms(panel, query, period).filter(({ key }) => !isTimeKey(key));
  // The filters of the panel and of the address exclude each other (`both` in question.ts).
  if (lastIdOf(terms) === 0) return nothing;
  const other = terms.find(({ key, negated }) => negated || !source.keys.includes(key));
  if (other)
    return {
      ...nothing,
      fault: `A filter by ${other.key} says nothing of this: only ${source.keys.join(' and ')} can.`,
    };
  const limit = panel.kind === 'lanes' ? lane_marks_max : rows_max;
  const { columns, rows, is_exact } = await source.ask(parts, { terms, ...period, rows_max: limit + 1 });
  const lanes = [...new Set(rows.map(({ names: [name] }) => name))].slice(0, lanes_max);
  const marks = rows.slice(0, limit).filter(({ names: [name] }) => panel.kind !== 'lanes' || lanes.includes(name));
  return { ...nothing, is_exact, columns, marks, has_more: rows.length > marks.length };
};
