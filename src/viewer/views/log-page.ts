/** The page at /logs, complete and as fragments. Data in, markup out: no store, no request, no clock. */
import { html } from 'hono/html';
import type { formats } from '../../api/export-formats.ts';
import { writeFilter } from '../../log/filter.ts';
import { writeCursor } from '../../log/paging.ts';
import type { Entry } from '../../log/schema.ts';
import { type DisplayOptions, formatTime } from '../../page/format.ts';
import { filterLink, filterLinks, loadOlder, partial, rowLoading } from '../../page/htmx-attributes.ts';
import type { Markup } from '../../page/layout.ts';
import { allTimeHref, logHref, type Query } from '../../page/links.ts';
import { closeButton, help, menu, type Reader } from '../../page/menu-and-help.ts';
import { searchForm, searchInput } from '../../page/search-line.ts';
import type { PageQuery } from '../page-query.ts';
import { countsRefresher } from './counts.ts';
import { emptyHint } from './empty-list.ts';
import { eventRow } from './event-row.ts';
import { fieldsForm, filterChips, hiddenRangeInputs, searchLineOf } from './filters.ts';
import { liveControl, newestLink } from './live.ts';
import { rangeBar } from './time-range.ts';

export type LogPage = {
  pageQuery: PageQuery;
  logs: Entry[];
  hasOlder: boolean;
  hasNewer: boolean;
  /** The entry up to which the log was searched, where the page is not full because the time was over. */
  searched: Entry | null;
  /** The newest position that the page has: the stream starts after it. */
  after: string;
  live: boolean;
  heartbeat_ms: number;
  /** The id in the parameter `around`: its row is marked. */
  around: number | null;
  reader: Reader;
  display: DisplayOptions;
  /** The origin of the service as the browser sees it. */
  origin: string;
};

/** The formats of an export and their labels in the menu. */
const exportChoices = [
  ['csv', 'CSV'],
  ['spreadsheet', 'Spreadsheet'],
  ['json', 'JSON'],
  ['ndjson', 'NDJSON'],
] as const satisfies [keyof typeof formats, string][];

/** The export menu. Its links use the API's absolute times, because the API has no relative ranges. */
const exportMenu = ({ filter }: PageQuery, { mayExport }: Reader): Markup => {
  const to = (format: string) => {
    const query = writeFilter(filter.terms);
    query.set('format', format);
    return `/api/logs/export?${query}`;
  };
  return html`<div id="export"><button type="button" popovertarget="formats" aria-keyshortcuts="e">Export</button>
<div id="formats" popover>${
    mayExport
      ? html`<p>All that matches, oldest first:</p><p>${exportChoices.map(([format, label], i) => html`<a class="button" href="${to(format)}" download${i === 0 ? html` autofocus` : ''}>${label}</a> `)}</p>`
      : html`<p tabindex="-1" autofocus>Exporting needs the role admin. Ask the operator for it.</p>`
  }</div></div>`;
};

/** What the rows and the link below them are made of. */
type Rows = Pick<LogPage, 'pageQuery' | 'logs' | 'hasOlder' | 'searched' | 'display'>;

/**
 * The link to older events. At the end of the list it has no href until viewer.js removes rows there. Where the search
 * stopped early the user decides whether it goes on: loading by itself, it would search the whole log.
 */
const olderLink = ({ logs, hasOlder, searched, pageQuery, display }: Rows): Markup => {
  const from = searched ?? logs.at(-1);
  const isLink = hasOlder && from !== undefined;
  const linkAttributes = isLink
    ? html` rel="next" href="${olderHref(pageQuery.query)}${writeCursor(from)}" ${loadOlder(!searched)}`
    : '';
  const label = searched
    ? html`Searched back to ${formatTime(Date.parse(searched.timestamp), display)}. Search older events`
    : 'Older events';
  return html`<a id="more"${linkAttributes}><span>${label}</span><span>${from ? 'Nothing older matches' : ''}</span></a>`;
};

/** The URL of older events, to which the cursor is appended. */
const olderHref = (query: Query) => `${logHref(query)}${query.size > 0 ? '&' : '?'}before=`;

/** Whether new events can appear on this page: it is the newest page of a range that has not ended. */
const canFollowLive = ({ pageQuery: { range }, hasNewer, display }: LogPage) =>
  !hasNewer && (range.to === null || range.to > display.now_ms);

