/** The routes of the live page: the start/stop control, the stream of rows, and the events that the stream skipped. */
import type { Context, MiddlewareHandler } from 'hono';
import { startOf } from '../api/follow.ts';
import { sseHeaders, sseResponse } from '../api/follow-sse.ts';
import { usesTls } from '../auth/cookie.ts';
import { pathOf, signInUrl } from '../auth/return-path.ts';
import { badField, problemOf } from '../http/problem.ts';
import { queryOf } from '../http/request.ts';
import { sseMessage } from '../http/sse.ts';
import { type Filter, readFilter, writeFilter } from '../log/filter.ts';
import { wholeNumber } from '../log/paging.ts';
import { positionOf, readPosition, writePosition } from '../log/position.ts';
import type { Entry } from '../log/schema.ts';
import type { Store } from '../log/store.ts';
import type { Tail } from '../log/tail.ts';
import { displayOptionsOf } from '../page/display-options.ts';
import type { DisplayOptions } from '../page/format.ts';
import { logHref } from '../page/links.ts';
import { type App, allowMethods, type Env, forwardToFollower, type Parts, requireRight } from '../parts.ts';
import { inBatches } from './live-batching.ts';
import { type PageQuery, type Range, readPageQuery, relativeRanges } from './page-query.ts';
import { streamLimit, streams_per_session_max } from './stream-limit.ts';
import { endOfStream, type Gap, liveControl, liveRow, liveRows, message_rows_max } from './views/live.ts';
import { skippedEventsFragment, skippedEventsPage } from './views/skipped-events.ts';

export const liveLimits = {
  /** A page that missed more ids than this receives the newest ones and a link to the others. */
  behind_ids_max: 2_000,
  newest_ids: 200,
  /** The most rows that one click on a link to skipped events inserts. */
  between_rows_max: 200,
  /** The most reads per click. A rare filter may need more; the rest remains a link. */
  between_reads_max: 20,
} as const;

export function liveRoutes(app: App, parts: Parts): void {
  const { store } = parts;
  const limitStreams = streamLimit();

  app.get('/logs/live', requireRight(parts, 'read'), async (c) => {
    const query = queryOf(c);
    const display = displayOptionsOf(c);
    const pageQuery = readPageQuery(query, display.now_ms, display.zone);
    const on = query.get('on');
    if (on !== '0' && on !== '1') throw badField('on', 'must be 0 or 1');
    const text = query.get('after');
    const position = text ? readPosition(text) : await store.newest();
    if (!position) throw badField('after', 'must be the id of an event');
    const to = new URLSearchParams(pageQuery.query);
    if (on === '1') to.set('live', '1');
    c.header('hx-replace-url', logHref(to));
    return c.html(liveControl(pageQuery, writePosition(position), on === '1', parts.limits.HEARTBEAT_MS, true));
  });

  app.get('/logs/stream', signedOutInStream(requireRight(parts, 'read')), forwardToFollower(parts), async (c) => {
    const display = displayOptionsOf(c);
    const pageQuery = readPageQuery(queryOf(c), display.now_ms, display.zone);
    const start = await startOf(c, parts);
    const filter = streamFilter(pageQuery);
    const missed = backlogOf(pageQuery, start.id, await store.head());
    const tail = inBatches(missed ? startingAfter(parts.tail, missed.upto) : parts.tail);
    return sseResponse(
      c,
      { ...parts, tail },
      filter,
      start,
      `html ${display.zone} ${pageQuery.range.last}`,
      messagesOf(pageQuery, display, missed),
      signedOutMessage(c),
      (close, signal) => {
        const { session } = c.get('principal');
        if (session && !usesTls(c, parts.limits.PUBLIC_URL))
          limitStreams(
            session,
            () => {
              parts.meter.cuts.too_many += 1;
              close(tooManyMessage(c));
            },
            signal,
          );
      },
    );
  });

  app.get('/logs/between', requireRight(parts, 'read'), async (c) => {
    const query = queryOf(c);
    const display = displayOptionsOf(c);
    const [after, upto] = ['after', 'upto'].map((key) =>
      wholeNumber(key, query.get(key), 0, 0, Number.MAX_SAFE_INTEGER),
    ) as [number, number];
    const n = query.get('n') ? wholeNumber('n', query.get('n'), 0, 0, Number.MAX_SAFE_INTEGER) : null;
    for (const key of ['upto', 'n']) query.delete(key);
    const pageQuery = readPageQuery(query, display.now_ms, display.zone);
    const { entries, gap } = await readSkipped(store, pageQuery, { after, upto, n });
    const markup = c.req.header('hx-request') ? skippedEventsFragment : skippedEventsPage;
    return c.html(markup({ entries, gap, pageQuery, display }));
  });

  for (const path of ['live', 'stream', 'between']) allowMethods(app, `/logs/${path}`, 'GET');
}

