/** The log as markup: rows, details, filter form, counts, live control. Data in, markup out: no store, no request, no clock. */
import { html, raw } from 'hono/html';
import { suggested } from '../entry.ts';
import { type Filter, filterRows, writeCursor, writeFilter } from '../filter.ts';
import type { Entry } from '../schema.ts';
import type { Stats, Total } from '../store.ts';
import { follows, removes, replaces } from './hx.ts';
import { layout, type Markup } from './layout.ts';

const summary_chars_max = 300;
/** More rows than this make a tab slow; the older ones are a link away. */
const live_rows_max = 1_000;
/** Rows a live message: one paint for many, and no message too large to be counted against a slow reader. */
export const message_rows_max = 20;

/** Controls and bidirectional overrides can make a line read as what it is not: they are shown, not obeyed. */
const visible = (text: string) =>
  text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the point
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (char) => `⟨U+${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`,
  );

const short = (text: string) => (text.length > summary_chars_max ? `${text.slice(0, summary_chars_max)}…` : text);
const clock = (iso: string) => iso.replace('T', ' ').slice(0, 19);
const count = (n: number) => n.toLocaleString('en-US');

/** One event: a line that opens. Drawn by the page, and pushed by the stream. */
export const row = (entry: Entry): Markup => html`<li id="e${entry.id}"><details><summary>
<time datetime="${entry.timestamp}">${clock(entry.timestamp)}</time>
<b>${visible(entry.event_type)}</b>
<span>${visible(entry.entity_type)}${entry.entity_id === null ? '' : ` ${visible(entry.entity_id)}`}</span>
<span>${visible(entry.user_id ?? '')}</span>
<span>${visible(short(entry.description ?? ''))}</span>
</summary>${details(entry)}</details></li>`;

const details = (entry: Entry): Markup =>
  html`<dl>${Object.entries(entry)
    .filter(([, value]) => value !== null)
    .map(
      ([name, value]) =>
        html`<dt>${name}</dt><dd>${name === 'metadata' ? html`<pre>${visible(JSON.stringify(value, null, 2))}</pre>` : visible(String(value))}</dd>`,
    )}</dl>`;

/**
 * Rows of one message of the live stream: the newest on top, and the oldest out of the page. htmx removes before it
 * adds, so room is made for one message more.
 */
export const pushedRows = (entries: Entry[]): string =>
  entries.toReversed().map(row).join('') + removes(`#rows > li:nth-child(n+${live_rows_max - message_rows_max + 1})`);

const listId = (key: string) => `known-${key}`;

/** A field for each row of the filter table. A repeated or negated parameter keeps its place as a hidden one. */
const filterForm = (filter: Filter, stats: Stats): Markup => {
  const shown = new Map(
    filter.terms
      .filter(({ negated, values }) => !negated && values.length === 1)
      .map(({ key, values }) => [key, values[0]]),
  );
  const fielded = new Set(filterRows.map(({ key }) => key));
  const hidden = [
    ...writeFilter(
      filter.terms.filter(({ key, negated, values }) => negated || values.length > 1 || !fielded.has(key)),
    ),
  ];
  const known = (key: 'event_type' | 'entity_type') => [
    ...new Set([...suggested[key], ...Object.keys(key === 'event_type' ? stats.by_event_type : stats.by_entity_type)]),
  ];
  return html`<form role="search" action="/logs" method="get">
${filterRows.map(
  ({ key, label, input, chars_max }) =>
    html`<label>${label} <input name="${key}" type="${input === 'search' ? 'search' : 'text'}" value="${shown.get(key) ?? ''}" maxlength="${chars_max}"${input === 'list' ? html` list="${listId(key)}"` : ''}${input === 'date' ? html` placeholder="2026-03-01"` : ''}></label>`,
)}
${hidden.map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
${(['event_type', 'entity_type'] as const).map((key) => html`<datalist id="${listId(key)}">${known(key).map((word) => html`<option value="${word}"></option>`)}</datalist>`)}
<button>Show</button> <a href="/logs">Clear</a>
</form>`;
};

