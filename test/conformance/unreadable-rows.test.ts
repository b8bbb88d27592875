/** Unreadable rows, from an older version or the owner of the tables, do not hide other rows. */
import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../src/log/schema.ts';
import { openPglite } from '../../src/runtime/pglite.ts';
import { freshDatabase, sqlClient, startService, type TestService, target } from '../support/harness.ts';
import { exported, formatNames, idsIn, readCsv } from './files.ts';
import { follow, followSocket, take } from './follow.ts';

const deep = (levels: number) => `(repeat('{"a":', ${levels}) || '1' || repeat('}', ${levels}))::jsonb`;

/** SQL expressions for timestamp, metadata and description of a row, and the text of its `unreadable`. */
const rows: [what: string, timestamp: string, metadata: string, description: string, unreadable: RegExp | null][] = [
  ['a good row', `'2026-01-01'`, `'{"a":1}'`, `'first'`, null],
  ['6,000 levels', `'2026-01-02'`, deep(6_000), `'deep'`, /^metadata: more than 100 levels deep$/],
  [
    'a number above the range',
    `'2026-01-03'`,
    `'{"a":{"b":1e400}}'`,
    'null',
    /^metadata: a\.b: a number is out of range/,
  ],
  ['a number below the range', `'2026-01-03'`, `'{"a":1e-400}'`, 'null', /^metadata: a: a number/],
  ['a rounded number', `'2026-01-03'`, `'{"a":[0.1234567890123456789]}'`, 'null', /^metadata: a\.0: a number/],
  ['an infinite past', `'-infinity'`, 'null', 'null', /^timestamp: -infinity/],
  ['a second infinite past', `'-infinity'`, 'null', 'null', /^timestamp: -infinity/],
  ['a year BC', `'0044-03-15 12:00:00+00 BC'`, 'null', `'Rome'`, /^timestamp: 0044-03-15 .* BC is outside/],
  ['another year BC', `'4712-03-15 12:00:00+00 BC'`, 'null', 'null', /^timestamp: 4712-03-15 .* BC is outside/],
  ['large metadata', `'2026-01-04'`, `jsonb_build_object('a', repeat('x', 3000000))`, 'null', /^metadata: longer/],
  ['a long description', `'2026-01-05'`, 'null', `repeat('x', 300000)`, /^description: longer/],
  ['metadata that is not an object', `'2026-01-06'`, `'[1,"a"]'`, 'null', null],
  ['metadata that is a text', `'2026-01-06'`, `'"a\\"b\\""'`, 'null', null],
  ['an unusual label', `'2026-01-07'`, 'null', 'null', null],
  ['the last good row', `'2026-01-08'`, `'{"a":2}'`, `'last'`, null],
];
const ids = rows.map((_row, i) => i + 1);

const statements = [
  `insert into activity_logs (id, timestamp, event_type, entity_type, metadata, description, created_at) values ${rows
    .map(
      ([what, timestamp, metadata, description], i) =>
        `(${i + 1}, ${timestamp}, ${what === 'an unusual label' ? `'__proto__'` : `'OLD'`}, '', ${metadata}, ${description}, ${what === 'a year BC' ? `'-infinity'` : 'now()'})`,
    )
    .join(',')}`,
  `insert into log_batches (last_id, n, committed_at) values (${rows.length}, ${rows.length}, now())`,
];

/** Stores the rows as the owner of the tables, not through the service. */
async function withRows(): Promise<TestService> {
  const place = await freshDatabase(target().database);
  if ('DATA_DIR' in place) {
    const { db, close } = await openPglite(place.DATA_DIR);
    await db.transaction(async (tx) => {
      await tx.execute(sql`select set_config('edgetrail.append', 'on', true)`);
      for (const statement of statements) await tx.execute(sql.raw(statement));
    });
    await close();
  } else {
    await sqlClient(place.DATABASE_URL, 1).begin(async (tx) => {
      await tx`select set_config('edgetrail.append', 'on', true)`;
      for (const statement of statements) await tx.unsafe(statement);
    });
  }
  return startService({ place });
}

