/** Panels drawn as SVG. Every mark is a link to its events; sizes and places carry the numbers, colours only repeat names. */
import { html } from 'hono/html';
import { formatCount, truncate } from '../../page/format.ts';
import type { Markup } from '../../page/layout.ts';
import { weekdays } from './ask.ts';
import { lanes } from './lanes.ts';
import type { Mark, PanelView } from './marks.ts';
import { link, nameOf, namesOf, round, row, svg, toneOf, width } from './svg.ts';
import { shortNumber, ticksOf } from './ticks.ts';

const height = 150;
const left = 38;
const bottom = 18;
const top = 14;
const cell = 14;
const label_chars_max = 22;
/** Above so many bars only the largest has its number written above it. */
const numbers_max = 12;

/** The ticks and the grid of a chart over time, and the first, middle and last time below it. */
function axes(marks: Mark[], ticks: number[], y: (n: number) => number, x: (i: number) => number): Markup {
  const places = [...new Set([0, Math.floor(marks.length / 2), marks.length - 1])].filter(
    (i) => marks.length > 4 || i === 0,
  );
  const short = (i: number) => (marks[i]?.names[0] ?? '').replace(/^\d{4}-(?=\d\d-)/, '');
  return html`${ticks.map((n) => html`<path class="grid" d="M${left} ${y(n)}H${width}"/><text x="${left - 4}" y="${y(n) + 4}" text-anchor="end">${shortNumber(n)}</text>`)}${places.map(
    (i) =>
      html`<text x="${x(i)}" y="${height - 4}" text-anchor="${i === 0 ? 'start' : i === marks.length - 1 ? 'end' : 'middle'}">${short(i)}</text>`,
  )}`;
}

const partsInWords = ({ series }: PanelView, { parts = [] }: Mark) => {
  const named = series.flatMap((name, i) => (parts[i] ? [`${nameOf(name)} ${formatCount(parts[i])}`] : []));
  return named.length > 0 ? ` (${named.join(', ')})` : '';
};

function scaleOf(marks: Mark[], most: number) {
  const ticks = ticksOf(most);
  const largest = ticks.at(-1) ?? 1;
  const y = (n: number) => round(height - bottom - (n / largest) * (height - bottom - top));
  const step = (width - left) / Math.max(1, marks.length);
  return { ticks, y, step };
}

function bars(view: PanelView, id: string, summary: string): Markup {
  const { marks, series } = view;
  const most = Math.max(0, ...marks.map(({ value }) => value));
  const { ticks, y, step } = scaleOf(marks, most);
  const wide = round(Math.min(40, step * 0.8));
  const stack = ({ parts = [], value }: Mark, x: number): Markup => {
    const rest = value - parts.reduce((sum, n) => sum + n, 0);
    let sum = 0;
    return html`${[
      ...parts.map((n, i) => [toneOf(view, i), n] as const),
      [series.length > 0 ? 't0' : 't2', rest] as const,
    ].map(([tone, n]) => {
      if (n <= 0) return '';
      const below = y(sum);
      sum += n;
      return html`<rect class="${tone}" x="${x}" y="${y(sum)}" width="${wide}" height="${round(below - y(sum))}"/>`;
    })}`;
  };
  const isNumbered = ({ value }: Mark) => value > 0 && (marks.length <= numbers_max || value === most);
  return svg(
    height,
    summary,
    html`${axes(marks, ticks, y, (i) => round(left + i * step + (i === 0 ? 0 : i === marks.length - 1 ? step : step / 2)))}${marks.map(
      (mark, i) => {
        if (mark.value === 0) return '';
        const x = round(left + i * step + (step - wide) / 2);
        const number = isNumbered(mark)
          ? html`<text x="${round(x + wide / 2)}" y="${y(mark.value) - 3}" text-anchor="middle">${shortNumber(mark.value)}</text>`
          : '';
        return link(
          view,
          id,
          i,
          mark,
          `${namesOf(mark)}: ${formatCount(mark.value)}${partsInWords(view, mark)}`,
          html`<rect class="hit" x="${round(left + i * step)}" y="${top}" width="${round(step)}" height="${height - bottom - top}"/>${stack(mark, x)}${number}`,
        );
      },
    )}`,
  );
}

