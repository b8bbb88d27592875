/** Pages of the list whose filter takes too long: whatever the plan, following the cursors returns what one statement does. */

import { upgradeWebSocket } from '@hono/node-server';
import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { createApp } from '../../src/app.ts';
import { createAuth } from '../../src/auth/auth.ts';
import { createSessions } from '../../src/auth/session.ts';
import { createMeter } from '../../src/http/meter.ts';
import { version } from '../../src/http/version.ts';
import { readEntry } from '../../src/log/entry.ts';
import { readFilter } from '../../src/log/filter.ts';
import { type ListLimits, listLimits, listOf } from '../../src/log/list.ts';
import { unrecorded } from '../../src/log/own-events.ts';
import { type Page, readPage, writeCursor } from '../../src/log/paging.ts';
import type { Reads } from '../../src/log/reads.ts';
import { createStore } from '../../src/log/store.ts';
import { createTail } from '../../src/log/tail.ts';
import { gunzip } from '../../src/runtime/gunzip.ts';
import { openPglite } from '../../src/runtime/pglite.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { scrypt } from '../../src/runtime/scrypt.ts';
import { sha256 } from '../../src/runtime/sha256.ts';
import { readSettings, usersOf } from '../../src/settings.ts';
import { credentials, databases, freshDatabase } from '../support/harness.ts';
import { nowhere } from '../support/nowhere.ts';

const n_events = 450;
const start = Date.parse('2026-03-01T00:00:00Z');

/** Events over three months with equal times, some of them late; the word `old` is only in the first. */
const events = Array.from({ length: n_events }, (_, i) => {
  const read = readEntry({
    event_type: i % 10 === 0 ? 'DELETE' : 'UPDATE',
    entity_type: i % 3 === 0 ? 'order' : 'customer',
    entity_id: `${i % 40}`,
    user_id: i % 7 === 0 ? undefined : `u${i % 5}`,
    service: 'shop',
    description: i < 30 ? `an old order ${i}` : i % 4 === 0 ? 'late delivery' : undefined,
    metadata: { n: i % 6, deep: { at: `${i % 2}` } },
    timestamp: new Date(start + Math.floor(i / 3) * 13_000_000 - (i % 11 === 0 ? 90_000_000 : 0)).toISOString(),
  });
  if ('faults' in read) throw new Error(JSON.stringify(read.faults));
  return read.entry;
});

/** Filters of which no index returns the entries in order. */
const filters = [
  'search=old',
  'search=nowhere',
  'search=e',
  'search!=late&search!=old',
  'event_type=DELETE&entity_type=order',
  'event_type=DELETE&event_type=UPDATE',
  'entity_id=7&user_id!=u1',
  'service=shop&user_id!=u1',
  'metadata.n=3',
  'metadata.deep.at!=1',
  'search=late&start_date=2026-03-20&end_date=2026-05-01',
];

/** Limits that force one way to read: no way but windows, each in its own page. */
const never = { short_rows_max: 0, rare_rows_max: 0 };
const windows: ListLimits = { ...listLimits, ...never, windows_ms_max: 0, window_rows_first: 40, window_rows_min: 40 };
const collecting: ListLimits = { ...listLimits, short_rows_max: 0, rare_rows_max: n_events };
const oneStatement: ListLimits = { ...listLimits, short_rows_max: n_events };

async function openLog(name: (typeof databases)[number]) {
  const place = await freshDatabase(name);
  const open = 'DATA_DIR' in place ? await openPglite(place.DATA_DIR) : openPostgres(place.DATABASE_URL, 3);
  afterAll(open.close);
  const store = createStore(open.db, open.reads);
  for (let i = 0; i < n_events; i += 150) await store.append(events.slice(i, i + 150));
  // Without deadlines the way to read is chosen by the limits, and not by how busy the machine is.
  const reads: Reads = Object.assign(<T>(run: Parameters<typeof open.reads<T>>[0]) => open.reads(run), {
    deadline_ms: null,
  });
  const list = (limits: ListLimits) => listOf(reads, store.head, limits);
  return { open, store, list };
}

const pageOf = (query: string): Page => readPage(new URLSearchParams(query));
const filterOf = (query: string) => readFilter(new URLSearchParams(query));

describe('the plan of a search', async () => {
  const { open } = await openLog('postgres');

  /** The plan where every other one than by an index is expensive. */
  const planOf = (query: string): Promise<string> =>
    open.reads((db) =>
      db.transaction(async (tx) => {
        await tx.execute(sql`set local enable_seqscan = off`);
        const rows: unknown = await tx.execute(sql`explain select from activity_logs where ${filterOf(query).where}`);
        return JSON.stringify(rows);
      }),
    );

  it.each([
    'search=x',
    'search=zq',
    'search=a-b',
    'search=...',
    'search=%20%20%20',
    'search=a%20b%20c%20d',
    'search=%C3%A9%C3%A9%C3%A9',
  ])('%s: reads no index, because no trigram narrows it', async (query) =>
    expect(await planOf(query)).not.toContain('description_idx'),
  );

  it.each(['search=old', 'search=x&search=late', 'search=%C3%BCber'])('%s: uses the index', async (query) =>
    expect(await planOf(query)).toContain('description_idx'),
  );
});