describe('a log with rows that cannot be read', async () => {
  const service = await withRows();
  const list = async (path: string) => {
    const response = await service.request(path);
    expect(response.status).toBe(200);
    const links = response.headers.get('link') ?? '';
    const link = (rel: string) => new RegExp(`<([^>]*)>; rel="${rel}"`).exec(links)?.[1];
    return { ...((await response.json()) as { logs: Entry[]; total: number }), link };
  };

  it('is listed with each row, and `unreadable` names the field and the reason', async () => {
    const { logs, total } = await list('/api/logs?limit=1000');
    expect(total).toBe(rows.length);
    for (const [i, [what, , , , unreadable]] of rows.entries()) {
      const entry = logs.find(({ id }) => id === i + 1);
      expect(entry?.unreadable ?? null, what).toEqual(unreadable && expect.stringMatching(unreadable));
      expect(entry?.timestamp, what).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    }
    expect(logs.find(({ id }) => id === 3)).toMatchObject({
      metadata: null,
      metadata_text: expect.stringMatching(/"b": 1000/),
    });
    expect(logs.find(({ description }) => description === 'Rome')?.unreadable).toContain('created_at');
  });

  it.each(ids)('returns row %i by its id', async (id) => {
    const response = await service.request(`/api/logs/${id}`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ id });
  });

  it.each([1, 2, 4])('is paged through in steps of %i, forwards and backwards', async (limit) => {
    const seen: number[] = [];
    let last = '';
    for (let path: string | undefined = `/api/logs?limit=${limit}`; path; ) {
      const { logs, link } = await list(path);
      seen.push(...logs.map(({ id }) => id));
      last = path;
      path = link('next');
    }
    expect(seen.toSorted((a, b) => a - b)).toEqual(ids);
    const back: number[] = [];
    for (let path = (await list(last)).link('prev'); path; ) {
      const { logs, link } = await list(path);
      back.push(...logs.map(({ id }) => id));
      path = logs.length > 0 ? link('prev') : undefined;
    }
    expect(new Set(back)).toEqual(new Set(seen.slice(0, back.length)));
  });

  it.each(formatNames)('is exported as %s, one line for each row', async (format) => {
    const ids_exported = idsIn[format](await exported(service, `format=${format}`));
    expect(ids_exported.toSorted((a, b) => a - b)).toEqual(ids);
  });

  it('has its metadata as text in the CSV', async () => {
    const { rows: cells } = readCsv(await exported(service, 'format=csv'));
    const row = cells.find(({ id }) => id === '5');
    expect(row).toMatchObject({
      metadata: '{"a": [0.1234567890123456789]}',
      unreadable: expect.stringMatching(/^metadata/),
    });
  });

  it('is followed to its end by SSE and by WebSocket', async () => {
    const messages = await take(await follow(service, '?after=0'), rows.length);
    expect(messages.map(({ id }) => Number(id))).toEqual(ids);
    const socket = await followSocket(service, '?after=0');
    await expect.poll(() => socket.ids()).toEqual(ids);
    socket.socket.close();
  });

  it('has statistics', async () => {
    const stats = (await (await service.request('/api/logs/stats')).json()) as Record<string, unknown>;
    expect(stats).toMatchObject({ total_logs: rows.length, by_entity_type: { '': rows.length } });
    expect(Object.entries(stats.by_event_type as object)).toContainEqual(['__proto__', 1]);
  });

  it('is shown as a page, and each row as its own page', async () => {
    const html = { headers: { accept: 'text/html' } };
    const page = await service.request('/logs', html);
    expect(page.status).toBe(200);
    const text = await page.text();
    for (const id of ids) expect(text).toContain(`id="e${id}"`);
    for (const id of ids) {
      const shown = await service.request(`/logs/${id}`, html);
      expect(shown.status).toBe(200);
      expect((await shown.text()).length).toBeLessThan(1_000_000);
    }
  });
});
