/** The page of one event. Data in, markup out. */
import { html } from 'hono/html';
import type { Entry } from '../../log/schema.ts';
import { type DisplayOptions, truncate, visible } from '../../page/format.ts';
import { framedPage } from '../../page/framed-page.ts';
import type { Markup } from '../../page/layout.ts';
import { eventHref } from '../../page/links.ts';
import type { Link, Reader } from '../../page/menu-and-help.ts';
import { eventDetails } from './event-details.ts';

const title_chars_max = 120;

/** `newest` is the newest id of the log. Ids have no gaps, so the neighbours of an event are id - 1 and id + 1. */
export const eventPage = (
  entry: Entry,
  links: Link[],
  newest: number,
  reader: Reader,
  display: DisplayOptions,
): Markup => {
  const { id, event_type, entity_type, entity_id } = entry;
  const title = visible(
    truncate(`${event_type} ${entity_type}${entity_id === null ? '' : ` ${entity_id}`}`, title_chars_max),
  );
  return framedPage(
    `Event ${id}: ${title}`,
    html`<main class="event"><nav aria-label="In the order of storing">${id > 1 ? html`<a rel="prev" aria-keyshortcuts="k" href="${eventHref(id - 1)}">‹ Event ${id - 1}</a>` : ''} ${id < newest ? html`<a rel="next" aria-keyshortcuts="j" href="${eventHref(id + 1)}">Event ${id + 1} ›</a>` : ''}</nav>
<h1>Event ${id}: <bdi>${title}</bdi></h1>${eventDetails(entry, links, new URLSearchParams(), display, false)}</main>`,
    reader,
    display,
  );
};