/** A line for each series, or one for all; each interval is one mark with a point on every line. */
function lines(view: PanelView, id: string, summary: string): Markup {
  const { marks, series } = view;
  const values = (mark: Mark) => (series.length > 0 ? (mark.parts ?? []) : [mark.value]);
  const { ticks, y, step } = scaleOf(marks, Math.max(0, ...marks.flatMap(values)));
  const x = (i: number) => round(left + (i + 0.5) * step);
  const tone = (i: number) => (series.length > 0 ? toneOf(view, i) : 't2');
  const paths = (series.length > 0 ? series : [null]).map(
    (_, s) =>
      html`<path class="line ${tone(s)}" d="${marks.map((mark, i) => `${i === 0 ? 'M' : 'L'}${x(i)} ${y(values(mark)[s] ?? 0)}`).join('')}"/>`,
  );
  return svg(
    height,
    summary,
    html`${axes(marks, ticks, y, x)}${paths}${marks.map((mark, i) =>
      mark.value === 0
        ? ''
        : link(
            view,
            id,
            i,
            mark,
            `${namesOf(mark)}: ${formatCount(mark.value)}${partsInWords(view, mark)}`,
            html`<rect class="hit" x="${round(left + i * step)}" y="${top}" width="${round(step)}" height="${height - bottom - top}"/>${values(mark).map((n, s) => html`<circle class="${tone(s)}" cx="${x(i)}" cy="${y(n)}" r="2.5"/>`)}`,
          ),
    )}`,
  );
}

function topK(view: PanelView, id: string, summary: string): Markup {
  const named = view.marks.filter(({ isOther }) => !isOther);
  // The others together have no bar: beside it those of the groups would be points.
  const most = Math.max(1, ...named.map(({ value }) => value));
  return svg(
    view.marks.length * row,
    summary,
    html`${view.marks.map((mark, i) =>
      link(
        view,
        id,
        i,
        mark,
        `${namesOf(mark)}: ${formatCount(mark.value)}`,
        html`<rect class="hit" x="0" y="${i * row}" width="${width}" height="${row}"/>${mark.isOther ? '' : html`<rect class="bar" x="0" y="${i * row + 15}" width="${round(Math.max(1, (mark.value / most) * width))}" height="3"/>`}<text x="0" y="${i * row + 12}">${truncate(namesOf(mark), label_chars_max * 2)}</text><text x="${width}" y="${i * row + 12}" text-anchor="end">${formatCount(mark.value)}</text>`,
      ),
    )}`,
  );
}

/** A square for each hour of the week, whose area is its number. */
function heat(view: PanelView, id: string, summary: string): Markup {
  const most = Math.max(1, ...view.marks.map(({ value }) => value));
  const x0 = width - 24 * cell;
  return svg(
    8 * cell,
    summary,
    html`${weekdays.map((day, i) => html`<text x="0" y="${(i + 1) * cell - 3}">${day.slice(0, 2)}</text>`)}${[0, 6, 12, 18].map((hour) => html`<text x="${x0 + hour * cell}" y="${8 * cell - 2}">${hour}:00</text>`)}${view.marks.map(
      (mark, i) => {
        const { at = 0, value } = mark;
        const [x, y] = [x0 + (at % 24) * cell, Math.floor(at / 24) * cell];
        const size = round(Math.max(2, Math.sqrt(value / most) * (cell - 1)));
        const inset = (cell - size) / 2;
        return link(
          view,
          id,
          i,
          mark,
          `${namesOf(mark)}: ${formatCount(value)}`,
          html`<rect class="hit" x="${x}" y="${y}" width="${cell}" height="${cell}"/><rect class="t2" x="${round(x + inset)}" y="${round(y + inset)}" width="${size}" height="${size}"/>`,
        );
      },
    )}`,
  );
}

/** A number, and how it has changed, as text: a file needs it as a picture, too. */
function number(view: PanelView, id: string, summary: string): Markup {
  return svg(
    40,
    summary,
    html`${view.marks.map((mark, i) => link(view, id, i, mark, summary, html`<text class="large" x="0" y="30">${formatCount(mark.value)}</text>`))}`,
  );
}

/** Rows as lines of text. */
function list(view: PanelView, id: string, summary: string): Markup {
  return svg(
    view.marks.length * row,
    summary,
    html`${view.marks.map((mark, i) => link(view, id, i, mark, namesOf(mark), html`<text x="0" y="${i * row + 14}">${truncate(namesOf(mark), label_chars_max * 3)}</text>`))}`,
  );
}

/** The panel as SVG. `id` is a prefix of the ids of the marks. */
export function figureOf(view: PanelView, id: string, summary: string): Markup {
  const drawn = {
    bars,
    lines,
    top: topK,
    heat,
    number,
    patterns: topK,
    lanes,
    events: list,
    seen: list,
    unusual: list,
  };
  return drawn[view.panel.kind](view, id, summary);
}
