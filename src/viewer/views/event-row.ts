/** One event as an expandable row, used by the page and by the live stream. Data in, markup out. */
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
  visibleText,
} from '../../page/format.ts';
import type { Markup } from '../../page/layout.ts';
import { eventHref } from '../../page/links.ts';

const description_chars_max = 300;
const name_chars_max = 80;

/** A time as its age; with the time of day on wide screens, and the exact time on hover. */
const moment = (timestamp: string, display: DisplayOptions): Markup => {
  const ms = Date.parse(timestamp);
  const at = timeOfDay(ms, display);
  return html`<time datetime="${timestamp}" title="${formatExactTime(ms, display)}"${at && html` data-at="${at}"`}>${formatAge(ms, display)}</time>`;
};

const name = (text: string | null) => visible(truncate(text ?? '', name_chars_max));

/** Live rows are in order of arrival. A row whose time differs from its arrival by more than this says so. */
const on_time_ms_max = 60_000;

const arrivalNote = ({ timestamp, created_at }: Entry): Markup | '' => {
  const late_ms = Date.parse(created_at) - Date.parse(timestamp);
  if (!(Math.abs(late_ms) > on_time_ms_max)) return '';
  const title = 'Live rows are in the order of arrival. After a reload the row stands at its time.';
  return html`<em title="${title}">${late_ms > 0 ? 'arrived late' : 'dated ahead'}</em> `;
};

/** The details are fetched when the row is opened. Without JavaScript the row links to the event's page. */
export const eventRow = (entry: Entry, display: DisplayOptions, mark: '' | 'new' | 'marked' = ''): Markup => {
  const { id, timestamp, event_type, entity_type, entity_id, user_id, description } = entry;
  const attributes = html`${mark && html` class="${mark}"`}${mark === 'marked' ? html` aria-current="true"` : ''}`;
  const entity = html`${name(entity_type)}${entity_id === null ? '' : html` <i dir="auto">${name(entity_id)}</i>`}`;
  const text = visibleText(truncate(description ?? '', description_chars_max));
  return html`<li id="e${id}"${attributes}><details><summary>${moment(timestamp, display)} <b class="${colourClass(event_type)}" dir="auto">${name(event_type)}</b> <span dir="auto">${entity}</span> <span dir="auto">${name(user_id)}</span> <span dir="auto">${mark === 'new' ? arrivalNote(entry) : ''}${text}</span></summary><div><a href="${eventHref(id)}">Open event</a></div></details></li>`;
};
