/** The pages of the digests. Data in, markup out. */
import { html } from 'hono/html';
import { type DisplayOptions, formatCount, formatEventCount, visible } from '../../page/format.ts';
import { framedPage } from '../../page/framed-page.ts';
import type { Markup } from '../../page/layout.ts';
import { filterHref } from '../../page/links.ts';
import type { Reader } from '../../page/menu-and-help.ts';
import { table } from '../../page/table.ts';
import { type Digest, sentenceOf } from './digest.ts';
import { readPeriod, shifted, weekOf } from './period.ts';
import type { Counted, News } from './tables.ts';

/** A link to the events of a digest that have these values. */
const events = ({ first_id, last_id }: Digest, filter: Record<string, string>, text: Markup | string): Markup =>
  html`<a href="${filterHref({ ...filter, first_id: String(first_id), last_id: String(last_id) })}">${text}</a>`;

const value = (text: string): Markup => html`<bdi>${visible(text)}</bdi>`;

const change = ({ n, before }: Counted): string =>
  n === before ? 'as before' : `${n > before ? '+' : '−'}${formatCount(Math.abs(n - before))}`;

const section = (title: string, content: Markup): Markup => html`<section><h2>${title}</h2>${content}</section>`;

const top = (
  digest: Digest,
  title: string,
  key: string,
  { values, distinct }: { values: Counted[]; distinct: number },
  period: string,
): Markup | '' =>
  values.length === 0
    ? ''
    : section(
        title,
        html`${table(
          null,
          [title, 'Events', `Against the ${period} before`],
          values.map((row) => [
            value(row.value),
            events(digest, { [key]: row.value }, formatCount(row.n)),
            change(row),
          ]),
        )}${distinct > values.length ? html`<p>${formatCount(distinct)} in all.</p>` : ''}`,
      );

const labels = { event_types: 'event types', users: 'users', services: 'services' } as const;
const keys = { event_types: 'event_type', users: 'user_id', services: 'service' } as const;
type Label = keyof typeof labels;

const newsList = (
  title: string,
  news: Record<Label, News>,
  item: (key: string, row: News['values'][number]) => Markup,
): Markup | '' => {
  const found = (Object.keys(labels) as Label[]).filter((label) => news[label].total > 0);
  if (found.length === 0) return '';
  return section(
    title,
    html`<dl>${found.map(
      (label) =>
        html`<dt>${formatCount(news[label].total)} ${labels[label]}</dt><dd>${news[label].values.map(
          (row, i) => html`${i > 0 ? ', ' : ''}${item(keys[label], row)}`,
        )}${news[label].total > news[label].values.length ? ' and more' : ''}</dd>`,
    )}</dl>`,
  );
};

const counted = (digest: Digest, title: string, key: string, rows: Counted[]): Markup | '' =>
  rows.length === 0
    ? ''
    : section(
        title,
        html`<ul>${rows.map(({ value: of, n }) => html`<li>${value(of)}: ${events(digest, { [key]: of }, formatCount(n))}</li>`)}</ul>`,
      );

const late = (digest: Digest): Markup | '' =>
  digest.late.values.length === 0
    ? ''
    : section(
        'Arrived late',
        html`<ul>${digest.late.values.map(
          ({ value: day, n }) =>
            html`<li>for ${value(day)}: ${/^\d{4}-/.test(day) ? events(digest, { start_date: `${day}T00:00:00Z`, end_date: `${day}T23:59:59.999Z` }, formatCount(n)) : formatCount(n)}</li>`,
        )}</ul>${digest.late.distinct > digest.late.values.length ? html`<p>and for ${formatCount(digest.late.distinct - digest.late.values.length)} other days</p>` : ''}`,
      );

/** The ids of a digest, in words. */
const ids = (digest: Digest): Markup | string => {
  const { first_id, last_id, is_dense } = digest;
  if (first_id === null || last_id === null) return 'No event was stored.';
  const range = events(digest, {}, `${formatCount(first_id)} to ${formatCount(last_id)}`);
  return html`Events ${range}${is_dense ? ', without a gap' : html`. <strong>Not every id of this range has an event.</strong>`}.`;
};

export function digestPage(digest: Digest, reader: Reader, display: DisplayOptions): Markup {
  const period = readPeriod(digest.name);
  const unit = period.days === 1 ? 'day' : 'week';
  const [previous, next] = [shifted(period, -1), shifted(period, 1)];
  return framedPage(
    `Digest of ${digest.name}`,
    html`<main class="alone"><h1>Digest of ${digest.name}</h1>
<p>${sentenceOf(digest)}${digest.is_final ? '' : html` <strong>So far: it is not over, or not all of its events are counted.</strong>`}</p>
<p>${ids(digest)}</p>
<div class="details">${newsList('New', digest.new, (key, row) => html`${value(row.value)} (${events(digest, { [key]: row.value }, formatCount(row.n))})`)}
${newsList(
  'Gone silent',
  digest.silent,
  (key, row) => html`<a href="${filterHref({ [key]: row.value })}">${value(row.value)}</a>`,
)}
${counted(digest, 'Deletes', 'event_type', digest.deletes)}
${counted(digest, 'Refusals', 'event_type', digest.refusals)}
${top(digest, 'Event types', 'event_type', digest.event_types, unit)}
${top(digest, 'Entity types', 'entity_type', digest.entity_types, unit)}
${top(digest, 'Users', 'user_id', digest.users, unit)}
${top(digest, 'Services', 'service', digest.services, unit)}
${late(digest)}
${counted(digest, 'Recorded by Edgetrail itself', 'event_type', digest.own)}</div>
<p><a class="button" href="/digests/${previous.name}">${previous.name}</a> <a class="button" href="/digests/${next.name}">${next.name}</a>
${unit === 'day' ? html`<a class="button" href="/digests/${weekOf(digest.from)}">Week ${weekOf(digest.from)}</a> ` : ''}<a class="button" href="/digests">All digests</a> <a class="button" href="/api/digests/${digest.name}">JSON</a></p>
<p>Days and weeks are in UTC, by when the log took an event. What comes late is in the digest of the day it came.</p></main>`,
    reader,
    display,
  );
}

/** The days that have events, newest first, each with its week. */
export function digestsPage(
  days: { day: string; n: number }[],
  today: string,
  reader: Reader,
  display: DisplayOptions,
): Markup {
  const most = Math.max(1, ...days.map(({ n }) => n));
  const rows = days.map(({ day, n }) => [
    html`<a href="/digests/${day}">${day}</a>${day === today ? ', so far' : ''}`,
    formatEventCount(n),
    html`<meter max="${most}" value="${n}" aria-label="${day}"></meter>`,
    html`<a href="/digests/${weekOf(day)}">${weekOf(day)}</a>`,
  ]);
  return framedPage(
    'Digests',
    html`<main class="alone"><h1>Digests</h1>${
      rows.length === 0
        ? html`<p>No event was stored yet.</p>`
        : table(null, ['Day (UTC)', 'Events', 'Share of the busiest', 'Week'], rows)
    }</main>`,
    reader,
    display,
  );
}
