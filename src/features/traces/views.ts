/** The page of a trace. Data in, markup out. */
import { html } from 'hono/html';
import type { Entry } from '../../log/schema.ts';
import { timeOf } from '../../log/stored-row.ts';
import {
  colourClass,
  type DisplayOptions,
  formatCount,
  formatDuration,
  formatEventCount,
  formatExactTime,
  truncate,
  visible,
  visibleText,
} from '../../page/format.ts';
import { framedPage } from '../../page/framed-page.ts';
import type { Markup } from '../../page/layout.ts';
import { eventHref, filterHref } from '../../page/links.ts';
import type { Reader } from '../../page/menu-and-help.ts';
import { nameCell, table } from '../../page/table.ts';
import { grouped, type Lane, type Trace } from './trace.ts';
import type { Node } from './tree.ts';

/** Units of the SVG's view box, which is stretched to the available width: columns of ticks, as in the histogram. */
const height = 100;
const step = 10;
const columns = 100;
const name_chars_max = 80;
const title_chars_max = 40;
/** Deeper levels are told by their number. */
const depth_max = 12;

const time = (ms: number, display: DisplayOptions): Markup =>
  html`<time datetime="${new Date(ms).toISOString()}">${formatExactTime(ms, display)}</time>`;

/** `+1.5 s`: how long after the first event. */
export const offset = (ms: number): string => {
  if (ms < 1_000) return `+${ms} ms`;
  return ms < 60_000 ? `+${ms / 1_000} s` : `+${formatDuration(ms / 1_000)}`;
};

const name = (text: string | null) => visible(truncate(text ?? '', name_chars_max));
const objectOf = ({ entity_type, entity_id, user_id }: Entry): string =>
  `${name(entity_type)}${entity_id === null ? '' : ` ${name(entity_id)}`}${user_id === null ? '' : ` by ${name(user_id)}`}`;

const laneName = ({ service, others }: Lane): string =>
  service === null ? (others ? 'other services' : 'no service named') : name(service);

/** A lane of ticks. Ticks of one column share its height, so that each has a place of its own. */
const lane = (each: Lane, { from_ms, to_ms }: Trace): Markup => {
  const span = Math.max(1, to_ms - from_ms);
  const columnOf = (ms: number) => Math.min(columns - 1, Math.floor(((ms - from_ms) / span) * columns));
  const marks = [
    ...each.events.map((entry) => ({
      column: columnOf(timeOf(entry)),
      tone: colourClass(entry.event_type),
      href: eventHref(entry.id),
      title: `${offset(timeOf(entry) - from_ms)}: ${name(entry.event_type)} ${objectOf(entry)}`,
    })),
    ...(each.rest
      ? [
          {
            column: columnOf(Date.parse(each.rest.from)),
            tone: 't0',
            href: each.rest.link,
            title: `${formatEventCount(each.rest.n)} more from ${offset(Date.parse(each.rest.from) - from_ms)} on`,
          },
        ]
      : []),
  ];
  const ticks = [...grouped(marks, ({ column }) => column)].flatMap(([column, inColumn]) =>
    inColumn.map(({ tone, href, title }, i) => {
      const [y, below] = [(height * i) / inColumn.length, (height * (i + 1)) / inColumn.length];
      return html`<a href="${href}"><title>${title}</title><rect class="${tone}" x="${column * step}" y="${round(y)}" height="${round(below - y)}"/></a>`;
    }),
  );
  return html`<p><bdi>${laneName(each)}</bdi>: <a href="${each.link}">${formatEventCount(each.n)}</a></p><svg viewBox="0 0 ${columns * step} ${height}" preserveAspectRatio="none" role="group" aria-label="${laneName(each)}: ${formatEventCount(each.n)}">${ticks}</svg>`;
};

const round = (units: number) => Math.round(units * 100) / 100;

const laneRow = (each: Lane, { from_ms }: Trace): (Markup | string)[] => [
  nameCell(laneName(each)),
  html`<a href="${each.link}">${formatCount(each.n)}</a>`,
  each.rest
    ? html`<a href="${each.rest.link}">${formatCount(each.rest.n)}</a> from ${offset(Date.parse(each.rest.from) - from_ms)} on`
    : 'none',
];

const eventRow = (entry: Entry, node: Node | undefined, { from_ms }: Trace): (Markup | string)[] => {
  const { id, event_type, service, description } = entry;
  return [
    offset(timeOf(entry) - from_ms),
    html`${node ? indentation(node) : ''}<a href="${eventHref(id)}"><b class="${colourClass(event_type)}" dir="auto">${nameCell(event_type)}</b></a> <bdi>${objectOf(entry)}${description === null ? '' : html`: ${visibleText(description)}`}</bdi>${node ? marks(node) : ''}`,
    nameCell(service),
  ];
};

const indentation = ({ depth }: Node): Markup | '' =>
  depth === 0
    ? ''
    : html`<span aria-hidden="true">${'\u00a0\u00a0'.repeat(Math.min(depth, depth_max) - 1)}└${depth > depth_max ? depth : ''} </span><span class="vh">level ${depth}: </span>`;

const marks = ({ orphan, clocks_differ }: Node): Markup =>
  html`${orphan ? html` <em>orphan: its parent is not here</em>` : ''}${clocks_differ ? html` <em>clocks differ</em>` : ''}`;

/** The events that are listed: in the order of the tree where there is one, else in that of their time. */
function listed(trace: Trace): (Markup | string)[][] {
  const drawn = trace.events.slice(0, trace.n_drawn);
  if (!trace.tree) return drawn.map((entry) => eventRow(entry, undefined, trace));
  const byId = new Map(drawn.map((entry) => [entry.id, entry]));
  return trace.tree.flatMap((node) => {
    const entry = byId.get(node.id);
    return entry ? [eventRow(entry, node, trace)] : [];
  });
}

export const tracePage = (trace: Trace, reader: Reader, display: DisplayOptions): Markup => {
  const { trace_id, total, total_is_exact, from_ms, to_ms, events, n_drawn, lanes, unread } = trace;
  const left = events.length - n_drawn;
  return framedPage(
    `Trace ${visible(truncate(trace_id, title_chars_max))}`,
    html`<main class="alone"><h1>Trace <bdi>${visible(trace_id)}</bdi></h1>
<p><a href="${filterHref({ trace_id })}">${total_is_exact ? '' : 'more than '}${formatEventCount(total)}</a> by ${lanes.length === 1 ? 'one service' : `${lanes.length} services`}, from ${time(from_ms, display)} for ${offset(to_ms - from_ms).slice(1)}.${
      unread
        ? html` The first ${formatCount(events.length)} were read; <a href="${unread.link}">${total_is_exact ? '' : 'more than '}${formatCount(unread.n)} later ones</a> are in no lane.`
        : ''
    }</p>
<figure class="chart" aria-label="Events of the trace by service, over time">${lanes.map((each) => lane(each, trace))}<figcaption><span>${time(from_ms, display)}</span><span>${time(to_ms, display)}</span></figcaption></figure>
<details><summary>As a table</summary>${table(
      'Events by service; each event is a row of the table below',
      ['Service', 'Events', 'Not drawn'],
      lanes.map((each) => laneRow(each, trace)),
    )}</details>
${table(
  left > 0 ? `The first ${formatEventCount(n_drawn)}; the lanes say how many follow` : 'Events',
  ['After', 'Event', 'Service'],
  listed(trace),
)}</main>`,
    reader,
    display,
  );
};
