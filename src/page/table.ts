/** Tables of the pages, and texts in their cells. Data in, markup out. */
import { html } from 'hono/html';
import { type DisplayOptions, formatExactTime, truncate, visible } from './format.ts';
import type { Markup } from './layout.ts';

const narrow_columns_max = 4;

/**
 * A table whose rows are cells; the first cell of a row is its header. Without a caption, the heading above it names it. On
 * a narrow screen a table with many columns has its cells one below the other, each with its head.
 */
export const table = (caption: Markup | string | null, heads: string[], rows: (Markup | string)[][]): Markup => {
  const isWide = heads.length > narrow_columns_max;
  return html`<table class="changes${isWide ? ' wide' : ''}">${caption === null ? '' : html`<caption>${caption}</caption>`}<thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>${rows.map(
    ([
      first,
      ...others
    ]) => html`<tr><th scope="row">${first}</th>${others.map((cell, i) => html`<td${isWide ? html` data-head="${heads[i + 1] ?? ''}"` : ''}>${cell}</td>`)}</tr>
`,
  )}</tbody></table>`;
};

/** A time to the millisecond, of RFC 3339. */
export const exactTime = (iso: string, display: DisplayOptions): Markup =>
  html`<time datetime="${iso}">${formatExactTime(Date.parse(iso), display)}</time>`;

const name_chars_max = 80;
const unbroken_chars_max = 14;

/** A name in a cell. A longer one may be broken anywhere: see `.changes bdi` in public/style.css. */
export const nameCell = (text: string | null): Markup => {
  const shown = visible(truncate(text ?? '', name_chars_max));
  return shown.length > unbroken_chars_max ? html`<bdi>${shown}</bdi>` : html`<span dir="auto">${shown}</span>`;
};
