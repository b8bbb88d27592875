/** The timeline of a visit as SVG, and the same numbers as a table. Data in, markup out. */
import { html } from 'hono/html';
import type { Entry } from '../../log/schema.ts';
import {
  colourClass,
  type DisplayOptions,
  formatCount,
  formatEventCount,
  formatTime,
  truncate,
  visible,
} from '../../page/format.ts';
import type { Markup } from '../../page/layout.ts';
import { eventHref, type Query, timeRangeHref } from '../../page/links.ts';
import type { Moment } from './story.ts';

/** Units of the view box, which is stretched to the available width. */
const step = 10;
const slots_max = 100;
const chars_max = 120;
/** The heights of the marks of moments, of a gap below them, and of the largest bar. */
const [marks, rest, height] = [16, 8, 100];

type Slot = { at: number; events: Entry[] };

/** Equal parts of the visit's time, without the empty ones. */
function slotsOf(events: Entry[]): Slot[] {
  const times = events.map(({ timestamp }) => Date.parse(timestamp));
  const [first = 0, last = 0] = [times[0], times.at(-1)];
  const width = Math.max(1, (last - first) / (slots_max - 1));
  const slots = new Map<number, Slot>();
  for (const [i, event] of events.entries()) {
    const at = Math.floor(((times[i] ?? first) - first) / width);
    const slot = slots.get(at) ?? { at, events: [] };
    slot.events.push(event);
    slots.set(at, slot);
  }
  return [...slots.values()];
}

/** The address of exactly the events of a slot. */
function slotHref({ events }: Slot, query: Query): string {
  const [first, last] = [events[0], events.at(-1)];
  if (!first || !last) return '/logs';
  if (first === last) return eventHref(first.id);
  return timeRangeHref(query, Date.parse(first.timestamp), Date.parse(last.timestamp));
}

function byType({ events }: Slot): [string, number][] {
  const counts = new Map<string, number>();
  for (const { event_type } of events) counts.set(event_type, (counts.get(event_type) ?? 0) + 1);
  return [...counts];
}

const types = (slot: Slot) =>
  byType(slot)
    .map(([type, n]) => `${visible(type)} ${formatCount(n)}`)
    .join(', ');

/** What happens at a moment, in words. */
export const said = ({ kind, from, to, n }: Moment): string => {
  if (n !== undefined) return `${kind}: ${formatEventCount(n)}`;
  const short = (text: string) => visible(truncate(text, chars_max));
  return from === undefined || to === undefined ? kind : `${kind}: ${short(to)}, before ${short(from)}`;
};

export function timeline(events: Entry[], moments: Moment[], query: Query, display: DisplayOptions): Markup {
  const slots = slotsOf(events);
  const most = Math.max(1, ...slots.map((slot) => slot.events.length));
  const timeOf = (event: Entry | undefined) => formatTime(Date.parse(event?.timestamp ?? ''), display);
  const bar = (slot: Slot): Markup => {
    let sum = 0;
    return html`<a href="${slotHref(slot, query)}"><title>${timeOf(slot.events[0])}: ${formatEventCount(slot.events.length)} (${types(slot)})</title><rect class="hit" x="${slot.at * step}" y="${marks + rest}"/>${byType(
      slot,
    ).map(([type, n]) => {
      const [below, above] = [sum, sum + n].map((m) => Math.round((m / most) * height)) as [number, number];
      sum += n;
      return html`<rect class="${colourClass(type)}" x="${slot.at * step}" y="${marks + rest + height - above}" height="${Math.max(1, above - below)}"/>`;
    })}</a>`;
  };
  const slotOf = new Map(slots.flatMap((slot) => slot.events.map(({ id }): [number, Slot] => [id, slot])));
  /** One mark for all moments of a slot. */
  const marked = new Map<number, Moment[]>();
  for (const moment of moments) {
    const at = slotOf.get(moment.id)?.at ?? 0;
    marked.set(at, [...(marked.get(at) ?? []), moment]);
  }
  return html`<figure class="chart"><svg viewBox="0 0 ${slots_max * step} ${marks + rest + height}" preserveAspectRatio="none" role="group" aria-label="The visit over time: ${formatEventCount(events.length)}, ${formatCount(moments.length)} marked.">${slots.map(bar)}${[
    ...marked,
  ].map(
    ([at, found]) =>
      html`<a href="${eventHref(found[0]?.id ?? 0)}"><title>${found.map(said).join('; ')}</title><rect class="t3" x="${at * step}" y="0" height="${marks}"/></a>`,
  )}</svg><figcaption><span>${timeOf(events[0])}</span><span>${formatCount(most)} at most in a bar</span><span>${timeOf(events.at(-1))}</span></figcaption></figure>
<details><summary>As a table</summary><div class="details"><table class="changes"><thead><tr><th scope="col">From</th><th scope="col">Events</th><th scope="col">Types</th></tr></thead><tbody>${slots.map(
    (slot) =>
      html`<tr><th scope="row">${timeOf(slot.events[0])}</th><td><a href="${slotHref(slot, query)}">${formatCount(slot.events.length)}</a></td><td><bdi>${types(slot)}</bdi></td></tr>
`,
  )}</tbody></table></div></details>`;
}
