/** The page of one event. Data in, markup out. */
import { html } from 'hono/html';
import type { Entry } from '../../log/schema.ts';
import { layout, type Markup } from '../../page/layout.ts';
import { eventOf } from '../../page/links.ts';
import { lineAway } from '../../page/search-line.ts';
import { help, menu, type Reader } from '../../page/shell.ts';
import { cut, type Look, visible } from '../../page/text.ts';
import { details } from './details.ts';

const title_chars_max = 120;

/** `newest` is the newest id: before and after it in the log there is always the next. */
export const eventPage = (entry: Entry, newest: number, who: Reader, look: Look): Markup => {
  const { id, event_type, entity_type, entity_id } = entry;
  const title = visible(
    cut(`${event_type} ${entity_type}${entity_id === null ? '' : ` ${entity_id}`}`, title_chars_max),
  );
  return layout(
    `Event ${id}: ${title}`,
    html`<header><a id="brand" href="/logs">Edgetrail</a>
${lineAway('')}
${menu(who, look)}<div id="problem" role="alert"></div></header>${help()}
<main class="event"><nav aria-label="In the order of storing">${id > 1 ? html`<a rel="prev" aria-keyshortcuts="k" href="${eventOf(id - 1)}">‹ Event ${id - 1}</a>` : ''} ${id < newest ? html`<a rel="next" aria-keyshortcuts="j" href="${eventOf(id + 1)}">Event ${id + 1} ›</a>` : ''}</nav>
<h1>Event ${id}: ${title}</h1>${details(entry, new URLSearchParams(), look, false)}</main>
<p id="status" role="status" class="vh"></p>`,
    look,
  );
};