describe.each(databases)('a filter without an index that orders its entries, on %s', async (name) => {
  const { open, store, list } = await openLog(name);
  const all = list(oneStatement);
  const idsOf = async (filter: string) =>
    (await all.page(filterOf(filter), pageOf('limit=1000'))).logs.map(({ id }) => id);

  /** Follows the cursors from one end to the other; returns the ids in that order and the number of pages. */
  async function followed(limits: ListLimits, filter: string, limit: number, way: 'before' | 'after', from = '') {
    const ids: number[] = [];
    let place = from;
    for (let n = 1; ; n++) {
      const found = await list(limits).page(filterOf(filter), pageOf(`limit=${limit}${place && `&${way}=${place}`}`));
      const page = found.logs.map(({ id }) => id);
      ids.push(...(way === 'before' ? page : page.toReversed()));
      if (!(way === 'before' ? found.hasOlder : found.hasNewer)) return { ids, n };
      const next = found.searched ?? found.logs.at(way === 'before' ? -1 : 0);
      if (!next) throw new Error('a page without rows and without a cursor');
      place = writeCursor(next);
    }
  }

  it.each(filters)('%s: windows return every match once, in order', async (filter) => {
    const expected = await idsOf(filter);
    const { ids, n } = await followed(windows, filter, 25, 'before');
    expect(ids).toEqual(expected);
    expect(n).toBeGreaterThan(filter.includes('start_date') ? 2 : n_events / 40 - 1);
  });

  it.each(filters)('%s: windows return every match once, in the other direction', async (filter) => {
    const expected = await idsOf(filter);
    const oldest = (await all.page(filterOf(''), pageOf('limit=1000'))).logs.at(-1);
    const { ids } = await followed(windows, filter, 25, 'after', oldest && writeCursor(oldest));
    // A cursor excludes its own entry.
    expect(ids).toEqual(expected.toReversed().filter((id) => id !== oldest?.id));
  });

  it.each(filters)('%s: matches that are collected and sorted are the same', async (filter) => {
    expect((await followed(collecting, filter, 300, 'before')).ids).toEqual(await idsOf(filter));
  });

  it('any page size and any number of entries in a window return the same', async () => {
    const expected = new Map(await Promise.all(filters.map(async (filter) => [filter, await idsOf(filter)] as const)));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...filters),
        fc.integer({ min: 20, max: 300 }),
        fc.integer({ min: 30, max: 1_000 }),
        fc.constantFrom(0, 1, 1_000),
        async (filter, limit, size, windows_ms_max) => {
          const limits = { ...windows, window_rows_first: size, window_rows_min: Math.min(size, 40), windows_ms_max };
          expect((await followed(limits, filter, limit, 'before')).ids).toEqual(expected.get(filter));
        },
      ),
      { numRuns: 8 },
    );
  });

  it('an offset counts the matches and not the windows', async () => {
    const limits = { ...windows, windows_ms_max: 10_000 };
    const { logs } = await list(limits).page(filterOf('search=late'), pageOf('limit=10&offset=100'));
    expect(logs.map(({ id }) => id)).toEqual((await idsOf('search=late')).slice(100, 110));
  });

  it('an offset that is not reached in time is refused', async () => {
    await expect(list(windows).page(filterOf('search=late'), pageOf('limit=10&offset=100'))).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining('offset: is too slow with this filter'),
    });
  });

  describe('over HTTP', () => {
    const settings = readSettings({ USERS: 'admin:admin:admin-password' });
    const app = createApp({
      store: { ...store, ...list(windows) },
      tail: createTail(store, { poll_ms_min: 50, poll_ms_max: 50, poll_unfollowed: false, report: () => {} }),
      auth: createAuth({ users: usersOf(settings).users, tokens: [], scrypt }),
      sessions: createSessions(open.db, 3_600, new Map(), open.room),
      sockets: { upgrade: upgradeWebSocket, unsent: () => 0, cut: () => {} },
      outbound: nowhere,
      features: [],
      build: { version, runtime: 'node', database: 'pglite' },
      meter: createMeter(),
      assets: (_c, next) => next(),
      sha256,
      anchors: [],
      limits: settings,
      body_errors_visible: true,
      clientAddress: () => undefined,
      gunzip,
      own: unrecorded,
      isReady: () => true,
      report: () => {},
    });
    const get = (path: string, headers = {}) =>
      app.request(path, { headers: { authorization: credentials.admin, ...headers } });

    it('a page without all matches says how far it searched, and its Link goes on from there', async () => {
      const ids: number[] = [];
      let pages = 0;
      for (let next: string | undefined = '/api/logs?search=old&limit=20'; next; pages++) {
        const response = await get(next);
        const body = (await response.json()) as {
          logs: { id: number; timestamp: string }[];
          searched_to?: string;
          total: number;
        };
        ids.push(...body.logs.map(({ id }) => id));
        next = /<([^>]+)>; rel="next"/.exec(response.headers.get('link') ?? '')?.[1];
        if (body.logs.length === 0 && next) expect(body.searched_to).toMatch(/^2026-\d\d-\d\dT/);
      }
      expect(ids).toEqual(await idsOf('search=old'));
      expect(pages).toBeGreaterThan(10);
    });

    it('a complete page does not say so', async () => {
      expect(Object.keys((await (await get('/api/logs?limit=3')).json()) as object)).not.toContain('searched_to');
    });

    it('the page shows how far it searched, and a link that a reader follows', async () => {
      const text = await (await get('/logs?search=old')).text();
      expect(text).toContain('Nothing found so far.');
      expect(text).not.toContain('Nothing matches.');
      const [link = ''] = /<a id="more"[^>]*>.*?<\/a>/.exec(text) ?? [];
      expect(link).toMatch(/Searched back to 2026-\d\d-\d\d \d\d:\d\d:\d\d\. Search older events/);
      expect(link).toMatch(/href="\/logs\?search=old&(amp;)?before=/);
      expect(link).not.toContain('intersect');
    });
  });
});
