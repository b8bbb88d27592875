/** POST /api/logs, and the log as JSON, as counts and as files. */
import type { Context } from 'hono';
import { clientHasEtag, currentMinute, etagOf, notModified, withEtag } from '../http/conditional.ts';
import { shortDigest } from '../http/digest.ts';
import { badField, type Fault, Problem } from '../http/problem.ts';
import { queryOf, readText } from '../http/request.ts';
import { textStream } from '../http/stream.ts';
import type { Appended } from '../log/append-queue.ts';
import { type NewEntry, readEntry } from '../log/entry.ts';
import { type Filter, readFilter, writeFilter } from '../log/filter.ts';
import { readPage, writeCursor } from '../log/paging.ts';
import type { Entry } from '../log/schema.ts';
import { type App, allowMethods, type Env, isTrustedOrigin, type Parts, requireRight } from '../parts.ts';
import { formats } from './export-formats.ts';

export const requestLimits = {
  events_max: 1_000,
  /** A thousand bad items need not be listed one by one. */
  faults_max: 100,
} as const;

const jsonTypes = ['application/json'];
const ndjsonTypes = ['application/x-ndjson', 'application/ndjson', 'application/jsonl'];

export function entryRoutes(app: App, parts: Parts): void {
  const { store, tail } = parts;

  app.post('/api/logs', requireRight(parts, 'write'), async (c) => {
    if (!isTrustedOrigin(c, parts.limits))
      throw new Problem(403, 'Events are not accepted from the pages of other sites.');
    const { items, single } = await readItems(c, parts.limits.BODY_BYTES_MAX);
    const appended = await store.append(checkItems(items));
    tail.notifyAppended(Math.max(...appended.map(({ entry }) => entry.id)));
    const status = appended.every(({ duplicate }) => duplicate) ? 200 : 201;
    return single ? answerOne(c, appended, status) : answerMany(c, appended, status);
  });

  app.get('/api/logs', requireRight(parts, 'read'), async (c) => {
    const query = queryOf(c);
    const filter = readFilter(query, ['limit', 'offset', 'before', 'after']);
    const page = readPage(query);
    const head = await store.head();
    const tag = await etagOf(c, head, filter.key, page);
    if (clientHasEtag(c, tag)) return notModified(c, tag);
    const [found, total] = await Promise.all([store.page(filter, page), store.total(filter, head)]);
    const { logs } = found;
    const link = (rel: string, place: 'before' | 'after' | null, entry?: Entry) => {
      const to = writeFilter(filter.terms);
      to.set('limit', String(page.limit));
      if (place && entry) to.set(place, writeCursor(entry));
      return `</api/logs?${to}>; rel="${rel}"`;
    };
    const links = [link('first', null)];
    if (found.hasNewer) links.push(link('prev', 'after', logs[0]));
    if (found.hasOlder) links.push(link('next', 'before', logs.at(-1)));
    if (logs.length > 0) c.header('link', links.join(', '));
    return withEtag(c, tag).json({ logs, ...total, limit: page.limit, offset: page.offset });
  });

  app.get('/api/logs/stats', requireRight(parts, 'read'), async (c) => {
    const filter = readFilter(queryOf(c));
    const tag = await etagOf(c, currentMinute(), await store.head(), filter.key);
    if (clientHasEtag(c, tag)) return notModified(c, tag);
    const stats = await store.stats(filter);
    return withEtag(c, tag).json(stats);
  });

  app.get('/api/logs/export', requireRight(parts, 'export'), async (c) => {
    const query = queryOf(c);
    const filter = readFilter(query, ['format']);
    const name = query.get('format') || 'csv';
    if (!isFormat(name)) throw badField('format', `must be one of ${Object.keys(formats).join(', ')}`);
    // Before the first byte: a database that is away is then a 503 and not an empty file.
    const upto = await store.head();
    const headers = {
      'content-type': formats[name].type,
      'content-disposition': `attachment; filename="${await fileName(filter, upto)}.${name}"`,
      'x-accel-buffering': 'no',
    };
    // Nobody reads the body of a HEAD: what is opened for it would stay open.
    if (c.req.method === 'HEAD') return c.body(null, 200, headers);
    const { write, truncation_mark: cut } = formats[name];
    const report = (error: unknown) => parts.report('an export was cut off', error);
    const body = textStream(write(store.exportPages(filter, upto)), {
      cut,
      errors_show: parts.body_errors_visible,
      report,
    });
    return c.body(body, 200, headers);
  });

  app.get('/api/logs/:id{[0-9]+}', requireRight(parts, 'read'), async (c) => {
    const id = Number(c.req.param('id'));
    const tag = await etagOf(c);
    // Ids are dense: up to the newest every one is there.
    if (clientHasEtag(c, tag) && id > 0 && id <= (await store.head())) return notModified(c, tag);
    const entry = Number.isSafeInteger(id) ? await store.one(id) : null;
    if (!entry) throw new Problem(404, 'There is no event with this id.');
    return withEtag(c, tag).json(entry);
  });

  allowMethods(app, '/api/logs', 'GET', 'POST');
  for (const path of ['stats', 'export', ':id{[0-9]+}']) allowMethods(app, `/api/logs/${path}`, 'GET');
}

