/** The events that a live page skipped, in the order in which they were stored. Data in, markup out. */
import { html, raw } from 'hono/html';
import type { Entry } from '../../log/schema.ts';
import { type DisplayOptions, formatEventCount } from '../../page/format.ts';
import { rowLoading } from '../../page/htmx-attributes.ts';
import { layout, type Markup } from '../../page/layout.ts';
import { logHref } from '../../page/links.ts';
import type { PageQuery } from '../page-query.ts';
import { eventRow } from './event-row.ts';
import { type Gap, gapRow } from './live.ts';

export type SkippedEvents = { entries: Entry[]; gap: Gap | null; pageQuery: PageQuery; display: DisplayOptions };

/** The rows, newest first. The events that remain are newer than these, so their link is on top. */
const betweenRows = ({ entries, gap, pageQuery, display }: SkippedEvents): Markup =>
  html`${gap ? gapRow(gap, pageQuery.query) : ''}${entries.toReversed().map((entry) => eventRow(entry, display))}${
    !gap && entries.length === 0 ? html`<li class="gap">None of them matches.</li>` : ''
  }`;

/** The rows that replace the link in the live page. The link had the focus, so the first row gets it. */
export const skippedEventsFragment = (between: SkippedEvents): Markup =>
  raw(String(betweenRows(between)).replace('<summary', '<summary autofocus'));

export const skippedEventsPage = (between: SkippedEvents): Markup =>
  layout(
    'Skipped events',
    html`<header><a id="brand" href="/logs">Edgetrail</a></header>
<main><h1>${formatEventCount(between.entries.length)} that arrived too fast to be shown</h1><p><a href="${logHref(between.pageQuery.query)}">To the newest</a></p>
<section id="list" aria-label="Events" ${rowLoading()}><ol id="rows">${betweenRows(between)}</ol></section></main>`,
    between.display,
  );
