/** The routes of the log's HTML pages: /logs, its counts, and the page of one event. */
import type { Context } from 'hono';
import { html } from 'hono/html';
import { pathOf } from '../auth/return-path.ts';
import { clientHasEtag, currentMinute, etagOf, notModified, withEtag } from '../http/conditional.ts';
import { pause } from '../http/pause.ts';
import { Problem } from '../http/problem.ts';
import { queryOf } from '../http/request.ts';
import { requestIdsOf } from '../http/request-id.ts';
import type { Filter } from '../log/filter.ts';
import { checkCursor, pageLimits, readPage, wholeNumber, writeCursor } from '../log/paging.ts';
import { type Position, positionOf, writePosition } from '../log/position.ts';
import { displayOptionsOf, displayOptionsRoutes } from '../page/display-options.ts';
import { documentEnd, documentStart } from '../page/layout.ts';
import { logHref } from '../page/links.ts';
import { linksOfEvent, readerOf } from '../page/reader.ts';
import { type App, allowMethods, type Env, logHeader, type Parts, requireRight } from '../parts.ts';
import { liveRoutes } from './live-routes.ts';
import { countWithin, isComplete, noCounts } from './page-counts.ts';
import { isFormQuery, type PageQuery, readPageQuery } from './page-query.ts';
import { countsFragment, countsSection } from './views/counts.ts';
import { eventDetails } from './views/event-details.ts';
import { eventPage } from './views/event-page.ts';
import {
  clearProblem,
  type LogPage,
  logFragment,
  logPageEnd,
  logPageStart,
  olderRows,
  type RequestSource,
} from './views/log-page.ts';

const page_rows = '50';
/** How long the end of the page waits for the counts, and how long a request for the counts alone waits. */
const counts_timeout_ms = { page: 700, fragment: 8_000 } as const;

/** The header in which htmx says whether it requests a part of the page. */
const fragment = 'HX-Request-Type';
const isFragment = (c: Context) => c.req.header(fragment) === 'partial';

const second_part_delay_ms = 2;

const encoder = new TextEncoder();

export function logRoutes(app: App, parts: Parts): void {
  const { store } = parts;
  liveRoutes(app, parts);
  displayOptionsRoutes(app, parts);

  app.get('/logs', requireRight(parts, 'read'), async (c) => {
    const display = displayOptionsOf(c);
    const query = queryOf(c);
    const pageQuery = readPageQuery(query, display.now_ms, display.zone);
    const { filter } = pageQuery;
    const live = query.get('live') === '1';
    if (isFormQuery(query) && !isFragment(c)) return c.redirect(canonicalAddress(pageQuery, live), 303);
    const paging = new URLSearchParams(query);
    if (!paging.get('limit')) paging.set('limit', page_rows);
    const around = await resolveCursor(parts, paging, filter);
    const page = readPage(paging);
    const reader = readerOf(c, parts);
    // Read before the rows: an event that is stored in between is sent twice instead of being missed.
    const newest = await store.newest();
    const head = newest.id;
    const tag = await etagOf(c, currentMinute(), newest, query.toString(), live, reader, display.theme, display.zone);
    if (!isFragment(c) && clientHasEtag(c, tag)) return notModified(c, tag, [fragment]);
    await checkCursor(page, store.isOwn);
    c.header(logHeader, newest.log_id);
    const found = await store.page(filter, page);
    // The stream starts after the newest id on the page: ids are in commit order, so all smaller ids were visible.
    const after = writePosition(
      found.logs.map(positionOf).reduce((latest: Position, next) => (next.id > latest.id ? next : latest), newest),
    );
    const { origin } = new URL(parts.limits.PUBLIC_URL || c.req.url);
    const log: LogPage = {
      ...found,
      pageQuery,
      after,
      live,
      around,
      reader,
      display,
      origin,
      heartbeat_ms: parts.limits.HEARTBEAT_MS,
    };
    if (isFragment(c)) return respondWithFragment(c, log);
    withEtag(c, tag, [fragment]);
    c.header('content-type', 'text/html; charset=UTF-8');
    if (c.req.method === 'HEAD') return c.body(null);
    const rest = async () => {
      const counted = await countWithin(counts_timeout_ms.page, parts, pageQuery, display, head);
      const counts = countsSection(counted ?? noCounts, pageQuery, display);
      return `${logPageEnd(counts, pageQuery, !isComplete(counted))}${documentEnd()}`;
    };
    const reported = () =>
      rest().catch((error) => {
        parts.report('a page broke off', error, requestIdsOf(c));
        throw error;
      });
    const { body, sent } = twoPartBody(
      `${documentStart('Log', display)}${logPageStart(log)}`,
      reported,
      c.req.raw.signal,
    );
    parts.waitUntil?.(sent);
    return c.body(body);
  });

  app.get('/logs/counts', requireRight(parts, 'read'), async (c) => {
    const display = displayOptionsOf(c);
    const pageQuery = readPageQuery(queryOf(c), display.now_ms, display.zone);
    const counted = await countWithin(counts_timeout_ms.fragment, parts, pageQuery, display);
    return c.html(countsFragment(counted ?? noCounts, pageQuery, display));
  });

  app.get('/logs/:id{[0-9]+}', requireRight(parts, 'read'), async (c) => {
    const id = Number(c.req.param('id'));
    const [entry, newest] = Number.isSafeInteger(id) ? await Promise.all([store.one(id), store.head()]) : [null, 0];
    if (!entry) throw new Problem(404, `There is no event ${c.req.param('id')} in this log.`);
    const display = displayOptionsOf(c);
    const links = linksOfEvent(c, parts, entry);
    if (isFragment(c))
      return c.html(html`${eventDetails(entry, links, browserQuery(c, display), display, true)}${clearProblem()}`);
    return c.html(eventPage(entry, links, newest, readerOf(c, parts), display));
  });

  for (const path of ['', '/counts', '/:id{[0-9]+}']) allowMethods(app, `/logs${path}`, 'GET');
}