/** The message that replaces the live control after a sign-out. Its link returns to the current page after signing in. */
const signedOutMessage = (c: Context): string =>
  sseMessage({ data: endOfStream('Signed out.', signInUrl(pathOf(c.req.header('hx-current-url'))), 'Sign in') });

/** The message for the oldest live page of a browser that has too many. Its link starts live there again. */
const tooManyMessage = (c: Context): string => {
  const why = `Live stopped: it runs in ${streams_per_session_max} newer windows, and without HTTPS a browser has no connection for more.`;
  return sseMessage({ data: endOfStream(why, pathOf(c.req.header('hx-current-url')), 'Start live here') });
};

/**
 * Turns a 401 of the access check into a stream with one message: "Signed out". htmx's SSE extension treats a 401 as an
 * outage and would reconnect for ever.
 */
const signedOutInStream =
  (accessCheck: MiddlewareHandler<Env>): MiddlewareHandler<Env> =>
  async (c, next) => {
    let hasAccess = false;
    const nextWithAccess = () => {
      hasAccess = true;
      return next();
    };
    try {
      return await accessCheck(c, nextWithAccess);
    } catch (error) {
      if (hasAccess || !c.req.header('hx-request') || problemOf(error).status !== 401) throw error;
      return c.body(signedOutMessage(c), 200, sseHeaders);
    }
  };

/**
 * What a stream follows. A relative range ends now and moves with the clock: its start is compared when a row arrives.
 * A start that is fixed when the stream opens would hide every new event after the clock was set back.
 */
const streamFilter = ({ filter, terms, range }: PageQuery): Filter =>
  range.last ? readFilter(writeFilter(terms)) : filter;

/** Whether an event is in the relative range of a page, which ends now. */
const isInRange = ({ timestamp }: Entry, { last }: Range): boolean =>
  !last || Date.parse(timestamp) >= Date.now() - relativeRanges[last];

/**
 * The events to skip when a page missed too many, or null. The log is not read for this, so the count is known only
 * without a filter.
 */
function backlogOf({ filter }: PageQuery, after: number, head: number): Gap | null {
  if (head - after <= liveLimits.behind_ids_max) return null;
  const upto = head - liveLimits.newest_ids;
  return { after, upto, n: filter.where ? null : upto - after };
}

/** A tail that starts after `upto`: its first batch is empty and moves the cursor there. */
const startingAfter = (tail: Tail, upto: number): Tail => ({
  ...tail,
  async *follow(_after, filter, signal) {
    yield { entries: [], cursor: upto, at_ms: null, as: (_form, make) => make([]) };
    yield* tail.follow(upto, filter, signal);
  },
});

/** Cache of rendered rows, by entry and time zone: followers in the same zone share one rendering. */
const rendered = new WeakMap<Entry, Map<string, string>>();
function renderedRow(entry: Entry, display: DisplayOptions): string {
  const forms = rendered.get(entry) ?? new Map<string, string>();
  rendered.set(entry, forms);
  const known = forms.get(display.zone) ?? liveRow(entry, { ...display, now_ms: Date.now() });
  forms.set(display.zone, known);
  return known;
}

/**
 * Renders a batch as one message: the newest rows, and a count of the rows that were left out. The message's id is the
 * position from which a reconnect continues.
 */
function messagesOf({ query, range }: PageQuery, display: DisplayOptions, missed: Gap | null) {
  let first = missed;
  return (batch: Entry[]): string[] => {
    const entries = batch.filter((entry) => isInRange(entry, range));
    const before = first;
    first = null;
    const n_skipped = Math.max(0, entries.length - message_rows_max);
    const [oldest, lastSkipped] = [entries[0], entries[n_skipped - 1]];
    const gap = oldest && lastSkipped ? { after: oldest.id - 1, upto: lastSkipped.id, n: n_skipped } : before;
    const rows = entries
      .slice(n_skipped)
      .toReversed()
      .map((entry) => renderedRow(entry, display));
    const newest = entries.at(-1);
    const id = newest ? writePosition(positionOf(newest)) : before && String(before.upto);
    if (rows.length === 0 && !gap) return [];
    return [sseMessage({ ...(id && { id }), data: liveRows(rows, gap, query) })];
  };
}

/** Reads the oldest skipped events between two ids, up to the row limit. Returns them and the gap that remains. */
async function readSkipped(store: Store, { filter }: PageQuery, { after, upto, n }: Gap) {
  const entries: Entry[] = [];
  let cursor = after;
  for (let reads = 0; cursor < upto && reads < liveLimits.between_reads_max; reads++) {
    const room = liveLimits.between_rows_max - entries.length;
    if (room === 0) break;
    const read = await store.since(cursor, filter, { rows_max: room });
    entries.push(...read.entries.filter(({ id }) => id <= upto));
    if (read.cursor === cursor) break;
    cursor = read.cursor;
  }
  const isWhole = cursor >= upto;
  return {
    entries,
    gap: isWhole ? null : { after: cursor, upto, n: n === null ? null : Math.max(1, n - entries.length) },
  };
}
