/** A panel in one sentence, and as a table in CSV. */
import { guardedCell, newline } from '../../api/export-formats.ts';
import { formatCount } from '../../page/format.ts';
import type { Mark, PanelView } from './marks.ts';
import { isList, isNumbered } from './panel.ts';
import { namesOf } from './svg.ts';

const largest = (marks: Mark[]) =>
  marks.reduce<Mark | null>((most, mark) => (most && most.value >= mark.value ? most : mark), null);

/** `12 % more`; null where there is nothing to compare with. */
export function changeOf({ value, before }: Mark): string | null {
  if (!before || before.value === 0) return null;
  const change = Math.round((value / before.value - 1) * 100);
  return change === 0 ? 'as many' : `${formatCount(Math.abs(change))} % ${change > 0 ? 'more' : 'less'}`;
}

export function summaryOf(view: PanelView): string {
  const { panel, marks, fault, is_exact } = view;
  const { title, kind } = panel;
  const most = largest(marks.filter(({ isOther }) => !isOther));
  if (fault !== null) return `${title}: ${fault}`;
  if (!most || (most.value === 0 && kind !== 'number')) return `${title}: nothing in this period.`;
  const about = is_exact ? '' : 'about ';
  if (kind === 'number') {
    const change = changeOf(most);
    const before = most.before
      ? `, ${formatCount(most.before.value)} in the period before${change ? ` (${change})` : ''}`
      : '';
    return `${title}: ${about}${formatCount(most.value)}${before}.`;
  }
  if (isList(kind)) return `${title}: ${marks.length}, the newest ${namesOf(marks[0] ?? most)}.`;
  const over = kind === 'bars' || kind === 'lines' ? `by ${view.interval}, ` : '';
  return `${title}: ${over}most ${namesOf(most)} with ${about}${formatCount(most.value)}.`;
}

/** The table of the panel. */
export function csvOf({ panel, columns, marks, series }: PanelView): string {
  const hasBefore = panel.kind === 'number';
  const cell = (value: string | number | null | undefined) =>
    typeof value === 'string' ? guardedCell(value) : String(value ?? '');
  const lines = [
    [
      ...columns,
      ...series.map((name) => name ?? 'none'),
      isNumbered(panel.kind) ? panel.measure : 'id',
      ...(hasBefore ? ['before'] : []),
      'link',
    ],
    ...marks.map(({ names, parts = [], value, before, href }) => [
      ...names,
      ...parts,
      value,
      ...(hasBefore ? [before?.value] : []),
      href,
    ]),
  ];
  return lines.map((line) => line.map(cell).join(',') + newline).join('');
}
