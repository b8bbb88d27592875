/** The page at /logs, whole and in the parts that change. Data in, markup out: no store, no request, no clock. */
import { html } from 'hono/html';
import { writeFilter } from '../../log/filter.ts';
import { writeCursor } from '../../log/paging.ts';
import type { Entry } from '../../log/schema.ts';
import { asking, asksAgain, goesOn, opens, part } from '../../page/hx.ts';
import type { Markup } from '../../page/layout.ts';
import { anyTime, pageOf, type Query } from '../../page/links.ts';
import { lineForm, lineInput } from '../../page/search-line.ts';
import { closer, help, menu, type Reader } from '../../page/shell.ts';
import type { Look } from '../../page/text.ts';
import type { Question } from '../question.ts';
import { recounter } from './counts.ts';
import { emptyHint } from './empty.ts';
import { carried, chips, fieldsForm, lineOf } from './filters.ts';
import { liveControl, noLive } from './live.ts';
import { rangeBar } from './range.ts';
import { row } from './row.ts';

export type LogPage = {
  question: Question;
  logs: Entry[];
  hasOlder: boolean;
  hasNewer: boolean;
  /** The newest id of which the page knows: a stream goes on after it. */
  after: number;
  live: boolean;
  heartbeat_ms: number;
  who: Reader;
  look: Look;
  /** Where the service is, as the browser sees it. */
  origin: string;
};

/** All that matches, in the words of the API: a file knows of no "last hour". */
const takeAway = ({ filter }: Question, { mayExport }: Reader): Markup => {
  const to = (format: string) => {
    const query = writeFilter(filter.terms);
    query.set('format', format);
    return `/api/logs/export?${query}`;
  };
  return html`<div id="export"><button type="button" popovertarget="formats" aria-keyshortcuts="e">Export</button>
<div id="formats" popover>${
    mayExport
      ? html`<p>All that matches, oldest first:</p><p>${(['csv', 'json', 'ndjson'] as const).map((format, i) => html`<a class="button" href="${to(format)}" download${i === 0 ? html` autofocus` : ''}>${format.toUpperCase()}</a> `)}</p>`
      : html`<p tabindex="-1" autofocus>Exporting needs the role admin. Ask the operator for it.</p>`
  }</div></div>`;
};

/** The link to what is older. At the end of the list it leads nowhere, until rows are taken out of the page there. */
const onward = (logs: Entry[], hasOlder: boolean, query: Query): Markup => {
  const oldest = logs.at(-1);
  const isLink = hasOlder && oldest !== undefined;
  const how = isLink ? html` rel="next" href="${beforeOf(query)}${writeCursor(oldest)}" ${goesOn()}` : '';
  return html`<a id="more"${how}><span>Older events</span><span>${oldest ? 'Nothing older matches' : ''}</span></a>`;
};

/** Where what is older begins, up to the place in it. */
const beforeOf = (query: Query) => `${pageOf(query)}${query.size > 0 ? '&' : '?'}before=`;

/** Whether what comes can belong here: the newest page of a stretch that has not ended. */
const canFollow = ({ question: { range }, hasNewer, look }: LogPage) =>
  !hasNewer && (range.to === null || range.to > look.now_ms);

const live = (page: LogPage): Markup =>
  canFollow(page)
    ? liveControl(page.question, page.after, page.live, page.heartbeat_ms)
    : noLive(page.hasNewer ? pageOf(page.question.query) : anyTime(page.question.query));

/** What changes with the question: what is in force, and the rows. */
const logPart = ({
  question,
  logs,
  hasOlder,
  who,
  look,
  origin,
}: LogPage): Markup => html`<div id="bar" ${asking()}>${carried(question)}
${rangeBar(question, look)}${takeAway(question, who)}${chips(question)}</div>
<section id="list" tabindex="-1" aria-labelledby="list-title" ${opens()}><h2 id="list-title" class="vh">Events</h2>
<div class="heads" aria-hidden="true"><span>When</span><span>Event</span><span>Entity</span><span>User</span><span>Description</span></div>
<a id="newer" hidden href="${pageOf(question.query)}" data-before="${beforeOf(question.query)}" ${asksAgain()}>Newer events were taken out of the page: to the newest</a>
<ol id="rows">${logs.map((entry) => row(entry, look))}</ol>
${logs.length === 0 ? html`<div id="empty">${emptyHint(question, origin)}</div>` : ''}${onward(logs, hasOlder, question.query)}<div id="more-problem" role="alert"></div></section>`;

/** A new one is closed: the form has been sent, and what it changed lies beneath it. */
const fields = (question: Question): Markup =>
  html`<div id="fields" popover>${fieldsForm(question)}${closer('fields')}</div>`;

/** The page up to and with its rows. The counts come after it: no row waits for a number. */
export const logBeginning = (page: LogPage): Markup => html`<a class="skip" href="#rows">To the events</a>
<header><a id="brand" href="/logs">Edgetrail</a>
${lineForm(lineOf(page.question))}
<button type="button" popovertarget="fields">Fields</button>
<button id="facets-switch" type="button" popovertarget="facets">Facets</button>
${live(page)}
<span id="busy" class="htmx-indicator">Loading…</span>
${menu(page.who, page.look)}
<div id="problem" role="alert"></div></header>
${fields(page.question)}
${help()}
<button id="pill" type="button" value="0">new</button>
<p id="status" role="status" class="vh"></p>
<main id="main"><h1 class="vh">Activity log</h1>
<div id="log">${logPart(page)}</div>
`;

/** And its end. `countsLater`: what could not be counted in time is asked for once more. */
export const logEnd = (counts: Markup, question: Question, countsLater: boolean): Markup =>
  html`${counts}${recounter(question, countsLater)}</main>`;

/**
 * Whose request it is: the line that somebody is writing in is not replaced under their hands, and a bar that was
 * followed is taken away at once, or the focus would be lost when its histogram is.
 */
export type Source = 'line' | 'bar' | 'other';

/** The same to htmx: what changes, in its places. */
export const logFragment = (page: LogPage, source: Source): Markup => html`${logPart(page)}
${part('#live', 'outerHTML', live(page))}
${part('#recount', 'outerHTML', recounter(page.question, true))}
${source === 'line' ? '' : part('#q', 'outerHTML', lineInput(lineOf(page.question)))}
${part('#fields', 'outerHTML', fields(page.question))}
${source === 'bar' ? part('#overview', 'innerHTML', '') : ''}
${noProblem()}`;

/** Older rows, put below those that are there. */
export const moreRows = ({
  question,
  logs,
  hasOlder,
  look,
}: Pick<LogPage, 'question' | 'logs' | 'hasOlder' | 'look'>): Markup => html`${onward(logs, hasOlder, question.query)}
${part('#rows', 'beforeend', html`${logs.map((entry) => row(entry, look))}`)}${part('#more-problem', 'innerHTML', '')}`;

/** An earlier problem is over. */
export const noProblem = () => part('#problem', 'innerHTML', '');