/**
 * Turns ids of rows into cursors: `before=e55` (viewer.js knows the ids of the rows in the page) and `around=55`, which
 * asks for the page with this event in the middle. Returns the id of the event in the middle, or null.
 */
async function resolveCursor({ store }: Parts, paging: URLSearchParams, filter: Filter): Promise<number | null> {
  const around = wholeNumber('around', paging.get('around') || null, 0, 1, Number.MAX_SAFE_INTEGER);
  const middle = around ? await store.one(around) : null;
  if (middle) {
    const n_newer = Math.ceil(readPage(paging).limit / 2) + 1;
    const after = { ms: Date.parse(middle.timestamp), id: middle.id };
    const { logs, searched } = await store.page(filter, { limit: n_newer, offset: 0, before: null, after });
    const first = logs.length === n_newer ? logs[0] : searched;
    if (first) paging.set('before', writeCursor(first));
    return middle.id;
  }
  const id = /^e(\d{1,15})$/.exec(paging.get('before') ?? '')?.[1];
  const entry = id ? await store.one(Number(id)) : null;
  if (entry) paging.set('before', writeCursor(entry));
  return null;
}

const canonicalAddress = ({ query }: PageQuery, live: boolean) => {
  const to = new URLSearchParams(query);
  if (live) to.set('live', '1');
  return logHref(to);
};

/** Responds with the parts of the page that changed and with the URL that they belong to. */
function respondWithFragment(c: Context<Env>, log: LogPage): Response | Promise<Response> {
  if (c.req.header('HX-Source')?.endsWith('#more')) return respondWithOlderRows(c, log);
  const by = c.req.header('HX-Source') ?? '';
  const source: RequestSource = by === 'form#query' ? 'line' : by.startsWith('a#bar-') ? 'bar' : 'other';
  const address = canonicalAddress(log.pageQuery, log.live);
  const before = withLimit(browserAddress(c), null);
  // Only a submitted search becomes a history entry; otherwise each keystroke would be one.
  const isStep = !(source === 'line' && !queryOf(c).has('show')) && before !== address;
  c.header(isStep ? 'hx-push-url' : 'hx-replace-url', address);
  return c.html(logFragment(log, source));
}

/**
 * Older rows below those in the page. The address gets the number of rows: Back and a reload then have as many, and the
 * browser finds its scroll position again.
 */
function respondWithOlderRows(c: Context<Env>, log: LogPage): Response | Promise<Response> {
  const address = browserAddress(c);
  const shown = new URLSearchParams(address.split('?')[1]);
  const n_rows = Number(shown.get('limit') ?? page_rows) + log.logs.length;
  // Around an event, a longer page would begin with other rows.
  if (n_rows <= pageLimits.limit_max && address.startsWith('/logs') && !shown.has('around'))
    c.header('hx-replace-url', withLimit(address, n_rows));
  return c.html(olderRows(log));
}

/** An address with this limit, or without any. */
function withLimit(address: string, limit: number | null): string {
  const [path = '', search] = address.split('?');
  const query = new URLSearchParams(search);
  query.delete('limit');
  if (limit !== null) query.set('limit', String(limit));
  return query.size > 0 ? `${path}?${query}` : path;
}

/** The URL in the browser's address bar; htmx sends it as a header. */
const browserAddress = (c: Context): string => pathOf(c.req.header('HX-Current-URL'));

/** The query of the page on which a row was opened. The links in the row's details extend this query. */
function browserQuery(c: Context, { now_ms, zone }: ReturnType<typeof displayOptionsOf>): URLSearchParams {
  const [path, search = ''] = browserAddress(c).split('?');
  try {
    return path === '/logs' ? readPageQuery(new URLSearchParams(search), now_ms, zone).query : new URLSearchParams();
  } catch {
    return new URLSearchParams();
  }
}

/**
 * A body that is sent in two parts, and a promise that resolves when it has been sent. The second part starts after a
 * short pause: the embedded database blocks the event loop, so the first part would not be sent before it.
 */
function twoPartBody(first: string, second: () => Promise<string>, disconnected: AbortSignal) {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const send = async () => {
    await writer.write(encoder.encode(first));
    await pause(second_part_delay_ms, disconnected);
    await writer.write(encoder.encode(await second()));
    await writer.close();
  };
  // Only writing to a client that has disconnected fails here: `second` reports the service's own errors.
  const sent = send().catch((error) => writer.abort(error).catch(() => {}));
  return { body: readable, sent };
}
