/** The search line of the log page, and of other pages that link to it. Data in, markup out. */
import { html } from 'hono/html';
import { filterForm } from './htmx-attributes.ts';
import type { Markup } from './layout.ts';

/** A limit at which the URL stays short enough for browsers and servers. */
const line_chars_max = 2_000;

/** The input. A response replaces it, except while the user types in it. */
export const searchInput = (line: string): Markup =>
  html`<input id="q" name="q" type="search" dir="auto" value="${line}" maxlength="${line_chars_max}" placeholder="Search, or user:ana -type:DELETE &quot;late delivery&quot;" autocomplete="off" autocapitalize="none" spellcheck="false">`;

const form = (
  line: string,
  how: unknown,
): Markup => html`<form id="query" role="search" aria-label="The log" action="/logs" method="get" ${how}>
<label class="vh" for="q" aria-keyshortcuts="/">Search, or type fields such as user:ana -type:DELETE</label>${searchInput(line)}
<button type="submit" name="show" value="1">Search</button></form>`;

/** The search line above the list, which it updates. */
export const searchForm = (line: string): Markup => form(line, filterForm('#q'));
/** The search line on a page without the list: submitting it opens the log page. */
export const plainSearchForm = (line: string): Markup => form(line, '');
