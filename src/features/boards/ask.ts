/** Asks the log for what a panel shows: marks with their numbers and links. */
import { type AnswerRow, answerQuestion, type Question, readQuestion } from '../../api/aggregate-answer.ts';
import { Problem } from '../../http/problem.ts';
import type { GroupKey } from '../../log/aggregate-sources.ts';
import { filterOf, lastIdOf, type Term, writeFilter } from '../../log/filter.ts';
import { seenKinds } from '../../log/seen.ts';
import type { Store } from '../../log/store.ts';
import { formatCount } from '../../page/format.ts';
import type { Panel } from './panel.ts';
import {
  type BoardQuery,
  intervalOf,
  next,
  type PanelInterval,
  panelTerms,
  periodOfPanel,
  startOf,
} from './question.ts';

const groups_max = { bars: 5, lines: 5, top: 8 } as const;
const rows_max = 10;
/** How long the events are read for a panel, before a sample is taken. */
const panel_ms_max = 300;

/** One number, as a mark of the figure and as a row of the table. */
export type Mark = {
  /** What it is of; null is a group that has no value. */
  names: (string | null)[];
  value: number;
  href: string | null;
  /** The beginning of its interval, in epoch ms. */
  at?: number;
  /** The groups that are not named, together. */
  isOther?: true;
  /** The parts of a bar, in the order of the series. */
  parts?: number[];
  before?: { value: number; href: string | null };
};

export type PanelView = {
  panel: Panel;
  is_exact: boolean;
  cursor: number;
  interval: PanelInterval | null;
  /** What the names of the marks are. */
  columns: string[];
  marks: Mark[];
  /** The parts of the bars, or the lines. */
  series: (string | null)[];
  /** Why there is nothing. */
  fault: string | null;
};

const hrefOf = (filter: string | null) => (filter === null ? null : filter === '' ? '/logs' : `/logs?${filter}`);

const labels: Record<GroupKey, string> = {
  event_type: 'Event',
  entity_type: 'Entity type',
  entity_id: 'Entity id',
  service: 'Service',
  user_id: 'User',
  ip_address: 'Address',
};
export const labelOf = (key: GroupKey) => labels[key];

const empty = { interval: null, columns: [], marks: [], series: [], fault: null, is_exact: true };

export async function askPanel(store: Store, panel: Panel, query: BoardQuery, newest: number): Promise<PanelView> {
  const asks = { number, bars, lines: bars, top, heat, events, seen };
  try {
    return await asks[panel.kind](store, panel, query, newest);
  } catch (error) {
    if (!(error instanceof Problem) || (error.status !== 503 && error.status !== 400)) throw error;
    return { ...empty, panel, cursor: newest, fault: error.message };
  }
}

/** The question of a panel; `more` are its parameters beside the filter. */
function questionOf({ by, measure }: Panel, terms: Term[], more: Record<string, string>, newest: number): Question {
  const asked = writeFilter(terms);
  if (lastIdOf(terms) === null) asked.set('last_id', String(newest));
  for (const key of by) asked.append('group_by', key);
  for (const [name, value] of Object.entries({ measure, ...more })) asked.set(name, value);
  return { ...readQuestion(asked), ms_max: panel_ms_max };
}

const named = (by: GroupKey[], row: AnswerRow) => by.map((key) => row[key] ?? null);

async function number(store: Store, panel: Panel, query: BoardQuery, newest: number): Promise<PanelView> {
  const terms = panelTerms(panel, query, periodOfPanel(panel, query));
  const { total, is_exact, cursor } = await answerQuestion(
    store,
    questionOf({ ...panel, by: [] }, terms, { compare: 'previous' }, newest),
  );
  const { previous } = total;
  const mark: Mark = { names: [panel.title], value: total.value, href: hrefOf(total.filter) };
  if (previous) mark.before = { value: previous.value, href: hrefOf(previous.filter) };
  return { ...empty, panel, is_exact, cursor, columns: ['Number'], marks: [mark] };
}

