/** The hint in an empty list: the reason, and links that help. Data in, markup out. */
import { html, raw } from 'hono/html';
import type { Markup } from '../../page/layout.ts';
import { allTimeHref, logHref, timeRangeHref } from '../../page/links.ts';
import type { PageQuery } from '../page-query.ts';

export const emptyHint = ({ terms, range, query }: PageQuery, origin: string): Markup => {
  const isBounded = range.from !== null || range.to !== null;
  if (terms.length === 0 && !isBounded) return firstEvent(origin);
  const nothing = new URLSearchParams();
  if (range.from !== null && range.to !== null && range.from > range.to)
    return html`<p><b>The range ends before it begins.</b></p><ul><li><a href="${timeRangeHref(query, range.to, range.from)}">Swap start and end</a></li></ul>`;
  return html`<p><b>Nothing matches.</b></p><ul>${terms.length > 0 && isBounded ? html`<li><a href="${allTimeHref(query)}">Search all time</a></li>` : ''}<li><a href="${logHref(nothing)}">Show everything</a></li></ul>`;
};

const firstEvent = (origin: string): Markup => html`<p><b>The log is empty.</b> Write the first event:</p>
<pre tabindex="0">${raw(
  `curl -u admin:admin123 -H 'content-type: application/json' \\
  -d '{"event_type":"CREATE","entity_type":"order","entity_id":"55"}' \\
  `,
)}${origin}/api/logs</pre>
<p>Put your own user name and password there. It appears here at once while live is on.</p>`;
