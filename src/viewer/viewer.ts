/** The log for people: /logs, its counts, and the page of one event. */
import type { Context } from 'hono';
import { html } from 'hono/html';
import { pathOf } from '../auth/return-path.ts';
import { clientHasEtag, currentMinute, etagOf, notModified, withEtag } from '../http/conditional.ts';
import { pause } from '../http/pause.ts';
import { Problem } from '../http/problem.ts';
import { queryOf } from '../http/request.ts';
import { readPage, writeCursor } from '../log/paging.ts';
import { closing, opening } from '../page/layout.ts';
import { pageOf } from '../page/links.ts';
import { lookOf, lookRoutes } from '../page/look.ts';
import type { Reader } from '../page/shell.ts';
import { type App, allowMethods, type Env, type Parts, requireRight } from '../parts.ts';
import { countWithin, isWhole, nothingCounted } from './counting.ts';
import { isFromForm, type Question, readQuestion } from './question.ts';
import { viewerLiveRoutes } from './viewer-live.ts';
import { countsFragment, countsSection } from './views/counts.ts';
import { details } from './views/details.ts';
import { eventPage } from './views/event.ts';
import { type LogPage, logBeginning, logEnd, logFragment, moreRows, noProblem, type Source } from './views/log.ts';

const page_rows = '50';
/** How long the end of a page waits for its counts, and a fragment of nothing else. */
const counts_ms_max = { page: 700, fragment: 8_000 } as const;

/** With it htmx says whether it wants a part of the page. */
const fragment = 'HX-Request-Type';
const isFragment = (c: Context) => c.req.header(fragment) === 'partial';

const moment_ms = 2;

const encoder = new TextEncoder();

export function viewerRoutes(app: App, parts: Parts): void {
  const { store } = parts;
  viewerLiveRoutes(app, parts);
  lookRoutes(app, parts);

  app.get('/logs', requireRight(parts, 'read'), async (c) => {
    const look = lookOf(c);
    const asked = queryOf(c);
    const question = readQuestion(asked, look.now_ms, look.zone);
    const { filter } = question;
    const live = asked.get('live') === '1';
    if (isFromForm(asked) && !isFragment(c)) return c.redirect(addressOf(question, live), 303);
    const place = new URLSearchParams(asked);
    if (!place.get('limit')) place.set('limit', page_rows);
    await resolvePlace(parts, place);
    const page = readPage(place);
    const who = readerOf(c);
    // Before the rows: what comes in between is then pushed again rather than missed.
    const head = await store.head();
    const tag = await etagOf(c, currentMinute(), head, asked.toString(), live, who, look.theme, look.zone);
    if (!isFragment(c) && clientHasEtag(c, tag)) return notModified(c, tag, [fragment]);
    const found = await store.page(filter, page);
    // What is on the page need not be pushed: ids are in the order of commits, so all up to its newest was there.
    const after = Math.max(head, ...found.logs.map(({ id }) => id));
    const { origin } = new URL(parts.limits.PUBLIC_URL || c.req.url);
    const log: LogPage = {
      ...found,
      question,
      after,
      live,
      who,
      look,
      origin,
      heartbeat_ms: parts.limits.HEARTBEAT_MS,
    };
    if (isFragment(c)) return answerPart(c, log);
    withEtag(c, tag, [fragment]);
    c.header('content-type', 'text/html; charset=UTF-8');
    if (c.req.method === 'HEAD') return c.body(null);
    const rest = async () => {
      const counted = await countWithin(counts_ms_max.page, parts, question, look.now_ms, head);
      const counts = countsSection(counted ?? nothingCounted, question, look);
      return `${logEnd(counts, question, !isWhole(counted))}${closing()}`;
    };
    const reported = () =>
      rest().catch((error) => {
        parts.report('a page broke off', error);
        throw error;
      });
    const { body, sent } = twoPartBody(`${opening('Log', look)}${logBeginning(log)}`, reported, c.req.raw.signal);
    parts.waitUntil?.(sent);
    return c.body(body);
  });

  app.get('/logs/counts', requireRight(parts, 'read'), async (c) => {
    const look = lookOf(c);
    const question = readQuestion(queryOf(c), look.now_ms, look.zone);
    const counted = await countWithin(counts_ms_max.fragment, parts, question, look.now_ms);
    return c.html(countsFragment(counted ?? nothingCounted, question, look));
  });

  app.get('/logs/:id{[0-9]+}', requireRight(parts, 'read'), async (c) => {
    const id = Number(c.req.param('id'));
    const [entry, newest] = Number.isSafeInteger(id) ? await Promise.all([store.one(id), store.head()]) : [null, 0];
    if (!entry) throw new Problem(404, `There is no event ${c.req.param('id')} in this log.`);
    const look = lookOf(c);
    if (isFragment(c)) return c.html(html`${details(entry, shownTo(c, look), look, true)}${noProblem()}`);
    return c.html(eventPage(entry, newest, readerOf(c), look));
  });

  for (const path of ['', '/counts', '/:id{[0-9]+}']) allowMethods(app, `/logs${path}`, 'GET');
}

