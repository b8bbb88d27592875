/** What began and ended, as bars over time: a lane for each of whom it is, in the order of the marks. */
import { html } from 'hono/html';
import { formatCount, truncate } from '../../page/format.ts';
import type { Markup } from '../../page/layout.ts';
import type { Mark, PanelView } from './marks.ts';
import { link, nameOf, namesOf, round, row, svg, width } from './svg.ts';

const left = 100;
const label_chars_max = 14;
/** A visit of a minute in a month is still seen, and hit by a pointer. */
const wide_min = 3;

const laneOf = ({ names: [name = null] }: Mark) => nameOf(name);
const day = (ms: number) => new Date(ms).toISOString().slice(5, 10);

export function lanes(view: PanelView, id: string, summary: string): Markup {
  const { marks } = view;
  const named = [...new Set(marks.map(laneOf))];
  const spans = marks.map(({ span: [from, to] = [0, 0] }) => ({ from, to }));
  const first = Math.min(...spans.map(({ from }) => from));
  const last = Math.max(first + 1, ...spans.map(({ to }) => to));
  const x = (ms: number) => round(left + ((ms - first) / (last - first)) * (width - left - wide_min));
  return svg(
    (named.length + 1) * row,
    summary,
    html`${named.map((name, i) => html`<text x="0" y="${i * row + 14}">${truncate(name, label_chars_max)}</text><path class="grid" d="M${left} ${i * row + 10}H${width}"/>`)}${marks.map(
      (mark, i) => {
        const { from, to } = spans[i] ?? { from: first, to: first };
        return link(
          view,
          id,
          i,
          mark,
          `${namesOf(mark)}: ${formatCount(mark.value)}`,
          html`<rect class="t2 lane" x="${x(from)}" y="${named.indexOf(laneOf(mark)) * row + 4}" width="${round(x(to) - x(from) + wide_min)}" height="12"/>`,
        );
      },
    )}<text x="${left}" y="${named.length * row + 14}">${day(first)}</text><text x="${width}" y="${named.length * row + 14}" text-anchor="end">${day(last)}</text>`,
  );
}
