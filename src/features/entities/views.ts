/** The page of an entity. Data in, markup out. */
import { html } from 'hono/html';
import type { Json } from '../../log/entry.ts';
import type { Entry } from '../../log/schema.ts';
import {
  colourClass,
  type DisplayOptions,
  formatCount,
  formatEventCount,
  formatExactTime,
  formatTime,
  truncate,
  visible,
  visibleText,
} from '../../page/format.ts';
import { framedPage } from '../../page/framed-page.ts';
import type { Markup } from '../../page/layout.ts';
import { addressPart, eventHref, filterHref } from '../../page/links.ts';
import type { Reader } from '../../page/menu-and-help.ts';
import { nameCell, table } from '../../page/table.ts';
import type { EntityView, Folded } from './entity.ts';
import { changesOf } from './state.ts';
import { countLimits, type Entity, type Related, type Relations, type SharedKey, type Users } from './tables.ts';

const title_chars_max = 40;
const value_chars_max = 300;
/** The filter of a list, in an address. */
const filter_chars_max = 6_000;

const time = (iso: string, display: DisplayOptions): Markup =>
  html`<time datetime="${iso}" title="${formatExactTime(Date.parse(iso), display)}">${formatTime(Date.parse(iso), display)}</time>`;

const shown = (value: Json | undefined): Markup => {
  if (value === undefined) return html`<i>nothing</i>`;
  if (value === '') return html`<i>empty</i>`;
  const text = typeof value === 'string' ? visibleText(value) : visible(JSON.stringify(value));
  return html`<bdi>${truncate(text, value_chars_max)}</bdi>`;
};

/** The address of an entity's page; that of its events where it cannot be one. */
const entityHref = ({ entity_type, entity_id }: Entity, at?: number): string => {
  const [type, id] = [addressPart(entity_type), addressPart(entity_id)];
  if (!type || !id) return filterHref({ entity_type, entity_id });
  return `/entities/${type}/${id}${at === undefined ? '' : `?at=${at}`}`;
};

const stateOf = ({ state, at }: EntityView, display: DisplayOptions): Markup => html`<h2>${
  at === null ? 'State now' : html`State after <a href="${eventHref(at)}">event ${at}</a>`
}</h2>
${state.exists === false ? html`<p><strong>Deleted.</strong> What it was:</p>` : ''}${partOf(state)}${
  state.fields.length === 0
    ? html`<p>Its events name no old and new values.</p>`
    : table(
        'Folded from the events up to here',
        ['Field', 'Value', 'Set by'],
        state.fields.map(({ field, value, id, timestamp }) => [
          nameCell(field),
          shown(value),
          html`<a href="${eventHref(id)}">event ${id}</a>, ${time(timestamp, display)}`,
        ]),
      )
}`;

const partOf = ({ whole, n_folded }: Folded): Markup | '' =>
  whole
    ? ''
    : html`<p><strong>Not the whole state:</strong> it is folded from the newest ${formatEventCount(n_folded)}. What only older ones set is missing.</p>`;

const changed = (entry: Entry): Markup =>
  html`${changesOf(entry).map(
    ({ field, from, to }) => html`<div>${nameCell(field)}: <del>${shown(from)}</del> → <ins>${shown(to)}</ins></div>`,
  )}`;

const eventsOf = (view: EntityView, display: DisplayOptions): Markup =>
  html`<h2>Events</h2>${table(
    view.at === null ? 'Newest first' : `Up to event ${view.at}, newest first`,
    ['Time', 'Event', 'Changed', 'State'],
    view.events.map((entry) => [
      time(entry.timestamp, display),
      html`<a href="${eventHref(entry.id)}"><b class="${colourClass(entry.event_type)}" dir="auto">${nameCell(entry.event_type)}</b></a>${entry.user_id === null ? '' : html` by ${nameCell(entry.user_id)}`}`,
      changed(entry),
      html`<a href="${entityHref(view, entry.id)}">after event ${entry.id}</a>`,
    ]),
  )}<p>${view.at === null ? '' : html`<a href="${entityHref(view)}">To the newest</a> `}${view.older === null ? '' : html`<a href="${entityHref(view, view.older)}">Older events</a>`}</p>`;

const tooLong = html`<p>Counting takes too long.</p>`;

const usersTable = (users: Users | null, { entity_type, entity_id }: Entity, display: DisplayOptions): Markup =>
  users === null
    ? tooLong
    : html`${table(
        'Users with the most events first',
        ['User', 'Events', 'Newest'],
        users.users.map(({ user_id, n, last }) => {
          const link = filterHref({
            entity_type,
            entity_id,
            ...(user_id === null ? { without: 'user_id' } : { user_id }),
          });
          const count = html`<a href="${link}">${formatCount(n)}</a>`;
          return [user_id === null ? html`<i>no user named</i>` : nameCell(user_id), count, time(last, display)];
        }),
      )}${users.more ? html`<p>There are further users.</p>` : ''}`;

/** The number of a related entity's events, as a link to them where an address can say which. */
const relatedCount = ({ n, keys, entity_type, entity_id }: Related, by: SharedKey, exact: boolean): Markup => {
  if (!exact) return html`at least ${formatCount(n)}`;
  const link = `${filterHref({ entity_type, entity_id })}${(keys ?? []).map((key) => `&${by}=${encodeURIComponent(key)}`).join('')}`;
  return keys === null || link.length > filter_chars_max
    ? html`${formatCount(n)}`
    : html`<a href="${link}">${formatCount(n)}</a>`;
};

const relationsTable = (found: Relations | null, by: SharedKey, word: string): Markup => {
  if (found === null) return html`<h2>Shares its ${word}s</h2>${tooLong}`;
  const { n_keys, exact, related, more } = found;
  if (n_keys === 0) return html``;
  const { keys_max, events_of_key_max } = countLimits;
  const looked =
    n_keys < keys_max ? `its ${n_keys === 1 ? word : `${n_keys} ${word}s`}` : `its newest ${keys_max} ${word}s`;
  return html`<h2>Shares its ${word}s</h2>${
    related.length === 0
      ? html`<p>No other entity has an event in ${looked}.</p>`
      : table(
          `Entities with events in ${looked}`,
          ['Entity', `Shared ${word}s`, 'Events in them'],
          related.map((each) => [
            html`<a href="${entityHref(each)}">${nameCell(each.entity_type)} ${nameCell(each.entity_id)}</a>`,
            formatCount(each.shared),
            relatedCount(each, by, exact),
          ]),
        )
  }${more ? html`<p>There are further entities.</p>` : ''}${exact ? '' : html`<p>Of a ${word} with more events, the first ${events_of_key_max} were read.</p>`}`;
};

export const entityPage = (view: EntityView, reader: Reader, display: DisplayOptions): Markup => {
  const { entity_type, entity_id, total, total_is_exact, users, traces, sessions } = view;
  return framedPage(
    visible(truncate(`${entity_type} ${entity_id}`, title_chars_max)),
    html`<main class="alone"><h1><bdi>${visible(entity_type)}</bdi> <bdi>${visible(entity_id)}</bdi></h1>
<p><a href="${filterHref({ entity_type, entity_id })}">${total_is_exact ? '' : 'more than '}${formatEventCount(total)}</a></p>
${stateOf(view, display)}
${eventsOf(view, display)}
<h2>Who</h2>${usersTable(users, view, display)}
${relationsTable(traces, 'trace_id', 'trace')}
${relationsTable(sessions, 'session_id', 'session')}</main>`,
    reader,
    display,
  );
};
