/** How many: totals, the histogram, the facets. They come after the rows, and say when they are not exact. */
import { html } from 'hono/html';
import type { Term } from '../../log/filter.ts';
import type { Facet, Histogram, Recent, Total } from '../../log/store.ts';
import { asking, part, recounts } from '../../page/hx.ts';
import type { Markup } from '../../page/layout.ts';
import { also, dropped, not, type Query } from '../../page/links.ts';
import { closer } from '../../page/shell.ts';
import { count, cut, type Look, tone, visible } from '../../page/text.ts';
import type { Question } from '../question.ts';
import { histogramOf } from './histogram.ts';

/** What was counted; null for what took too long or failed. */
export type Counts = {
  total: Total | null;
  recent: Recent | null;
  facets: Facet[] | null;
  histogram: Histogram | null;
};

const value_chars_max = 60;
const titles: Record<Facet['key'], string> = {
  event_type: 'Event',
  entity_type: 'Entity',
  service: 'Service',
  user_id: 'User',
};

const totals = ({ total, recent }: Counts): Markup => {
  if (!total) return html`<p id="total">Counting takes too long.</p>`;
  const n = `${total.total_is_exact ? '' : 'more than '}${count(total.total)}`;
  const day = recent && `${recent.recent_is_exact ? '' : 'more than '}${count(recent.recent_24h)}`;
  return html`<p id="total"><b>${n}</b> ${total.total === 1 ? 'event matches' : 'events match'}${day === null ? '' : html`, <b>${day}</b> in the last 24 hours`}</p>`;
};

const facetOf = ({ key, values, more, exact, rows_examined }: Facet, terms: Term[], query: Query): Markup | '' => {
  if (values.length === 0) return '';
  const asked = (negated: boolean) => terms.find((term) => term.key === key && term.negated === negated)?.values ?? [];
  const [chosen, refused] = [asked(false), asked(true)];
  const most = Math.max(1, ...values.map(({ n }) => n));
  const isAsked = ({ value }: { value: string }) => chosen.includes(value) || refused.includes(value);
  const askedFirst = values.toSorted((a, b) => Number(isAsked(b)) - Number(isAsked(a)));
  const title = titles[key];
  return html`<section><h3 id="facet-${key}">${title}</h3><ul aria-labelledby="facet-${key}">${askedFirst.map(
    ({ value, n }) => {
      const [isChosen, isRefused] = [chosen.includes(value), refused.includes(value)];
      const text = visible(cut(value, value_chars_max));
      // The same value keeps the focus when it is counted anew.
      const id = `${key}-${encodeURIComponent(value)}`;
      const take = isChosen ? dropped(query, { key, negated: false }, value) : also(query, key, value);
      const refuse = isRefused ? dropped(query, { key, negated: true }, value) : not(query, key, value);
      return html`<li${isChosen ? html` class="chosen"` : isRefused ? html` class="refused"` : ''}><a id="${id}" href="${take}"${isChosen ? html` aria-current="true"` : ''}>${key === 'event_type' ? html`<b class="${tone(value)}">${text}</b>` : text}</a> <span>${n === 0 && !exact ? '–' : count(n)}</span> <a id="${id}-not" href="${refuse}" aria-label="${isRefused ? 'Allow' : 'Without'} ${text}" title="${isRefused ? 'Allow' : 'Without'} ${text}">${isRefused ? '+' : '−'}</a><svg aria-hidden="true" viewBox="0 0 100 1" preserveAspectRatio="none"><rect width="${Math.round((n / most) * 100)}" height="1"/></svg></li>`;
    },
  )}</ul>${more || !exact ? html`<p>${more ? 'and others' : ''}${more && !exact ? '; ' : ''}${exact ? '' : `about; from a sample of ${count(rows_examined)}`}</p>` : ''}</section>`;
};

const facetsOf = ({ facets }: Counts, { terms, query }: Question): Markup =>
  facets
    ? html`${facets.map((facet) => facetOf(facet, terms, query))}`
    : html`<p>Counting by field takes too long. A shorter range is quicker.</p>`;

/** What counts again while rows come. `now`: also at once, as this page's rows came without their counts. */
export const recounter = ({ query }: Question, now: boolean): Markup =>
  html`<div id="recount" ${recounts(`/logs/counts?${query}`, '#overview', now)}></div>`;

const overview = (counts: Counts, question: Question, look: Look): Markup =>
  html`${totals(counts)}${histogramOf(counts.histogram, question, look)}`;

/** The parts of the page that are counted, in their places. */
export const countsSection = (counts: Counts, question: Question, look: Look): Markup =>
  html`<section id="overview" aria-label="Counts" ${asking()}>${overview(counts, question, look)}</section>
<section id="facets" popover aria-label="Facets"><div id="facets-list" ${asking()}>${facetsOf(counts, question)}</div>${closer('facets')}</section>`;

/** The same as an answer to htmx: what is there keeps its place, and what is open in it stays open. */
export const countsFragment = (counts: Counts, question: Question, look: Look): Markup =>
  html`${overview(counts, question, look)}${part('#facets-list', 'innerHTML', facetsOf(counts, question))}`;
