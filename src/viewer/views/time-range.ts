/** The range bar: presets, steps, the custom range form, and the current range as text. Data in, markup out. */
import { html } from 'hono/html';
import { earliest_ms, latest_ms } from '../../log/instant.ts';
import { type DisplayOptions, formatTime } from '../../page/format.ts';
import type { Markup } from '../../page/layout.ts';
import { allTimeHref, relativeRangeHref, timeRangeHref } from '../../page/links.ts';
import { clockFieldValue, type PageQuery, type RelativeRange, relativeRanges } from '../page-query.ts';

const labels: Record<RelativeRange, string> = {
  '15m': '15 min',
  '1h': '1 h',
  '24h': '24 h',
  '7d': '7 d',
  '30d': '30 d',
};
const isLast = (name: string): name is RelativeRange => Object.hasOwn(labels, name);

const rangeText = ({ range }: PageQuery, display: DisplayOptions): Markup => {
  const at = (ms: number) => html`<time datetime="${new Date(ms).toISOString()}">${formatTime(ms, display)}</time>`;
  if (range.from === null && range.to === null) return html`All time`;
  if (range.from === null) return html`Until ${at(range.to ?? 0)}`;
  if (range.to === null) return html`${at(range.from)} – now`;
  return html`${at(range.from)} – ${at(range.to)}`;
};

/** Links to the previous and the next range of the same length, for a range with two ends. */
const stepLinks = ({ range, query }: PageQuery, display: DisplayOptions): Markup | '' => {
  const to = range.to ?? (range.last ? display.now_ms : null);
  if (range.from === null || to === null || to < range.from) return '';
  const width_ms = to - range.from + 1;
  const earlier = timeRangeHref(query, range.from - width_ms, range.from - 1);
  const later = timeRangeHref(query, to + 1, to + width_ms);
  const step = (id: string, key: string, href: string, label: string, sign: string, title: string) =>
    html` <a id="${id}" aria-keyshortcuts="${key}" href="${href}" aria-label="${label}" title="${title} ( ${key} )">${sign}</a>`;
  return html`${range.from > earliest_ms ? step('earlier', '[', earlier, 'Earlier', '‹', 'The window before') : ''}${
    range.to !== null && to < latest_ms ? step('later', ']', later, 'Later', '›', 'The window after') : ''
  }`;
};

/** The value of a datetime field, to the second. The form also sends the exact time, which an unchanged field keeps. */
const field = (ms: number | null, display: DisplayOptions) => (ms === null ? '' : clockFieldValue(ms, display.zone));

export const rangeBar = (pageQuery: PageQuery, display: DisplayOptions): Markup => {
  const { range, query } = pageQuery;
  const isAll = range.last === null && range.from === null && range.to === null;
  const current = html` aria-current="true"`;
  const names = Object.keys(relativeRanges).filter(isLast);
  const frozen = range.last && range.from !== null ? timeRangeHref(query, range.from, display.now_ms) : null;
  return html`<nav id="range" aria-label="Range of time">${stepLinks(pageQuery, display)}<ul>${names.map(
    (name) =>
      html`<li><a id="last-${name}" href="${relativeRangeHref(query, name)}"${range.last === name ? current : ''}>${labels[name]}</a></li>`,
  )}<li><a id="last-all" href="${allTimeHref(query)}"${isAll ? current : ''}>All</a></li></ul>
<button type="button" popovertarget="custom"${!isAll && range.last === null ? current : ''}>Custom</button>
<span id="in-force">${rangeText(pageQuery, display)}${isAll ? '' : ` ${display.zone}`}${frozen ? html` <a href="${frozen}" title="The same range as fixed times, to share">pin</a>` : ''}</span></nav>
<div id="custom" popover><form id="custom-form" action="/logs" method="get">
<p>Times are ${display.zone}.</p>
<label>From <input type="datetime-local" step="1" name="from" autofocus value="${field(range.from, display)}" max="9999-12-31T23:59:59"></label>
<label>To <input type="datetime-local" step="1" name="to" value="${field(range.to, display)}" max="9999-12-31T23:59:59"></label>
${[...query].filter(([key]) => key !== 'last').map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
<button type="submit">Show this range</button></form></div>`;
};
