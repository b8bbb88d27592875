/** GET /logs: the log as a page, its live control and its live rows. */

import { isKnown, tagged, tagOf, thisMinute, unchanged } from '../conditional.ts';
import { readFilter, readPage, wholeNumber } from '../filter.ts';
import { type App, elsewhere, may, only, type Parts } from '../parts.ts';
import { badField } from '../problem.ts';
import type { Entry } from '../schema.ts';
import { sseMessage } from '../stream.ts';
import { liveControl, logPage, message_rows_max, pushedRows } from '../views/log.ts';
import { queryOf } from './entries.ts';
import { sseResponse, startOf } from './live.ts';

const page_rows = '50';

/** With it htmx asks for a part of the page. */
const fragment = 'HX-Request';

export function viewerRoutes(app: App, parts: Parts): void {
  const { store } = parts;

  app.get('/logs', may(parts, 'read'), async (c) => {
    const query = queryOf(c);
    if (!query.get('limit')) query.set('limit', page_rows);
    const filter = readFilter(query, ['limit', 'offset', 'before', 'after', 'live']);
    const page = readPage(query);
    const live = query.get('live') === '1';
    const { name, rights } = c.get('principal');
    const who = { name, mayExport: rights.includes('export') };
    const minute = thisMinute();
    // Before the rows: what comes in between is then pushed again rather than missed.
    const head = await store.head();
    const tag = await tagOf(c, minute, head, filter.key, page, live, who, c.req.header(fragment));
    if (isKnown(c, tag)) return unchanged(c, tag, [fragment]);
    const [found, total, stats] = await Promise.all([
      store.page(filter, page),
      store.total(filter, head),
      store.stats(filter),
    ]);
    const markup = logPage({ ...found, filter, total, stats, head, live, who });
    return tagged(c, tag, [fragment]).html(markup);
  });

  app.get('/logs/live', may(parts, 'read'), async (c) => {
    const query = queryOf(c);
    const filter = readFilter(query, ['after', 'on']);
    const on = query.get('on');
    if (on !== '0' && on !== '1') throw badField('on', 'must be 0 or 1');
    const after = wholeNumber('after', query.get('after') || null, await store.head(), 0, Number.MAX_SAFE_INTEGER);
    return c.html(liveControl(filter, after, on === '1'));
  });

  app.get('/logs/stream', may(parts, 'read'), elsewhere(parts), async (c) =>
    sseResponse(c, parts, readFilter(queryOf(c), ['after']), await startOf(c, parts), 'html', pushedMessages),
  );

  for (const path of ['/logs', '/logs/live', '/logs/stream']) only(app, path, 'GET');
}

/** A batch as messages of rows; each carries the id of its newest, where a reconnect goes on. */
function pushedMessages(entries: Entry[]): string[] {
  const messages: string[] = [];
  for (let from = 0; from < entries.length; from += message_rows_max) {
    const rows = entries.slice(from, from + message_rows_max);
    const id = rows.at(-1)?.id;
    messages.push(sseMessage({ ...(id !== undefined && { id }), data: pushedRows(rows) }));
  }
  return messages;
}
