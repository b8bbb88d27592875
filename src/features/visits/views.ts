/** The pages of the visits. Data in, markup out. */
import { html } from 'hono/html';
import {
  type DisplayOptions,
  formatCount,
  formatDuration,
  formatEventCount,
  formatTime,
  truncate,
  visible,
} from '../../page/format.ts';
import { framedPage } from '../../page/framed-page.ts';
import type { Markup } from '../../page/layout.ts';
import { eventHref, filterHref } from '../../page/links.ts';
import type { Reader } from '../../page/menu-and-help.ts';
import { exactTime, table } from '../../page/table.ts';
import { type Detail, detailLimits } from './detail.ts';
import type { TwoPlaces } from './story.ts';
import { said, timeline } from './timeline.ts';
import type { TimedVisit } from './verbs.ts';

const chars_max = 60;
const moments_max = 100;

const short = (text: string): Markup => html`<bdi>${visible(truncate(text, chars_max))}</bdi>`;
const join = (parts: Markup[], between = ', '): Markup =>
  html`${parts.map((part, i) => html`${i > 0 ? between : ''}${part}`)}`;

const who = ({ user_id, session_id, shared }: TimedVisit): Markup =>
  html`${user_id === null ? 'nobody named' : short(user_id)}${shared ? ' and others' : ''}${session_id === null ? '' : html`, session ${short(session_id)}`}`;

/** From and to, without the day where it is the same, and the length. */
const period = ({ started, ended }: TimedVisit, display: DisplayOptions): Markup => {
  const [from, to] = [started, ended].map((iso) => formatTime(Date.parse(iso), display)) as [string, string];
  const until = from.slice(0, 10) === to.slice(0, 10) ? to.slice(11) : to;
  return html`<time datetime="${started}">${from}</time> to <time datetime="${ended}">${until}</time>, ${formatDuration((Date.parse(ended) - Date.parse(started)) / 1_000)}`;
};

const addresses = ({ addresses: shown, n_addresses }: TimedVisit): Markup => {
  if (shown === null || n_addresses === null) return html`too many events to say`;
  if (n_addresses === 0) return html`none`;
  return html`${shown.join(', ')}${n_addresses > shown.length ? ` and ${formatCount(n_addresses - shown.length)} others` : ''}`;
};

const notes = ({ state, signed_in, signed_out, overlaps }: TimedVisit): Markup =>
  join([
    ...(signed_in === null ? [] : [html`<a href="${eventHref(signed_in)}">signed in</a>`]),
    ...(signed_out === null ? [] : [html`<a href="${eventHref(signed_out)}">signed out</a>`]),
    ...(overlaps === 0 ? [] : [html`${formatCount(overlaps)} at the same time`]),
    html`${state}`,
  ]);

const visitsTable = (visits: TimedVisit[], display: DisplayOptions): Markup =>
  table(
    null,
    ['When', 'Who', 'Events', 'Addresses', 'Notes'],
    visits.map((visit) => [
      html`<a href="/visits/${visit.visit}">${period(visit, display)}</a>`,
      who(visit),
      html`<a href="${visit.link}">${formatCount(visit.n)}</a>`,
      addresses(visit),
      notes(visit),
    ]),
  );

export type VisitList = {
  visits: TimedVisit[];
  total: number | null;
  exact: boolean;
  cursor: number;
  query: URLSearchParams;
  links: Partial<Record<'first' | 'prev' | 'next', string>>;
};

const field = (name: string, label: string, query: URLSearchParams): Markup =>
  html`<label>${label}<input type="text" name="${name}" value="${query.get(name) ?? ''}" maxlength="255" autocomplete="off"></label>`;

const behind = (cursor: number): Markup =>
  html`<p><strong>Up to event ${cursor}: the visits of the events after it are still being derived.</strong></p>`;

