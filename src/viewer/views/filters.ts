/** The controls of the filter: the search line, the form of fields, and the chips. Data in, markup out. */
import { html } from 'hono/html';
import { suggested } from '../../log/entry.ts';
import { filterRows, isTimeKey, type Term, writeFilter } from '../../log/filter.ts';
import { writeSyntax } from '../../log/syntax.ts';
import { visible } from '../../page/format.ts';
import { filterForm, plainLink } from '../../page/htmx-attributes.ts';
import type { Markup } from '../../page/layout.ts';
import { logHref, relativeRangeHref, removeHref } from '../../page/links.ts';
import type { Reader } from '../../page/menu-and-help.ts';
import type { PageQuery } from '../page-query.ts';

export const searchLineOf = ({ terms }: PageQuery) => writeSyntax(terms);

/** Hidden inputs that send the range with the search line. They are in the part of the page that each response replaces. */
export const hiddenRangeInputs = ({ range, query }: PageQuery): Markup => {
  const keys = range.last ? ['last'] : ['start_date', 'end_date'];
  return html`${keys.flatMap((key) =>
    query.getAll(key).map((value) => html`<input type="hidden" name="${key}" value="${value}" form="query">`),
  )}`;
};

const listId = (key: string) => `known-${key}`;

/** A field for each row of the filter table except the times and those that only links need. Repeated and negated parameters are hidden inputs. */
export const fieldsForm = ({ terms, range, query }: PageQuery): Markup => {
  const hasField = new Set(filterRows.flatMap(({ key, input }) => (input === 'unlisted' ? [] : [key])));
  const plain = ({ key, negated, values }: Term) => !negated && values.length === 1 && hasField.has(key);
  const shown = new Map(terms.filter(plain).map(({ key, values }) => [key, values[0]]));
  const hidden = [...writeFilter(terms.filter((term) => !plain(term)))];
  const times = range.last ? [['last', range.last] as const] : [...query].filter(([key]) => isTimeKey(key));
  return html`<form id="fields-form" role="search" aria-label="By field" action="/logs" method="get" ${filterForm()}>
${filterRows
  .filter(({ key, input }) => !isTimeKey(key) && input !== 'unlisted')
  .map(
    ({ key, label, input, chars_max }, i) =>
      html`<label>${label} <input${i === 0 ? html` autofocus` : ''} name="${key}" type="text" value="${shown.get(key) ?? ''}" maxlength="${chars_max * 2}" autocomplete="off" autocapitalize="none" spellcheck="false"${input === 'list' ? html` list="${listId(key)}"` : ''}></label>`,
  )}
${[...hidden, ...times].map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
${(['event_type', 'entity_type'] as const).map((key) => html`<datalist id="${listId(key)}">${suggested[key].map((word) => html`<option value="${word}"></option>`)}</datalist>`)}
<button type="submit">Show</button></form>`;
};

const words = new Map(filterRows.map(({ key, word }) => [key, word || 'text']));
const wordOf = (key: string) => words.get(key) ?? key.replace(/^metadata\./, 'meta.');

/** A chip for each value of the filter, with a link that removes it. */
export const filterChips = ({ terms, query }: PageQuery, { ofSearch }: Reader): Markup | '' => {
  const all = terms.flatMap((term) => term.values.map((value) => ({ term, value })));
  if (all.length === 0) return '';
  const last = query.get('last');
  const rangeOnly = new URLSearchParams([...query].filter(([key]) => isTimeKey(key)));
  return html`<ul id="chips" aria-label="Active filters">${all.map(({ term, value }) => {
    const label = `${term.negated ? 'not ' : ''}${wordOf(term.key)}: `;
    return html`<li><a href="${removeHref(query, term, value)}" aria-label="Remove ${label}${visible(value)}"${term.negated ? html` class="not"` : ''}><span>${label}<bdi>${visible(value)}</bdi></span> ×</a></li>`;
  })}<li><a href="${last ? relativeRangeHref(new URLSearchParams(), last) : logHref(rangeOnly)}">Clear all</a></li>${ofSearch.map(({ path, label }) => html`<li><a href="${path}${encodeURIComponent(String(writeFilter(terms)))}" ${plainLink()}>${label}</a></li>`)}</ul>`;
};
