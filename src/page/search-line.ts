/** The search line, on the page of the log and on those that lead to it. Data in, markup out. */
import { html } from 'hono/html';
import { filterForm } from './htmx-attributes.ts';
import type { Markup } from './layout.ts';

/** The longest line that a browser would send and a server take in an address. */
const line_chars_max = 2_000;

/** The line itself: replaced, but for who is writing in it. */
export const searchInput = (line: string): Markup =>
  html`<input id="q" name="q" type="search" dir="auto" value="${line}" maxlength="${line_chars_max}" placeholder="Search, or user:ana -type:DELETE &quot;late delivery&quot;" autocomplete="off" autocapitalize="none" spellcheck="false">`;

const form = (
  line: string,
  how: unknown,
): Markup => html`<form id="query" role="search" aria-label="The log" action="/logs" method="get" ${how}>
<label class="vh" for="q" aria-keyshortcuts="/">Search, or type fields such as user:ana -type:DELETE</label>${searchInput(line)}
<button type="submit" name="show" value="1">Search</button></form>`;

/** The line above the list that it changes. */
export const searchForm = (line: string): Markup => form(line, filterForm('#q'));
/** The line on a page without the list: it leads there. */
export const plainSearchForm = (line: string): Markup => form(line, '');