/**
 * What is in a file, by its name: when it was taken, the days asked for, a digest of all that was asked, and the newest
 * event that there was. Two files of one name hold the same.
 */
async function fileName({ terms, key }: Filter, upto: number): Promise<string> {
  const dayOf = (bound: string) =>
    /^\d{4}-\d\d-\d\d/.exec(terms.find((term) => term.key === bound)?.values[0] ?? '')?.[0];
  const [from, to] = [dayOf('start_date'), dayOf('end_date')];
  return [
    'edgetrail',
    new Date().toISOString().slice(0, 10),
    ...(from ? ['from', from] : []),
    ...(to ? ['to', to] : []),
    ...(key ? [await shortDigest(key, name_digest_bytes)] : []),
    `upto-${upto}`,
  ].join('-');
}
const name_digest_bytes = 4;

const isFormat = (name: string): name is keyof typeof formats => Object.hasOwn(formats, name);

/** The events of a body as parsed JSON, unchecked. Throws 400, 413 or 415. */
async function readItems(c: Context<Env>, bytes_max: number): Promise<{ items: unknown[]; single: boolean }> {
  const type = contentType(c);
  const text = await readText(c, bytes_max);
  const body = ndjsonTypes.includes(type) ? parseLines(text) : parseJson(text, 'The body');
  const items = Array.isArray(body) ? body : [body];
  if (items.length === 0) throw new Problem(422, 'There is no event in the body.');
  if (items.length > requestLimits.events_max)
    throw new Problem(
      413,
      `A request may carry at most ${requestLimits.events_max} events; this one has ${items.length}.`,
    );
  return { items, single: !Array.isArray(body) };
}

function contentType(c: Context<Env>): string {
  const [type = '', ...parameters] = (c.req.header('content-type') ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  const charset =
    parameters.find((parameter) => parameter.startsWith('charset='))?.replace(/^charset="?|"$/g, '') ?? 'utf-8';
  const encoding = c.req.header('content-encoding') ?? 'identity';
  // JSON in a form's text/plain would let any site's page write with a visitor's credentials.
  if (![...jsonTypes, ...ndjsonTypes].includes(type) || !/^(utf-?8|us-ascii)$/.test(charset) || encoding !== 'identity')
    throw new Problem(415, 'Send application/json or application/x-ndjson in UTF-8, not compressed.', {
      headers: { 'accept-post': [...jsonTypes, ...ndjsonTypes].join(', ') },
    });
  return type;
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem(400, `${what} is not JSON.`);
  }
}

const parseLines = (text: string): unknown[] =>
  text.split('\n').flatMap((line, i) => (line.trim() === '' ? [] : [parseJson(line, `Line ${i + 1} of the body`)]));

/** Every item as an event; throws a 422 that names the index, field and reason of each fault. */
function checkItems(items: unknown[]): NewEntry[] {
  const entries: NewEntry[] = [];
  const faults: Fault[] = [];
  for (const [index, item] of items.entries()) {
    const read = readEntry(item);
    if ('entry' in read) entries.push(read.entry);
    else faults.push(...read.faults.map((fault) => ({ index, ...fault })));
    if (faults.length >= requestLimits.faults_max) break;
  }
  const [first] = faults;
  if (first) {
    const more = faults.length > 1 ? ` and ${faults.length - 1} more` : '';
    throw new Problem(
      422,
      `Nothing was stored: event ${first.index}, ${first.field || 'as a whole'}: ${first.reason}${more}.`,
      { errors: faults },
    );
  }
  return entries;
}

function answerOne(c: Context<Env>, [appended]: Appended[], status: 200 | 201): Response {
  if (!appended) throw new Error('an append of one event answered with none');
  c.header('location', `/api/logs/${appended.entry.id}`);
  return c.json(appended.duplicate ? { ...appended.entry, duplicate: true } : appended.entry, status);
}

function answerMany(c: Context<Env>, appended: Appended[], status: 200 | 201): Response {
  const duplicates = appended.flatMap(({ duplicate }, index) => (duplicate ? [index] : []));
  const logs = appended.map(({ entry }) => entry);
  return c.json({ logs, count: logs.length, ...(duplicates.length > 0 && { duplicates }) }, status);
}
