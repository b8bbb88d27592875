/** The range: presets, steps, a custom one, and always in words what is in force. Data in, markup out. */
import { html } from 'hono/html';
import { earliest_ms, latest_ms } from '../../log/entry.ts';
import type { Markup } from '../../page/layout.ts';
import { anyTime, between, lastOf } from '../../page/links.ts';
import { clock, type Look } from '../../page/text.ts';
import { wallClock } from '../../page/zone.ts';
import { type Last, lasts, type Question } from '../question.ts';

const labels: Record<Last, string> = { '15m': '15 min', '1h': '1 h', '24h': '24 h', '7d': '7 d', '30d': '30 d' };
const isLast = (name: string): name is Last => Object.hasOwn(labels, name);

const inWords = ({ range }: Question, look: Look): Markup => {
  const at = (ms: number) => html`<time datetime="${new Date(ms).toISOString()}">${clock(ms, look)}</time>`;
  if (range.from === null && range.to === null) return html`All time`;
  if (range.from === null) return html`Until ${at(range.to ?? 0)}`;
  if (range.to === null) return html`${at(range.from)} – now`;
  return html`${at(range.from)} – ${at(range.to)}`;
};

/** The windows beside this one, where it has two ends. */
const steps = ({ range, query }: Question, look: Look): Markup | '' => {
  const to = range.to ?? (range.last ? look.now_ms : null);
  if (range.from === null || to === null || to < range.from) return '';
  const width_ms = to - range.from + 1;
  const earlier = between(query, range.from - width_ms, range.from - 1);
  const later = between(query, to + 1, to + width_ms);
  const step = (id: string, key: string, href: string, label: string, sign: string, title: string) =>
    html` <a id="${id}" aria-keyshortcuts="${key}" href="${href}" aria-label="${label}" title="${title} ( ${key} )">${sign}</a>`;
  return html`${range.from > earliest_ms ? step('earlier', '[', earlier, 'Earlier', '‹', 'The window before') : ''}${
    range.to !== null && to < latest_ms ? step('later', ']', later, 'Later', '›', 'The window after') : ''
  }`;
};

/** As a clock in a form shows it; seconds only when there are any. */
const field = (ms: number | null, look: Look) => (ms === null ? '' : wallClock(ms, look.zone).slice(0, 19));

export const rangeBar = (question: Question, look: Look): Markup => {
  const { range, query } = question;
  const isAll = range.last === null && range.from === null && range.to === null;
  const current = html` aria-current="true"`;
  const names = Object.keys(lasts).filter(isLast);
  const frozen = range.last && range.from !== null ? between(query, range.from, look.now_ms) : null;
  return html`<nav id="range" aria-label="Range of time">${steps(question, look)}<ul>${names.map(
    (name) =>
      html`<li><a id="last-${name}" href="${lastOf(query, name)}"${range.last === name ? current : ''}>${labels[name]}</a></li>`,
  )}<li><a id="last-all" href="${anyTime(query)}"${isAll ? current : ''}>All</a></li></ul>
<button type="button" popovertarget="custom"${!isAll && range.last === null ? current : ''}>Custom</button>
<span id="in-force">${inWords(question, look)}${isAll ? '' : ` ${look.zone}`}${frozen ? html` <a href="${frozen}" title="The same range as fixed times, to share">pin</a>` : ''}</span></nav>
<div id="custom" popover><form id="custom-form" action="/logs" method="get">
<p>Times are ${look.zone}.</p>
<label>From <input type="datetime-local" step="1" name="from" autofocus value="${field(range.from, look)}" max="9999-12-31T23:59:59"></label>
<label>To <input type="datetime-local" step="1" name="to" value="${field(range.to, look)}" max="9999-12-31T23:59:59"></label>
${[...query].filter(([key]) => !['last', 'start_date', 'end_date'].includes(key)).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
<button type="submit">Show this range</button></form></div>`;
};
