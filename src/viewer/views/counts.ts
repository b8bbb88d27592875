/** How many: totals, the histogram, the facets. They come after the rows, and say when they are not exact. */
import { html } from 'hono/html';
import type { Term } from '../../log/filter.ts';
import type { Facet, Histogram, Recent, Total } from '../../log/store.ts';
import { colourClass, type DisplayOptions, formatCount, truncate, visible } from '../../page/format.ts';
import { filterLinks, partial, refreshCounts } from '../../page/htmx-attributes.ts';
import type { Markup } from '../../page/layout.ts';
import { excludeHref, includeHref, type Query, removeHref } from '../../page/links.ts';
import { closeButton } from '../../page/menu-and-help.ts';
import type { PageQuery } from '../page-query.ts';
import { histogramChart } from './histogram.ts';

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
  const n = `${total.total_is_exact ? '' : 'more than '}${formatCount(total.total)}`;
  const day = recent && `${recent.recent_is_exact ? '' : 'more than '}${formatCount(recent.recent_24h)}`;
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
      const text = visible(truncate(value, value_chars_max));
      // The same value keeps the focus when it is counted anew.
      const id = `${key}-${encodeURIComponent(value)}`;
      const take = isChosen ? removeHref(query, { key, negated: false }, value) : includeHref(query, key, value);
      const refuse = isRefused ? removeHref(query, { key, negated: true }, value) : excludeHref(query, key, value);
      return html`<li${isChosen ? html` class="chosen"` : isRefused ? html` class="refused"` : ''}><a id="${id}" href="${take}"${isChosen ? html` aria-current="true"` : ''}>${key === 'event_type' ? html`<b class="${colourClass(value)}" dir="auto">${text}</b>` : html`<bdi>${text}</bdi>`}</a> <span>${n === 0 && !exact ? '–' : formatCount(n)}</span> <a id="${id}-not" href="${refuse}" aria-label="${isRefused ? 'Allow' : 'Without'} ${text}" title="${isRefused ? 'Allow' : 'Without'} ${text}">${isRefused ? '+' : '−'}</a><svg aria-hidden="true" viewBox="0 0 100 1" preserveAspectRatio="none"><rect width="${Math.round((n / most) * 100)}" height="1"/></svg></li>`;
    },
  )}</ul>${more || !exact ? html`<p>${more ? 'and others' : ''}${more && !exact ? '; ' : ''}${exact ? '' : `about; from a sample of ${formatCount(rows_examined)}`}</p>` : ''}</section>`;
};

const facetsOf = ({ facets }: Counts, { terms, query }: PageQuery): Markup =>
  facets
    ? html`${facets.map((facet) => facetOf(facet, terms, query))}`
    : html`<p>Counting by field takes too long. A shorter range is quicker.</p>`;

/** What counts again while rows come. `now`: also at once, as this page's rows came without their counts. */
export const countsRefresher = ({ query }: PageQuery, now: boolean): Markup =>
  html`<div id="recount" ${refreshCounts(`/logs/counts?${query}`, '#overview', now)}></div>`;

const overview = (counts: Counts, pageQuery: PageQuery, display: DisplayOptions): Markup =>
  html`${totals(counts)}${histogramChart(counts.histogram, pageQuery, display)}`;

/** The parts of the page that are counted, in their places. */
export const countsSection = (counts: Counts, pageQuery: PageQuery, display: DisplayOptions): Markup =>
  html`<section id="overview" aria-label="Counts" ${filterLinks()}>${overview(counts, pageQuery, display)}</section>
<section id="facets" popover aria-label="Facets"><div id="facets-list" ${filterLinks()}>${facetsOf(counts, pageQuery)}</div>${closeButton('facets')}</section>`;

/** The same as an answer to htmx: what is there keeps its place, and what is open in it stays open. */
export const countsFragment = (counts: Counts, pageQuery: PageQuery, display: DisplayOptions): Markup =>
  html`${overview(counts, pageQuery, display)}${partial('#facets-list', 'innerHTML', facetsOf(counts, pageQuery))}`;