export const visitsPage = (list: VisitList, reader: Reader, display: DisplayOptions): Markup => {
  const { visits, total, query, links } = list;
  return framedPage(
    'Visits',
    html`<main class="alone"><h1>Visits</h1>
<form action="/visits"><fieldset><legend>Filter</legend>${field('user_id', 'User', query)}${field('session_id', 'Session', query)}<button type="submit">Show</button></fieldset></form>
<p>${total === null ? 'Counting takes too long' : `${formatCount(total)} ${total === 1 ? 'visit' : 'visits'}`}: the events of a session, or of a user without a gap of more than 30 minutes. The latest end is first.</p>
${list.exact ? '' : behind(list.cursor)}${visits.length === 0 ? html`<p>There is no such visit.</p>` : html`<div class="details">${visitsTable(visits, display)}</div>`}
<p>${links.prev === undefined ? '' : html`<a class="button" rel="prev" href="/visits?${links.prev}">Later visits</a> `}${links.next === undefined ? '' : html`<a class="button" rel="next" href="/visits?${links.next}">Earlier visits</a> `}<a class="button" href="/api/visits?${links.first ?? ''}">JSON</a></p></main>`,
    reader,
    display,
  );
};

const places = (
  { networks: [a, b], events: [first, , back] }: TwoPlaces,
  events: TwoPlaces['events'],
  display: DisplayOptions,
): Markup =>
  html`<li><strong>Two places at once</strong>: ${join(
    events.map(
      (event) =>
        html`<a href="${eventHref(event.id)}">${event.ip_address} at ${formatTime(Date.parse(event.timestamp), display)}</a>`,
    ),
  )}: from ${a} to ${b} and back within ${formatDuration((Date.parse(back.timestamp) - Date.parse(first.timestamp)) / 1_000)}. This user was not seen between these networks before.</li>`;

const otherVisit = (other: TimedVisit, visit: TimedVisit, display: DisplayOptions): Markup => {
  const elsewhere = (other.addresses ?? []).filter((address) => !(visit.addresses ?? []).includes(address));
  return html`<li><a href="/visits/${other.visit}">${period(other, display)}</a>, ${formatEventCount(other.n)}, ${who(other)}${elsewhere.length > 0 ? html`, <strong>from another address</strong>: ${elsewhere.join(', ')}` : ''}</li>`;
};

export function visitPage(detail: Detail, reader: Reader, display: DisplayOptions): Markup {
  const { visit, query, events, moments, others, twoPlaces } = detail;
  const { user_id, n, started, ended, state } = visit;
  return framedPage(
    `Visit ${visit.visit}`,
    html`<main class="alone"><h1>Visit ${visit.visit}: ${who(visit)}</h1>
<div class="details"><dl>
<dt>From</dt><dd>${exactTime(started, display)}</dd>
<dt>To</dt><dd>${exactTime(ended, display)}, after ${formatDuration((Date.parse(ended) - Date.parse(started)) / 1_000)}; ${state}</dd>
<dt>Events</dt><dd><a href="${visit.link}">Its ${formatEventCount(n)}</a></dd>
<dt>Addresses</dt><dd>${addresses(visit)}</dd>
</dl></div>
${twoPlaces.length > 0 ? html`<ul class="details">${twoPlaces.map((found) => places(found, found.events, display))}</ul>` : ''}
${events.length === 0 ? '' : html`<h2>Timeline</h2>${events.length < n ? html`<p>The latest ${formatCount(detailLimits.events_max)} events.</p>` : ''}${timeline(events, moments, query, display)}`}
<div class="details">${
      moments.length === 0
        ? ''
        : html`<section><h2>What changed</h2>${table(
            null,
            ['When', 'What'],
            moments
              .slice(0, moments_max)
              .map((moment) => [
                html`<a href="${eventHref(moment.id)}">${formatTime(Date.parse(moment.timestamp), display)}</a>`,
                html`<bdi>${said(moment)}</bdi>`,
              ]),
          )}${moments.length > moments_max ? html`<p>and ${formatCount(moments.length - moments_max)} more</p>` : ''}</section>`
    }
${others.length === 0 ? '' : html`<section><h2>At the same time</h2><ul>${others.map((other) => otherVisit(other, visit, display))}</ul></section>`}</div>
<p>${user_id === null ? '' : html`<a class="button" href="/visits?${new URLSearchParams({ user_id })}">Visits of this user</a> <a class="button" href="${filterHref({ user_id })}">Events of this user</a> `}<a class="button" href="/visits">All visits</a> <a class="button" href="/api/visits/${visit.visit}">JSON</a></p></main>`,
    reader,
    display,
  );
}
