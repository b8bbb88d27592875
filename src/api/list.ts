/** GET /api/logs, /api/logs/stats and /api/logs/<id>: a page of entries, their statistics, one entry. */
import { clientHasEtag, currentMinute, etagOf, notModified, withEtag } from '../http/conditional.ts';
import { Problem } from '../http/problem.ts';
import { queryOf } from '../http/request.ts';
import { type Filter, readFilter, writeFilter } from '../log/filter.ts';
import type { FoundPage } from '../log/list.ts';
import { type CountMode, checkCursor, type Page, readCountMode, readPage, writeCursor } from '../log/paging.ts';
import type { Entry } from '../log/schema.ts';
import type { Store, Total } from '../log/store.ts';
import { type App, allowMethods, logHeader, type Parts, requireRight } from '../parts.ts';

/** Node refuses a response with more than 16 KiB of headers. A longer `Link` goes without `first`. */
const link_chars_max = 14_000;

export function listRoutes(app: App, parts: Parts): void {
  const { store } = parts;

  app.get('/api/logs', requireRight(parts, 'read'), async (c) => {
    const query = queryOf(c);
    const filter = readFilter(query, ['limit', 'offset', 'before', 'after', 'count']);
    const page = readPage(query);
    const count = readCountMode(query);
    const newest = await store.newest();
    const etag = await etagOf(c, newest, filter.key, page, count);
    if (clientHasEtag(c, etag)) return notModified(c, etag);
    await checkCursor(page, store.isOwn);
    const found = await store.page(filter, page);
    const total = await totalOf(store, filter, page, found, newest.id, count);
    const { logs } = found;
    const link = (rel: string, place: 'before' | 'after' | null, entry?: Entry) => {
      const to = writeFilter(filter.terms);
      to.set('limit', String(page.limit));
      if (query.has('count')) to.set('count', count);
      if (place && entry) to.set(place, writeCursor(entry));
      return `</api/logs?${to}>; rel="${rel}"`;
    };
    const links: string[] = [];
    const searched = found.searched ?? undefined;
    if (found.hasNewer) links.push(link('prev', 'after', page.after && searched ? searched : logs[0]));
    if (found.hasOlder) links.push(link('next', 'before', !page.after && searched ? searched : logs.at(-1)));
    const first = link('first', null);
    if ([first, ...links].join().length <= link_chars_max) links.unshift(first);
    if (logs.length > 0 || searched) c.header('link', links.join(', '));
    c.header(logHeader, newest.log_id);
    // A page that is not full because the time was over, and how far the log was searched for it.
    const part = searched && { searched_to: searched.timestamp };
    return withEtag(c, etag).json({ logs, ...total, ...part, limit: page.limit, offset: page.offset });
  });

  app.get('/api/logs/stats', requireRight(parts, 'read'), async (c) => {
    const filter = readFilter(queryOf(c));
    const newest = await store.newest();
    const etag = await etagOf(c, currentMinute(), newest, filter.key);
    if (clientHasEtag(c, etag)) return notModified(c, etag);
    const stats = await store.stats(filter);
    c.header(logHeader, newest.log_id);
    return withEtag(c, etag).json(stats);
  });

  app.get('/api/logs/:id{[0-9]+}', requireRight(parts, 'read'), async (c) => {
    const id = Number(c.req.param('id'));
    // An entry never changes: its tag is made of the log and the commit of its batch, and no row is read for a 304.
    const batch = Number.isSafeInteger(id) ? await store.batchOf(id) : null;
    if (!batch) throw new Problem(404, 'There is no event with this id.');
    const etag = await etagOf(c, batch);
    if (clientHasEtag(c, etag)) return notModified(c, etag);
    const entry = await store.one(id);
    if (!entry) throw new Problem(404, 'There is no event with this id.');
    c.header(logHeader, batch.log_id);
    return withEtag(c, etag).json(entry);
  });

  allowMethods(app, '/api/logs', 'GET', 'POST');
  for (const path of ['stats', ':id{[0-9]+}']) allowMethods(app, `/api/logs/${path}`, 'GET');
}

/**
 * The total of a list, after its page was read: a page with all matching entries has counted them already. The entries
 * that the page shows are the lower bound of a count that took too long.
 */
async function totalOf(
  store: Store,
  filter: Filter,
  { offset, before, after }: Page,
  { logs, hasOlder, hasNewer, searched }: FoundPage,
  newest: number,
  count: CountMode,
): Promise<Total | { total: null; total_is_exact: false }> {
  if (count === 'none') return { total: null, total_is_exact: false };
  const isPlaced = before !== null || after !== null;
  if (filter.where && !isPlaced && !hasOlder && (offset === 0 || logs.length > 0))
    return { total: offset + logs.length, total_is_exact: true };
  // Where the search stopped early, nobody knows whether the log has another match in that direction. Nor on the side of
  // the cursor: it may be that of an entry which does not match, up to which an earlier search came.
  const beyond = searched === null && (after ? hasNewer : hasOlder) ? 1 : 0;
  return store.total(filter, newest, count, logs.length === 0 ? 0 : offset + logs.length + beyond);
}
