/** Asks the log for what a panel shows: marks with their numbers and links. */
import { type AnswerRow, answerQuestion, type Question, readQuestion } from '../../api/aggregate-answer.ts';
import { Problem } from '../../http/problem.ts';
import type { GroupKey } from '../../log/aggregate-sources.ts';
import { lastIdOf, type Term, writeFilter } from '../../log/filter.ts';
import { patternTexts } from '../../log/pattern-counts.ts';
import { formatCount } from '../../page/format.ts';
import type { Parts } from '../../parts.ts';
import { events, offered, seen } from './ask-lists.ts';
import { type Ask, empty, hrefOf, labelOf, type Mark, type PanelView } from './marks.ts';
import type { Panel, PanelKind } from './panel.ts';
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
/** How long the events are read for a panel, before a sample is taken. */
const panel_ms_max = 300;

export async function askPanel(parts: Parts, panel: Panel, query: BoardQuery, newest: number): Promise<PanelView> {
  try {
    return await asks[panel.kind](parts, panel, query, newest);
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

const number: Ask = async ({ store }, panel, query, newest) => {
  const terms = panelTerms(panel, query, periodOfPanel(panel, query));
  const { total, is_exact, cursor } = await answerQuestion(
    store,
    questionOf({ ...panel, by: [] }, terms, { compare: 'previous' }, newest),
  );
  const { previous } = total;
  const mark: Mark = { names: [panel.title], value: total.value, href: hrefOf(total.filter) };
  if (previous) mark.before = { value: previous.value, href: hrefOf(previous.filter) };
  return { ...empty, panel, is_exact, cursor, columns: ['Number'], marks: [mark] };
};

const top: Ask = async ({ store }, panel, query, newest) => {
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
};

/** Bars and lines: a mark for each interval of the period, and its parts. */
const bars: Ask = async ({ store }, panel, query, newest) => {
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
};

const timeName = (at: number, interval: PanelInterval) => {
  const text = new Date(at).toISOString().replace('T', ' ');
  return interval === 'hour' ? text.slice(0, 16) : interval === 'month' ? text.slice(0, 7) : text.slice(0, 10);
};

export const weekdays = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const;
const hourName = (hour: number) => `${String(hour % 24).padStart(2, '0')}:00`;

const heat: Ask = async ({ store }, panel, query, newest) => {
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
};

/** Descriptions that differ in what varies, together. A pattern is called by its key until its text is derived. */
const patterns: Ask = async (parts, panel, query, newest) => {
  const view = await top(parts, { ...panel, by: ['pattern'] }, query, newest);
  const keys = view.marks.flatMap(({ names: [key], isOther }) => (key && !isOther ? [key] : []));
  const known = keys.length === 0 ? new Map() : await parts.store.reads((db) => patternTexts(db, keys));
  const marks = view.marks.map((mark) => {
    const { text = mark.names[0], service = '' } = known.get(mark.names[0] ?? '') ?? {};
    return { ...mark, names: [text === '' ? 'no description' : text, service] };
  });
  return { ...view, panel, columns: ['Pattern', 'Service'], marks };
};

const asks: Record<PanelKind, Ask> = {
  number,
  bars,
  lines: bars,
  top,
  heat,
  patterns,
  events,
  seen,
  unusual: offered,
  lanes: offered,
};
