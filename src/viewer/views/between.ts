/** Events between two ids, in the order in which they were stored: what a live page was too small for. */
import { html, raw } from 'hono/html';
import type { Entry } from '../../log/schema.ts';
import { opens } from '../../page/hx.ts';
import { layout, type Markup } from '../../page/layout.ts';
import { pageOf } from '../../page/links.ts';
import { events, type Look } from '../../page/text.ts';
import type { Question } from '../question.ts';
import { type Gap, gapRow } from './live.ts';
import { row } from './row.ts';

export type Between = { entries: Entry[]; gap: Gap | null; question: Question; look: Look };

/** Newest first, like everything here; what is left of the stretch is newer still. */
const betweenRows = ({ entries, gap, question, look }: Between): Markup =>
  html`${gap ? gapRow(gap, question.query) : ''}${entries.toReversed().map((entry) => row(entry, look))}${
    !gap && entries.length === 0 ? html`<li class="gap">None of them matches.</li>` : ''
  }`;

/** The same in place of the link that had the focus: it goes to what came. */
export const betweenFragment = (between: Between): Markup =>
  raw(String(betweenRows(between)).replace('<summary', '<summary autofocus'));

export const betweenPage = (between: Between): Markup =>
  layout(
    'Events that were not drawn',
    html`<header><a id="brand" href="/logs">Edgetrail</a></header>
<main><h1>${events(between.entries.length)} that came too fast to be drawn</h1><p><a href="${pageOf(between.question.query)}">To the newest</a></p>
<section id="list" aria-label="Events" ${opens()}><ol id="rows">${betweenRows(between)}</ol></section></main>`,
    between.look,
  );
