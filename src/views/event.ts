/** The page of one event. Data in, markup out. */
import { html } from 'hono/html';
import type { Entry } from '../schema.ts';
import { details } from './details.ts';
import { layout, type Markup } from './layout.ts';
import { eventOf } from './links.ts';
import { help, menu, type Reader } from './shell.ts';
import { type Look, visible } from './text.ts';

/** `newest` is the newest id: before and after it in the log there is always the next. */
export const eventPage = (entry: Entry, newest: number, who: Reader, look: Look): Markup => {
  const { id, event_type, entity_type, entity_id } = entry;
  const title = visible(`${event_type} ${entity_type}${entity_id === null ? '' : ` ${entity_id}`}`);
  return layout(
    `Event ${id}: ${title}`,
    html`<header><a id="brand" href="/logs">Edgetrail</a>
<nav aria-label="The log">${id > 1 ? html`<a rel="prev" href="${eventOf(id - 1)}">Stored before</a>` : ''} ${id < newest ? html`<a rel="next" href="${eventOf(id + 1)}">Stored after</a>` : ''}</nav>
${menu(who, look)}<div id="problem" role="alert"></div></header>${help()}
<main class="event"><h1>Event ${id}: ${title}</h1>${details(entry, new URLSearchParams(), look, false)}</main>
<p id="status" role="status" class="vh"></p>`,
    look,
  );
};