const live = (page: LogPage): Markup =>
  canFollowLive(page)
    ? liveControl(page.pageQuery, page.after, page.live, page.heartbeat_ms)
    : newestLink(page.hasNewer ? logHref(page.pageQuery.query) : allTimeHref(page.pageQuery.query));

/** The part that changes with the query: range, export menu, chips, and rows. */
const logContents = (page: LogPage): Markup => {
  const { pageQuery, logs, around, reader, display, origin } = page;
  const nothing = page.searched ? html`<p><b>Nothing found so far.</b></p>` : emptyHint(pageQuery, origin);
  return html`<div id="bar" ${filterLinks()}>${hiddenRangeInputs(pageQuery)}
${rangeBar(pageQuery, display)}${exportMenu(pageQuery, reader)}${filterChips(pageQuery, reader)}</div>
<section id="list" tabindex="-1" aria-labelledby="list-title" ${rowLoading()}><h2 id="list-title" class="vh">Events</h2>
<div class="heads" aria-hidden="true"><span>When</span><span>Event</span><span>Entity</span><span>User</span><span>Description</span></div>
<a id="newer" hidden href="${logHref(pageQuery.query)}" data-before="${olderHref(pageQuery.query)}" ${filterLink()}>Newer events were taken out of the page: to the newest</a>
<ol id="rows">${logs.map((entry) => eventRow(entry, display, entry.id === around ? 'marked' : ''))}</ol>
${logs.length === 0 ? html`<div id="empty">${nothing}</div>` : ''}${olderLink(page)}<div id="more-problem" role="alert"></div></section>`;
};

/** The form of fields. Each response replaces it, which closes it, so that it does not cover the new rows. */
const fields = (pageQuery: PageQuery): Markup =>
  html`<div id="fields" popover>${fieldsForm(pageQuery)}${closeButton('fields')}</div>`;

/** The page up to its rows, inclusive. It is sent before the counts, so that no row waits for a count. */
export const logPageStart = (page: LogPage): Markup => html`<a class="skip" href="#rows">To the events</a>
<header><a id="brand" href="/logs">Edgetrail</a>
${searchForm(searchLineOf(page.pageQuery))}
<button type="button" popovertarget="fields">Fields</button>
<button id="facets-switch" type="button" popovertarget="facets">Facets</button>
${live(page)}
<span id="busy" class="htmx-indicator">Loading…</span>
${menu(page.reader, page.display)}
<div id="problem" role="alert"></div></header>
${fields(page.pageQuery)}
${help()}
<button id="pill" type="button" value="0">new</button>
<p id="status" role="status" class="vh"></p>
<main id="main"><h1 class="vh">Activity log</h1>
<div id="log">${logContents(page)}</div>
`;

/** The end of the page. `countsLater`: the browser requests the counts again, because one was not ready in time. */
export const logPageEnd = (counts: Markup, pageQuery: PageQuery, countsLater: boolean): Markup =>
  html`${counts}${countsRefresher(pageQuery, countsLater)}</main>`;

/**
 * The element that made the request. The search line is not replaced while the user types in it. After a click on a bar
 * the histogram is removed at once: replacing it later would lose the focus.
 */
export type RequestSource = 'line' | 'bar' | 'other';

/** The response to htmx: the parts that change, each with its target. */
export const logFragment = (page: LogPage, source: RequestSource): Markup => html`${logContents(page)}
${partial('#live', 'outerHTML', live(page))}
${partial('#recount', 'outerHTML', countsRefresher(page.pageQuery, true))}
${source === 'line' ? '' : partial('#q', 'outerHTML', searchInput(searchLineOf(page.pageQuery)))}
${partial('#fields', 'outerHTML', fields(page.pageQuery))}
${source === 'bar' ? partial('#overview', 'innerHTML', '') : ''}
${clearProblem()}`;

/** Older rows, appended to those in the page. */
export const olderRows = (rows: Rows): Markup => html`${olderLink(rows)}
${partial('#rows', 'beforeend', html`${rows.logs.map((entry) => eventRow(entry, rows.display))}`)}${partial('#more-problem', 'innerHTML', '')}`;

/** Removes the message of an earlier problem. */
export const clearProblem = () => partial('#problem', 'innerHTML', '');
