/** One event as a line that opens: drawn by the page, and pushed by the stream. Data in, markup out. */
import { html } from 'hono/html';
import type { Entry } from '../../log/schema.ts';
import {
  colourClass,
  type DisplayOptions,
  formatAge,
  formatExactTime,
  timeOfDay,
  truncate,
  visible,
} from '../../page/format.ts';
import type { Markup } from '../../page/layout.ts';
import { eventHref } from '../../page/links.ts';

const description_chars_max = 300;
const name_chars_max = 80;

/** A moment: its age to read, the time of day beside it where there is room, the time itself to see on hover. */
const moment = (timestamp: string, display: DisplayOptions): Markup => {
  const ms = Date.parse(timestamp);
  return html`<time datetime="${timestamp}" title="${formatExactTime(ms, display)}" data-at="${timeOfDay(ms, display)}">${formatAge(ms, display)}</time>`;
};

const name = (text: string | null) => visible(truncate(text ?? '', name_chars_max));

/** The body is fetched when it is opened, and is a page of its own for who has no script. */
export const eventRow = (entry: Entry, display: DisplayOptions, mark: '' | 'new' | 'marked' = ''): Markup =>
  html`<li id="e${entry.id}"${mark && html` class="${mark}"`}${mark === 'marked' ? html` aria-current="true"` : ''}><details><summary>${moment(entry.timestamp, display)} <b class="${colourClass(entry.event_type)}">${name(entry.event_type)}</b> <span>${name(entry.entity_type)}${entry.entity_id === null ? '' : html` <i>${name(entry.entity_id)}</i>`}</span> <span>${name(entry.user_id)}</span> <span>${visible(truncate(entry.description ?? '', description_chars_max))}</span></summary><div><a href="${eventHref(entry.id)}">Open event</a></div></details></li>`;
