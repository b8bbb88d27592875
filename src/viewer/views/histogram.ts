/** Events over time as SVG, stacked by event type; each bar links to its time range. */
import { html } from 'hono/html';
import { earliest_ms, latest_ms } from '../../log/instant.ts';
import type { Histogram } from '../../log/store.ts';
import {
  colourClass,
  type DisplayOptions,
  formatCount,
  formatEventCount,
  formatTime,
  truncate,
  visible,
} from '../../page/format.ts';
import type { Markup } from '../../page/layout.ts';
import { timeRangeHref } from '../../page/links.ts';
import type { PageQuery } from '../page-query.ts';

/** Units of the SVG's view box, which is stretched to the available width. */
const height = 100;
const step = 10;
const minute_ms = 60_000;
const legend_chars_max = 16;
/** The minimum height of a bar, so that one event beside thousands stays visible. */
const height_min = 3;

type Bar = Histogram['bars'][number];

const stack = ({ n, by }: Bar, types: string[], x: number, most: number): Markup => {
  const named = by.reduce((sum, m) => sum + m, 0);
  const parts: [string, number][] = [
    ...types.map((type, i): [string, number] => [colourClass(type), by[i] ?? 0]),
    ['t0', n - named],
  ];
  const scale = Math.max(height_min, (n / most) * height) / Math.max(1, n);
  let sum = 0;
  return html`${parts
    .filter(([, m]) => m > 0)
    .map(([name, m]) => {
      // The boundaries are rounded, not the heights, so that no gap appears between two parts.
      const below = Math.round(sum * scale);
      sum += m;
      const above = Math.round(sum * scale);
      return html`<rect class="${name}" x="${x}" y="${height - above}" height="${above - below}"/>`;
    })}`;
};

const byType = ({ by }: Bar, types: string[]): string => {
  const parts = types.flatMap((type, i) => (by[i] ? [`${visible(type)} ${formatCount(by[i])}`] : []));
  return parts.length > 0 ? ` (${parts.join(', ')})` : '';
};

const widthInWords = (ms: number) => {
  const units = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
  ] as const;
  const [unit_ms, unit] = units.find(([size]) => ms % size === 0) ?? units[3];
  return `${ms / unit_ms} ${unit}`;
};

export const histogramChart = (
  histogram: Histogram | null,
  { query, range }: PageQuery,
  display: DisplayOptions,
): Markup => {
  if (!histogram) return html`<p class="chart none">No histogram: counting takes too long.</p>`;
  const { bars, types, bucket_ms, exact } = histogram;
  const at = (ms: number) =>
    formatTime(Math.min(latest_ms, Math.max(earliest_ms, ms)), display).slice(0, bucket_ms < minute_ms ? 19 : 16);
  // The first and the last bucket may extend beyond the requested range.
  const partOf = ({ from }: Bar) =>
    timeRangeHref(query, Math.max(from, range.from ?? from), Math.min(from + bucket_ms - 1, range.to ?? latest_ms));
  const most = Math.max(0, ...bars.map(({ n }) => n));
  if (most === 0) return html`<p class="chart none">Nothing to draw in this range.</p>`;
  const about = exact ? '' : 'about ';
  const [first, last] = [bars[0], bars.at(-1)];
  const fullest = bars.find(({ n }) => n === most) ?? first;
  const summary = `Events over time, bars of ${widthInWords(bucket_ms)}; the fullest has ${about}${formatEventCount(most)}${fullest ? ` from ${at(fullest.from)}` : ''}.`;
  return html`<figure class="chart"><svg viewBox="0 0 ${bars.length * step} ${height}" preserveAspectRatio="none" role="group" aria-label="${summary}">${bars.map(
    (each, i) => {
      if (each.n === 0) return '';
      const title = `${at(each.from)}: ${about}${formatEventCount(each.n)}${byType(each, types)}`;
      return html`<a id="bar-${i}" href="${partOf(each)}"><title>${title}</title><rect class="hit" x="${i * step}"/>${stack(each, types, i * step, most)}</a>`;
    },
  )}</svg><figcaption>${first ? html`<span>${at(first.from)}</span>` : ''}<span>${types.map((type) => html`<b class="${colourClass(type)}" dir="auto">${visible(truncate(type, legend_chars_max))}</b> `)}${about}${formatCount(most)} at most in ${widthInWords(bucket_ms)}</span>${last ? html`<span>${at(last.from + bucket_ms)}</span>` : ''}</figcaption></figure>`;
};
