/** The page of the patterns. Data in, markup out. */
import { html } from 'hono/html';
import { type DisplayOptions, formatAge, formatCount, formatEventCount, visible } from '../../page/format.ts';
import { framedPage } from '../../page/framed-page.ts';
import type { Markup } from '../../page/layout.ts';
import type { Reader } from '../../page/menu-and-help.ts';
import { nameCell } from '../../page/table.ts';
import type { PatternGroup, PatternsView } from './view.ts';

const age = (iso: string | null, display: DisplayOptions): Markup | string =>
  iso === null ? '' : html`<time datetime="${iso}">${formatAge(Date.parse(iso), display)}</time>`;

const hrefOf = (service: string) => `/patterns?${new URLSearchParams({ service })}`;

const row = (
  { pattern, service, n, patterns, is_new, first_at, last_at, link }: PatternGroup,
  display: DisplayOptions,
): Markup => html`<tr><th scope="row">${is_new ? html`<ins>new</ins> ` : ''}<a href="${link}">${
  pattern === '' ? html`<i>no description</i>` : html`<bdi>${visible(pattern)}</bdi>`
}</a>${patterns > 1 ? ` (${patterns} patterns)` : ''}</th><td>${formatCount(n)}</td><td>${
  service === null ? '' : html`<a href="${hrefOf(service)}">${nameCell(service)}</a>`
}</td><td>${age(first_at, display)}</td><td>${age(last_at, display)}</td></tr>
`;

/** What of the log the table leaves out. */
function rest({ n, other, n_groups, groups, upto, head }: PatternsView): string {
  const listed = groups.reduce((sum, group) => sum + group.n, 0);
  const parts = [`${formatEventCount(n)} up to event ${formatCount(upto)}.`];
  if (upto < head) parts.push(`${formatEventCount(head - upto)} after it will be counted soon.`);
  if (n_groups > groups.length)
    parts.push(
      `${formatCount(n_groups - groups.length)} rarer groups with ${formatEventCount(n - other - listed)} are not listed.`,
    );
  if (other > 0) parts.push(`${formatEventCount(other)} have too rare a pattern to be counted by it.`);
  return parts.join(' ');
}

export const patternsPage = (
  view: PatternsView,
  service: string | null,
  reader: Reader,
  display: DisplayOptions,
): Markup =>
  framedPage(
    'Patterns',
    html`<main class="alone"><h1>Patterns${service === null ? '' : html` of <bdi>${visible(service)}</bdi>`}</h1>
<p>Descriptions that differ in numbers, ids and a few words, together. ${rest(view)}${
      service === null ? '' : html` <a href="/patterns">All services</a>`
    }</p>
${
  view.groups.length === 0
    ? html`<p>No event is counted yet.</p>`
    : html`<table class="changes"><caption>The most frequent first</caption>
<thead><tr><th scope="col">Pattern</th><th scope="col">Events</th><th scope="col">Service</th><th scope="col">First</th><th scope="col">Last</th></tr></thead>
<tbody>${view.groups.map((group) => row(group, display))}</tbody></table>`
}</main>`,
    reader,
    display,
  );
