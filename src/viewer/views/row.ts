/** One event as a line that opens: drawn by the page, and pushed by the stream. Data in, markup out. */
import { html } from 'hono/html';
import type { Entry } from '../../log/schema.ts';
import type { Markup } from '../../page/layout.ts';
import { eventOf } from '../../page/links.ts';
import { ago, cut, exactClock, type Look, timeOfDay, tone, visible } from '../../page/text.ts';

const description_chars_max = 300;
const name_chars_max = 80;

/** A moment: its age to read, the time of day beside it where there is room, the time itself to see on hover. */
const moment = (timestamp: string, look: Look): Markup => {
  const ms = Date.parse(timestamp);
  return html`<time datetime="${timestamp}" title="${exactClock(ms, look)}" data-at="${timeOfDay(ms, look)}">${ago(ms, look)}</time>`;
};

const name = (text: string | null) => visible(cut(text ?? '', name_chars_max));

/** The body is fetched when it is opened, and is a page of its own for who has no script. */
export const row = (entry: Entry, look: Look, isNew = false): Markup =>
  html`<li id="e${entry.id}"${isNew ? html` class="new"` : ''}><details><summary>${moment(entry.timestamp, look)} <b class="${tone(entry.event_type)}">${name(entry.event_type)}</b> <span>${name(entry.entity_type)}${entry.entity_id === null ? '' : html` <i>${name(entry.entity_id)}</i>`}</span> <span>${name(entry.user_id)}</span> <span>${visible(cut(entry.description ?? '', description_chars_max))}</span></summary><div><a href="${eventOf(entry.id)}">Open event</a></div></details></li>`;
