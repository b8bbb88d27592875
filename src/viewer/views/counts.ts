/** Markup of the counts: totals, histogram, facets. They are sent after the rows and say when they are not exact. */
import { html } from 'hono/html';
import type { Term } from '../../log/filter.ts';
import type { Facet, Histogram, Recent, Total } from '../../log/store.ts';
import { colourClass, type DisplayOptions, formatCount, truncate, visible } from '../../page/format.ts';
import { filterLinks, partial, readCounts } from '../../page/htmx-attributes.ts';
import type { Markup } from '../../page/layout.ts';
import { excludeHref, includeHref, type Query, removeHref } from '../../page/links.ts';
import { closeButton } from '../../page/menu-and-help.ts';
import type { PageQuery } from '../page-query.ts';
import { histogramChart } from './histogram.ts';

/** The results of the count queries; null where a query timed out or failed. */
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
  const filtered = (negated: boolean) =>
    terms.find((term) => term.key === key && term.negated === negated)?.values ?? [];
  const [chosen, refused] = [filtered(false), filtered(true)];
  const most = Math.max(1, ...values.map(({ n }) => n));
  const isInFilter = ({ value }: { value: string }) => chosen.includes(value) || refused.includes(value);
  const filteredFirst = values.toSorted((a, b) => Number(isInFilter(b)) - Number(isInFilter(a)));
  const title = titles[key];
  return html`<section><h3 id="facet-${key}">${title}</h3><ul aria-labelledby="facet-${key}">${filteredFirst.map(
    ({ value, n }) => {
      const [isChosen, isRefused] = [chosen.includes(value), refused.includes(value)];
      const text = visible(truncate(value, value_chars_max));
      // The id depends on the value, so the link keeps the focus when the counts are refreshed.
      const id = `${key}-${encodeURIComponent(value)}`;
      const includeLink = isChosen ? removeHref(query, { key, negated: false }, value) : includeHref(query, key, value);
      const excludeLink = isRefused ? removeHref(query, { key, negated: true }, value) : excludeHref(query, key, value);
      return html`<li${isChosen ? html` class="chosen"` : isRefused ? html` class="refused"` : ''}><a id="${id}" href="${includeLink}"${isChosen ? html` aria-current="true"` : ''}>${key === 'event_type' ? html`<b class="${colourClass(value)}" dir="auto">${text}</b>` : html`<bdi>${text}</bdi>`}</a> <span>${n === 0 && !exact ? '–' : formatCount(n)}</span> <a id="${id}-not" href="${excludeLink}" aria-label="${isRefused ? 'Allow' : 'Without'} ${text}" title="${isRefused ? 'Allow' : 'Without'} ${text}">${isRefused ? '+' : '−'}</a><svg aria-hidden="true" viewBox="0 0 100 1" preserveAspectRatio="none"><rect width="${Math.round((n / most) * 100)}" height="1"/></svg></li>`;
    },
  )}</ul>${more || !exact ? html`<p>${more ? 'and others' : ''}${more && !exact ? '; ' : ''}${exact ? '' : `about; from a sample of ${formatCount(rows_examined)}`}</p>` : ''}</section>`;
};

const facetsOf = ({ facets }: Counts, { terms, query }: PageQuery): Markup =>
  facets
    ? html`${facets.map((facet) => facetOf(facet, terms, query))}`
    : html`<p>Counting by field takes too long. A shorter range is quicker.</p>`;

/**
 * The element that refreshes the counts while rows arrive. `now`: they are of another filter, or not there yet. While they
 * are read, the links of the facets and the histogram do nothing (style.css): they would bring back the filter before.
 */
export const countsRefresher = ({ query }: PageQuery, now: boolean): Markup => {
  const url = `/logs/counts?${query}`;
  return html`<div id="recount" ${readCounts(url, '#overview', 'live')}>${now ? html`<div id="first-count" ${readCounts(url, '#overview', 'load')}></div>` : ''}</div>`;
};

const overview = (counts: Counts, pageQuery: PageQuery, display: DisplayOptions): Markup =>
  html`${totals(counts)}${histogramChart(counts.histogram, pageQuery, display)}`;

/** The overview and the facets as sections of the page. */
export const countsSection = (counts: Counts, pageQuery: PageQuery, display: DisplayOptions): Markup =>
  html`<section id="overview" aria-label="Counts" ${filterLinks()}>${overview(counts, pageQuery, display)}</section>
<section id="facets" popover aria-label="Facets"><div id="facets-list" ${filterLinks()}>${facetsOf(counts, pageQuery)}</div>${closeButton('facets')}</section>`;

/** The same as a response to htmx: it replaces only the contents, so an open facets panel stays open. */
export const countsFragment = (counts: Counts, pageQuery: PageQuery, display: DisplayOptions): Markup =>
  html`${overview(counts, pageQuery, display)}${partial('#facets-list', 'innerHTML', facetsOf(counts, pageQuery))}`;
