/** The details of an event: its fields, its changes, its metadata as a tree, and links to related events. */
import { html } from 'hono/html';
import { type Change, readChanges } from '../../log/changes.ts';
import type { Json, Metadata } from '../../log/entry.ts';
import { faultOf } from '../../log/filter.ts';
import { metadataStep, pathFault } from '../../log/metadata-path.ts';
import type { Entry } from '../../log/schema.ts';
import { type DisplayOptions, formatExactTime, visible, visibleJson, visibleText } from '../../page/format.ts';
import { filterLinks, plainLink } from '../../page/htmx-attributes.ts';
import type { Markup } from '../../page/layout.ts';
import { eventHref, excludeHref, filterHref, onlyHref, type Query, timeRangeHref } from '../../page/links.ts';
import type { Link } from '../../page/menu-and-help.ts';

const around_ms = 30_000;
/** A branch with more keys is initially closed. */
const open_keys_max = 12;

/** Links that filter by a value or exclude it; none for a value that cannot be filtered by. */
const filterByValueLinks = (query: Query, key: string, value: string): Markup | '' => {
  if (value === '' || key === 'search' || faultOf(key, value) !== null) return '';
  return html` <span class="narrow"><a href="${onlyHref(query, key, value)}" aria-label="only this ${key}">only this</a> <a href="${excludeHref(query, key, value)}" aria-label="not this ${key}">not this</a></span>`;
};

const shown = (value: Json | undefined): Markup =>
  value === undefined
    ? html`<i>nothing</i>`
    : typeof value === 'string'
      ? html`${value === '' ? html`<i>empty</i>` : html`<bdi>${visibleText(value)}</bdi>`}`
      : html`<code>${visible(JSON.stringify(value))}</code>`;

const changesTable = (changes: Change[]): Markup => html`<table class="changes">
<caption>What changed</caption>
<thead><tr><th scope="col">Field</th><th scope="col">Before</th><th scope="col">After</th></tr></thead>
<tbody>${changes.map(
  ({ field, from, to }) =>
    html`<tr><th scope="row" dir="auto">${visible(field)}</th><td><del>${shown(from)}</del></td><td><ins>${shown(to)}</ins></td></tr>`,
)}</tbody></table>`;

const isBranch = (value: Json): value is Metadata | Json[] => typeof value === 'object' && value !== null;
const branchSize = (value: Metadata | Json[]) =>
  Array.isArray(value) ? `${value.length} in a list` : `${Object.keys(value).length} inside`;

/** Metadata as a description list with collapsible branches. `path` is null where a value cannot be filtered by. */
const tree = (value: Metadata | Json[], path: string | null, query: Query): Markup => {
  const entries: [string, Json][] = Array.isArray(value)
    ? value.map((item, i) => [String(i), item])
    : Object.entries(value);
  return html`<dl>${entries.map(([key, inner]) => {
    const at = path === null || Array.isArray(value) ? null : `${path}.${metadataStep(key)}`;
    const filterPath = at && pathFault(at) === null ? at : null;
    if (isBranch(inner)) {
      const open = branchSize(inner) !== '' && Object.keys(inner).length <= open_keys_max;
      return html`<dt dir="auto">${visible(key)}</dt><dd><details${open ? html` open` : ''}><summary>${branchSize(inner)}</summary>${tree(inner, filterPath, query)}</details></dd>`;
    }
    const narrow = filterPath
      ? filterByValueLinks(query, filterPath, typeof inner === 'string' ? inner : String(inner))
      : '';
    return html`<dt dir="auto">${visible(key)}</dt><dd>${shown(inner)}${narrow}</dd>`;
  })}</dl>`;
};

const names: [keyof Entry, string][] = [
  ['event_type', 'Event'],
  ['entity_type', 'Entity'],
  ['entity_id', 'Entity id'],
  ['user_id', 'User'],
  ['description', 'Description'],
  ['service', 'Service'],
  ['trace_id', 'Trace'],
  ['session_id', 'Session'],
  ['ip_address', 'IP address'],
  ['user_agent', 'User agent'],
  ['event_uid', 'Event uid'],
  ['span_id', 'Span'],
  ['parent_span_id', 'Parent span'],
  ['caused_by', 'Caused by'],
];

const relatedLinks = (entry: Entry, links: Link[]): Markup => {
  const ms = Date.parse(entry.timestamp);
  const near = timeRangeHref(new URLSearchParams(), ms - around_ms, ms + around_ms);
  const { entity_type, entity_id, user_id, trace_id } = entry;
  return html`<p class="onwards"><a href="${eventHref(entry.id)}" ${plainLink()}>Permalink</a> <a href="${near}&around=${entry.id}#e${entry.id}" ${plainLink()}>±30 s around this</a>${
    entity_id === null ? '' : html` <a href="${filterHref({ entity_type, entity_id })}">Same entity</a>`
  }${user_id === null ? '' : html` <a href="${filterHref({ user_id })}">Same user</a>`}${
    trace_id === null ? '' : html` <a href="${filterHref({ trace_id })}">Same trace</a>`
  }${links.map(({ path, label }) => html` <a href="${path}" ${plainLink()}>${label}</a>`)} <button type="button" class="copy" value="json-${entry.id}">Copy as JSON</button></p>`;
};

/** The body of an open row and of the event's own page. Links of its values extend `query`; `links` are the features'. */
export const eventDetails = (
  entry: Entry,
  links: Link[],
  query: Query,
  display: DisplayOptions,
  isInRow: boolean,
): Markup => {
  const { metadata } = entry;
  const { changes, rest } =
    metadata !== null && isBranch(metadata) && !Array.isArray(metadata)
      ? readChanges(metadata)
      : { changes: [], rest: {} };
  const hasRest = Object.keys(rest).length > 0;
  return html`<div class="details"${isInRow ? html` ${filterLinks()}` : ''}>
<dl class="fields">
<dt>Time</dt><dd><time datetime="${entry.timestamp}">${formatExactTime(Date.parse(entry.timestamp), display)}</time></dd>
${names.map(([key, label]) => {
  const value = entry[key];
  if (value === null) return '';
  return html`<dt>${label}</dt><dd><bdi>${key === 'description' ? visibleText(String(value)) : visible(String(value))}</bdi>${filterByValueLinks(query, key, String(value))}</dd>`;
})}
${entry.unreadable === undefined ? '' : html`<dt>Unreadable</dt><dd>${visible(entry.unreadable)}</dd>`}
<dt>Stored</dt><dd><time datetime="${entry.created_at}">${formatExactTime(Date.parse(entry.created_at), display)}</time> as event ${entry.id}</dd>
</dl>
<div>${changes.length > 0 ? changesTable(changes) : ''}${hasRest ? html`<section class="tree">${isInRow ? html`<h3>Metadata</h3>` : html`<h2>Metadata</h2>`}${tree(rest, 'metadata', query)}</section>` : ''}
<details class="json"><summary>JSON</summary><pre id="json-${entry.id}" tabindex="0">${visibleJson(entry)}</pre></details></div>
${relatedLinks(entry, links)}</div>`;
};