const counts = (stats: Stats, query: URLSearchParams): Markup => {
  const narrowed = (key: string, value: string) => {
    const to = new URLSearchParams(query);
    to.set(key, value);
    return `/logs?${to}`;
  };
  const list = (key: 'event_type' | 'entity_type', numbers: Record<string, number>) =>
    html`<ul>${Object.entries(numbers).map(
      ([name, n]) => html`<li><a href="${narrowed(key, name)}">${visible(name)}</a> ${count(n)}</li>`,
    )}</ul>`;
  return html`<section id="stats" aria-label="Counts"><p><b>${count(stats.total_logs)}</b> events, <b>${count(stats.recent_24h)}</b> in the last 24 hours</p>
${list('event_type', stats.by_event_type)}
${list('entity_type', stats.by_entity_type)}</section>`;
};

/** What stands there until the script says otherwise. */
const withoutScript = 'Following live needs JavaScript. Load the page again for newer events.';

/** The live control, stopped or following. `after` is the newest id that the page already shows. */
export const liveControl = (filter: Filter, after: number, on: boolean): Markup => {
  const query = writeFilter(filter.terms);
  query.set('after', String(after));
  const page = writeFilter(filter.terms);
  if (!on) page.set('live', '1');
  const other = `/logs/live?${query}&on=${on ? '0' : '1'}`;
  return html`<div id="live"${on ? html` ${follows(`/logs/stream?${query}`, '#rows')}` : ''}>
<a id="live-switch" role="button" href="/logs?${page}" ${replaces(other, '#live')}>${on ? 'Stop live' : 'Start live'}</a>
<span id="live-state" role="status">${on ? withoutScript : 'Live is stopped.'}</span>
</div>`;
};

const takeAway = (query: URLSearchParams, mayExport: boolean): Markup =>
  mayExport
    ? html`<p>Take away all that is shown: ${(['csv', 'json', 'ndjson'] as const).map((format) => {
        const to = new URLSearchParams(query);
        to.set('format', format);
        return html`<a href="/api/logs/export?${to}" download>${format.toUpperCase()}</a> `;
      })}</p>`
    : html`<p>Exporting needs the role admin.</p>`;

export type LogPage = {
  filter: Filter;
  logs: Entry[];
  hasOlder: boolean;
  hasNewer: boolean;
  total: Total;
  stats: Stats;
  /** The newest id when the page was made. */
  head: number;
  live: boolean;
  who: { name: string; mayExport: boolean };
};

/** The page at /logs. */
export const logPage = ({ filter, logs, hasOlder, hasNewer, total, stats, head, live, who }: LogPage): Markup => {
  const query = writeFilter(filter.terms);
  const older = new URLSearchParams(query);
  const oldest = logs.at(-1);
  if (oldest) older.set('before', writeCursor(oldest));
  return layout(
    'Log',
    html`<header><h1>Edgetrail</h1><p>Signed in as ${who.name}. Times are UTC.</p></header>
<main>
${filterForm(filter, stats)}
<div id="problem" role="alert"></div>
${counts(stats, query)}
${takeAway(query, who.mayExport)}
${hasNewer ? html`<p><a href="/logs?${query}">To the newest</a></p>` : liveControl(filter, head, live)}
<p>${total.total_is_exact ? '' : 'more than '}${count(total.total)} ${total.total === 1 ? 'event matches' : 'events match'}.</p>
<ol id="rows">${logs.map(row)}</ol>
${logs.length === 0 ? html`<p id="empty">${emptyHint(filter)}</p>` : ''}
${hasOlder ? html`<nav><a rel="next" href="/logs?${older}">Older events</a></nav>` : ''}
</main>`,
  );
};

const emptyHint = (filter: Filter): Markup =>
  filter.terms.length > 0
    ? html`Nothing matches. <a href="/logs">Show everything</a>`
    : html`The log is empty. Write the first event:
<pre>${raw(
        `curl -u admin:admin123 -H 'content-type: application/json' \\
  -d '{"event_type":"CREATE","entity_type":"order","entity_id":"55"}' http://localhost:9000/api/logs`,
      )}</pre>`;