/** viewer.js names the row below which to go on by its id in the page, `e55`; what is read is a place in time. */
async function resolvePlace({ store }: Parts, place: URLSearchParams): Promise<void> {
  const id = /^e(\d{1,15})$/.exec(place.get('before') ?? '')?.[1];
  const entry = id ? await store.one(Number(id)) : null;
  if (entry) place.set('before', writeCursor(entry));
}

const readerOf = (c: Context<Env>): Reader => {
  const { name, rights, session } = c.get('principal');
  return { name, mayExport: rights.includes('export'), bySession: session !== undefined };
};

const addressOf = ({ query }: Question, live: boolean) => {
  const to = new URLSearchParams(query);
  if (live) to.set('live', '1');
  return pageOf(to);
};

/** The parts of the page that changed, and the address that they belong to. */
function answerPart(c: Context<Env>, log: LogPage): Response | Promise<Response> {
  if (c.req.header('HX-Source')?.endsWith('#more')) return c.html(moreRows(log));
  const by = c.req.header('HX-Source') ?? '';
  const source: Source = by === 'form#query' ? 'line' : by.startsWith('a#bar-') ? 'bar' : 'other';
  const address = addressOf(log.question, log.live);
  const before = shownAddress(c);
  // Each keystroke would be a step for Back otherwise: only what was sent is.
  const isStep = !(source === 'line' && !queryOf(c).has('show')) && before !== address;
  c.header(isStep ? 'hx-push-url' : 'hx-replace-url', address);
  return c.html(logFragment(log, source));
}

/** The address in the browser's bar, as htmx tells it. */
const shownAddress = (c: Context): string => pathOf(c.req.header('HX-Current-URL'));

/** What the page asks on which a row was opened: its values are added to that. */
function shownTo(c: Context, { now_ms, zone }: ReturnType<typeof lookOf>): URLSearchParams {
  const [path, search = ''] = shownAddress(c).split('?');
  try {
    return path === '/logs' ? readQuestion(new URLSearchParams(search), now_ms, zone).query : new URLSearchParams();
  } catch {
    return new URLSearchParams();
  }
}

/**
 * A body that is sent in two pieces, and when it has been. The second is begun a moment after the first: the embedded
 * database leaves nobody else the time to send anything.
 */
function twoPartBody(first: string, second: () => Promise<string>, left: AbortSignal) {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const send = async () => {
    await writer.write(encoder.encode(first));
    await pause(moment_ms, left);
    await writer.write(encoder.encode(await second()));
    await writer.close();
  };
  // What fails here is the writing, to who has left: `second` reports what is our own fault.
  const sent = send().catch((error) => writer.abort(error).catch(() => {}));
  return { body: readable, sent };
}
