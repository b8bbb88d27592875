/** Markup of the live page: the control, pushed rows, and links to skipped events. Data in, markup out. */
import { html } from 'hono/html';
import type { Entry } from '../../log/schema.ts';
import { type DisplayOptions, formatCount } from '../../page/format.ts';
import { partial, preserve, replaceOnClick, sseStream } from '../../page/htmx-attributes.ts';
import type { Markup } from '../../page/layout.ts';
import type { Query } from '../../page/links.ts';
import type { PageQuery } from '../page-query.ts';
import { eventRow } from './event-row.ts';

/** The most rows of one message. Further events of the batch are replaced by one row with a link. */
export const message_rows_max = 40;

/** After 2.5 heartbeat intervals without data the page treats the connection as dead. */
const heartbeats_missed = 2.5;

const withAfter = (query: Query, after: string, more: Record<string, string> = {}) => {
  const to = new URLSearchParams(query);
  for (const [key, value] of Object.entries({ ...more, after })) to.set(key, value);
  return to;
};

/**
 * The control, stopped or following. `after` is the newest position that the page has; viewer.js keeps the field up to
 * date, and starting again sends it, so that events stored while stopped are not missed. `again`: the list is unchanged,
 * so the existing field is preserved, because it may be newer than this response.
 */
export const liveControl = (
  { query }: PageQuery,
  after: string,
  on: boolean,
  heartbeat_ms: number,
  again = false,
): Markup => {
  const other = new URLSearchParams(query);
  other.set('on', on ? '0' : '1');
  return html`<div id="live"${on ? html` class="on" data-quiet="${heartbeat_ms * heartbeats_missed}" ${sseStream(`/logs/stream?${withAfter(query, after)}`, '#rows')}` : ''}>
<input id="after" type="hidden" name="after" value="${after}"${again ? html` ${preserve()}` : ''}>${on ? html`<input type="hidden" name="live" value="1" form="query">` : ''}
<form action="/logs" method="get">${[...query].map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
<button id="live-switch" type="submit"${on ? '' : html` name="live" value="1"`} aria-keyshortcuts="l" ${replaceOnClick(`/logs/live?${other}`, '#live', '#after')}>${on ? 'Stop live' : 'Start live'}</button></form>
<span id="live-state">${on ? 'Connecting' : 'Stopped'}</span>${on ? html`<noscript>Following live needs JavaScript. Load the page again for newer events.</noscript>` : ''}
</div>`;
};

/**
 * The last message of a stream that must not reconnect: it replaces the control. Its first number is 0, the number of
 * events in it: viewer.js then shows it even while it queues rows.
 */
export const endOfStream = (why: string, href: string, label: string): string =>
  `<!--0-->${partial('#live', 'outerHTML', html`<p id="live">${why} <a class="button" href="${href}">${label}</a></p>`)}`;

/** The link in place of the control on a page that no new event can match. */
export const newestLink = (newest: string): Markup =>
  html`<p id="live"><a class="button" href="${newest}">To the newest</a></p>`;

/** Events after one id, up to another, that were skipped. `n` is null where they have not been counted. */
export type Gap = { after: number; upto: number; n: number | null };

export const gapRow = (gap: Gap, query: Query): Markup => {
  const to = withAfter(query, String(gap.after), {
    upto: String(gap.upto),
    ...(gap.n !== null && { n: String(gap.n) }),
  });
  const n = gap.n === null ? `Up to ${formatCount(gap.upto - gap.after)}` : formatCount(gap.n);
  const url = `/logs/between?${to}`;
  return html`<li class="gap"><a id="gap-${gap.upto}" href="${url}" ${replaceOnClick(url, 'closest li')}>${n} more, too many to draw at once. Show them</a></li>`;
};

export const liveRow = (entry: Entry, display: DisplayOptions): string => String(eventRow(entry, display, 'new'));

/**
 * The rows of one message of the stream, newest first, and the link to skipped events below them. The first number is the
 * number of events in the message: viewer.js adds it to the count of queued events.
 */
export const liveRows = (newestFirst: string[], gap: Gap | null, query: Query): string => {
  const n = newestFirst.length + (gap?.n ?? (gap ? 1 : 0));
  return (newestFirst.join('') + (gap ? String(gapRow(gap, query)) : '')).replace('<li', `<li data-n="${n}"`);
};