async function top(store: Store, panel: Panel, query: BoardQuery, newest: number): Promise<PanelView> {
  const terms = panelTerms(panel, query, periodOfPanel(panel, query));
  const answer = await answerQuestion(store, questionOf(panel, terms, { limit: String(groups_max.top) }, newest));
  const marks: Mark[] = answer.rows.map((row) => ({
    names: named(panel.by, row),
    value: row.value,
    href: hrefOf(row.filter),
  }));
  for (const { value, filter, groups } of answer.other)
    marks.push({
      names: [`${formatCount(groups)} other`, ...panel.by.slice(1).map(() => '')],
      value,
      href: hrefOf(filter),
      isOther: true,
    });
  return { ...empty, panel, is_exact: answer.is_exact, cursor: answer.cursor, columns: panel.by.map(labelOf), marks };
}

/** Bars and lines: a mark for each interval of the period, and its parts. */
async function bars(store: Store, panel: Panel, query: BoardQuery, newest: number): Promise<PanelView> {
  const period = periodOfPanel(panel, query);
  const interval = intervalOf(period);
  // Whole intervals: a first bar of a few hours beside bars of days would look like a change.
  const from = startOf(interval, period.from);
  const terms = panelTerms(panel, query, { from, to: period.to });
  const by = panel.by.slice(0, 1);
  const more = { interval, limit: String(groups_max.bars) };
  const answer = await answerQuestion(store, questionOf({ ...panel, by }, terms, more, newest));
  const key = by[0];
  const series = key && answer.groups ? answer.groups.map((row) => row[key] ?? null) : [];
  const all = new Map((answer.intervals ?? answer.rows).map((row) => [row.time, row]));
  const parts = new Map<string | undefined, Map<string | null, AnswerRow>>();
  for (const row of key ? answer.rows : []) {
    const of = parts.get(row.time) ?? new Map<string | null, AnswerRow>();
    parts.set(row.time, of.set((key && row[key]) ?? null, row));
  }
  const marks: Mark[] = [];
  for (let at = from; at <= period.to; at = next(interval, at)) {
    const time = new Date(at).toISOString();
    const found = all.get(time);
    const own = parts.get(time);
    marks.push({
      names: [timeName(at, interval)],
      value: found?.value ?? 0,
      href: found ? hrefOf(found.filter) : null,
      at,
      parts: series.map((name) => own?.get(name)?.value ?? 0),
    });
  }
  const { is_exact, cursor } = answer;
  return { ...empty, panel, is_exact, cursor, interval, columns: ['From (UTC)'], marks, series };
}

const timeName = (at: number, interval: PanelInterval) => {
  const text = new Date(at).toISOString().replace('T', ' ');
  return interval === 'hour' ? text.slice(0, 16) : interval === 'month' ? text.slice(0, 7) : text.slice(0, 10);
};

export const weekdays = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const;
const hourName = (hour: number) => `${String(hour % 24).padStart(2, '0')}:00`;

async function heat(store: Store, panel: Panel, query: BoardQuery, newest: number): Promise<PanelView> {
  const terms = panelTerms(panel, query, periodOfPanel(panel, query));
  const answer = await answerQuestion(
    store,
    questionOf({ ...panel, by: [] }, terms, { interval: 'hour_of_week' }, newest),
  );
  const marks = answer.rows.map(({ hour_of_week = 0, value, filter }) => ({
    names: [weekdays[Math.floor(hour_of_week / 24)] ?? '', hourName(hour_of_week)],
    value,
    href: hrefOf(filter),
    at: hour_of_week,
  }));
  const { is_exact, cursor } = answer;
  return { ...empty, panel, is_exact, cursor, columns: ['Weekday', 'Hour (UTC)'], marks };
}

async function events(store: Store, panel: Panel, query: BoardQuery, newest: number): Promise<PanelView> {
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
}

const sights: Record<(typeof seenKinds)[number], string> = {
  action: 'anybody',
  service_action: 'service',
  user_action: 'user',
  user_network: 'network of a user',
  user_agent: 'agent of a user',
  user_slot: 'hours of a user',
};

/** First sights of a user or service of the filter, else of anybody. Other terms of the filter do not narrow them. */
async function seen(store: Store, panel: Panel, query: BoardQuery, newest: number): Promise<PanelView> {
  const period = periodOfPanel(panel, query);
  const terms = panelTerms(panel, query, period);
  const only = (key: string) => {
    const [value, more] = terms.find((term) => term.key === key && !term.negated)?.values ?? [];
    return more === undefined ? value : undefined;
  };
  const [user, service] = [only('user_id'), only('service')];
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
}

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
