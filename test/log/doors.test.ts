/**
 * The rules of an event hold for every way into the log: POST, the SDK, the import, the inbox, a plain INSERT, and the
 * table of the old dashboard. All of them refuse and normalise the same events.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { createClient, LogError } from '../../src/client.ts';
import { importFiles } from '../../src/commands/import-files.ts';
import { importFile } from '../../src/commands/import-source.ts';
import type { EntryInput } from '../../src/log/entry.ts';
import type { Entry } from '../../src/log/schema.ts';
import { eventually, json, sqlClient, startService } from '../support/harness.ts';

const service = await startService('postgres');
const sql = sqlClient('DATABASE_URL' in service.place ? service.place.DATABASE_URL : '');
const client = createClient({ url: service.url, user: 'admin', password: 'admin-password', uid: false });
const folder = await mkdtemp(join(tmpdir(), 'edgetrail-doors-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

const head = async () => Number((await sql`select coalesce(max(last_id), 0) as head from log_batches`)[0]?.head);
/** The events stored after an id. */
const storedAfter = async (id: number): Promise<Entry[]> => {
  const entries: Entry[] = [];
  for (let after = id; ; ) {
    const [batch] = await sql<[{ entries: Entry[] | null }]>`
      select json_agg(to_json(e) order by e.id) as entries
      from (select * from activity_logs where id > ${after} order by id limit 2000) e`;
    if (!batch.entries) return entries;
    entries.push(...batch.entries);
    after = entries.at(-1)?.id ?? after;
  }
};

/** Writes events; rejects with a text that names the field and the reason. */
type Door = (events: object[]) => Promise<unknown>;

const columns = [
  'timestamp',
  'event_type',
  'entity_type',
  'entity_id',
  'user_id',
  'description',
  'metadata',
  'ip_address',
  'user_agent',
  'service',
  'trace_id',
  'session_id',
  'event_uid',
  'span_id',
  'parent_span_id',
  'caused_by',
];
/** Names only the columns of the event, so that the others get their defaults. */
const insertInto =
  (table: string): Door =>
  async (events) => {
    const keys = columns.filter((column) => events.some((event) => column in event)).map((column) => `"${column}"`);
    const before = await head();
    await sql.unsafe(
      `insert into ${table} (${keys}) select ${keys} from json_populate_recordset(null::${table}, $1::text::json)`,
      [JSON.stringify(events)],
    );
    await eventually('the inbox is drained', async () => (await head()) >= before + events.length, 60_000);
  };

const doors: Record<string, Door> = {
  'POST /api/logs': async (events) => {
    for (let i = 0; i < events.length; i += 1_000) {
      const response = await service.request('/api/logs', json(events.slice(i, i + 1_000)));
      if (response.ok) continue;
      const { errors } = (await response.json()) as { errors: { field: string; reason: string }[] };
      throw new Error(errors.map(({ field, reason }) => `${field}: ${reason}`).join('\n'));
    }
  },
  'the SDK': async (events) => {
    for (let i = 0; i < events.length; i += 1_000)
      await client(events.slice(i, i + 1_000) as EntryInput[]).catch((error) => {
        if (!(error instanceof LogError)) throw error;
        throw new Error(error.errors.map(({ field, reason }) => `${field}: ${reason}`).join('\n') || error.detail);
      });
  },
  'the import': async (events) => {
    const path = join(folder, 'events.ndjson');
    await writeFile(path, events.map((event) => `${JSON.stringify(event)}\n`).join(''));
    await importFiles(client, [importFile(path)], { uids: false });
  },
  'the inbox': insertInto('activity_inbox'),
  'a plain INSERT': insertInto('activity_logs'),
};

const order = { event_type: 'CREATE', entity_type: 'order' };
const nested = (levels: number): object => (levels === 0 ? {} : { a: nested(levels - 1) });
const days = (n: number) => new Date(Date.now() + n * 86_400_000).toISOString();

const refused: [string, object, string | RegExp][] = [
  ['a label of white space', { ...order, event_type: ' \u00a0\u2003\t' }, 'event_type: must not be blank'],
  ['an empty label', { ...order, entity_type: '' }, /entity_type: (must not be blank|is required)/],
  ['a missing label', { event_type: 'CREATE' }, 'entity_type: is required'],
  [
    'a byte order mark before a label',
    { ...order, event_type: '\ufeffCREATE' },
    'event_type: must not begin with a byte order mark',
  ],
  [
    'a byte order mark before text',
    { ...order, description: '\ufeffx' },
    'description: must not begin with a byte order mark',
  ],
  [
    'a long description',
    { ...order, description: 'x'.repeat(10_001) },
    'description: must be at most 10000 characters long',
  ],
  [
    'a long user agent',
    { ...order, user_agent: '🧾'.repeat(2_001) },
    'user_agent: must be at most 2000 characters long',
  ],
  ['metadata that is a list', { ...order, metadata: [1] }, 'metadata: must be a JSON object'],
  ['metadata that is a text', { ...order, metadata: 'x' }, 'metadata: must be a JSON object'],
  ['deep metadata', { ...order, metadata: nested(20) }, 'metadata: must be at most 20 levels deep'],
  [
    'large metadata',
    { ...order, metadata: { a: 'x'.repeat(65_536) } },
    'metadata: must be at most 65536 characters of JSON',
  ],
  [
    'a large whole number',
    { ...order, metadata: { a: [{ b: 2 ** 53 }] } },
    'metadata: a.0.b: a whole number beyond 2^53 cannot be kept exactly: send it as text',
  ],
  [
    'a far future',
    { ...order, timestamp: days(2) },
    'timestamp: must not be more than 24 hours in the future: the log keeps what happened',
  ],
];

/** Events that the column types refuse in SQL, with a message of PostgreSQL. */
const refusedByType: [string, object, RegExp][] = [
  [
    'a long label',
    { ...order, event_type: 'x'.repeat(256) },
    /at most 255 characters|too long for type character varying\(255\)/,
  ],
  [
    'a long identifier',
    { ...order, entity_id: '🧾'.repeat(256) },
    /at most 255 characters|too long for type character varying\(255\)/,
  ],
  [
    'a long service',
    { ...order, service: 'x'.repeat(101) },
    /at most 100 characters|too long for type character varying\(100\)/,
  ],
  [
    'an address with a mask',
    { ...order, ip_address: '10.0.0.0/8' },
    /ip_address: must be an IPv4 or IPv6 address without mask/,
  ],
  [
    'an invalid address',
    { ...order, ip_address: 'localhost' },
    /ip_address: must be|invalid input syntax for type inet/,
  ],
  ['a NUL', { ...order, description: 'a\0b' }, /must not contain a NUL|unsupported Unicode escape sequence/],
  ['an invalid time', { ...order, timestamp: '2026-02-30T00:00:00Z' }, /timestamp: must be an ISO 8601|out of range/],
];

const normalised: [string, object, Partial<Entry>][] = [
  [
    'stores blank values as null',
    {
      ...order,
      entity_id: '',
      user_id: '',
      description: '',
      user_agent: '',
      service: '',
      trace_id: '',
      session_id: '',
      event_uid: '',
      span_id: '',
      parent_span_id: '',
      caused_by: '',
    },
    {
      entity_id: null,
      user_id: null,
      description: null,
      user_agent: null,
      service: null,
      trace_id: null,
      session_id: null,
      event_uid: null,
      span_id: null,
      parent_span_id: null,
      caused_by: null,
    },
  ],
  [
    'stores the longest label',
    { event_type: '🧾'.repeat(255), entity_type: 'x'.repeat(255) },
    { event_type: '🧾'.repeat(255) },
  ],
  ['keeps white space around a label', { ...order, event_type: ' CREATE ' }, { event_type: ' CREATE ' }],
  ['stores the deepest metadata', { ...order, metadata: nested(19) }, { metadata: nested(19) as Entry['metadata'] }],
  [
    'stores the largest whole number',
    { ...order, metadata: { a: 2 ** 53 - 1, b: 0.1, c: 1e-300 } },
    { metadata: { a: 2 ** 53 - 1, b: 0.1, c: 1e-300 } },
  ],
  ['stores null metadata', { ...order, metadata: null }, { metadata: null }],
  ['normalises an address', { ...order, ip_address: '2001:DB8:0::1' }, { ip_address: '2001:db8::1' }],
];

describe.each(Object.entries(doors))('%s', (door, write) => {
  it.each(refused)('refuses %s', async (_what, event, reason) => {
    const before = await head();
    await expect(write([event])).rejects.toThrow(reason);
    expect(await head()).toBe(before);
  });

  it.each(refusedByType)('refuses %s', async (_what, event, reason) => {
    await expect(write([event])).rejects.toThrow(reason);
  });

  it.each(normalised)('%s', async (_what, event, expected) => {
    const before = await head();
    await write([event]);
    expect(await storedAfter(before)).toMatchObject([expected]);
  });

  it('stores a null time as the current time', async () => {
    const before = await head();
    // PostgreSQL selects the partition before any trigger runs: a plain INSERT must omit the column instead.
    if (door === 'a plain INSERT')
      return expect(write([{ ...order, timestamp: null }])).rejects.toThrow('no partition');
    await write([{ ...order, timestamp: null }]);
    const [stored] = await storedAfter(before);
    return expect(Math.abs(Date.parse(stored?.timestamp ?? '') - Date.now())).toBeLessThan(60_000);
  });

  it('stores two events that have an empty event_uid', async () => {
    const before = await head();
    await write([
      { ...order, event_uid: '' },
      { ...order, event_uid: '' },
    ]);
    expect(await storedAfter(before)).toHaveLength(2);
  });
});

describe('10,000 generated events', () => {
  const n = 10_000;
  const text = fc
    .oneof(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.constantFrom('', 'order', ' a ', 'ﬀ', '\u2028'))
    .filter((value) => !value.includes('\0') && !value.startsWith('\ufeff'));
  const labels = text.filter((value) => value.trim() !== '');
  const optional = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: null });
  const value = fc.oneof(
    text,
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.constant(null),
    fc.integer({ min: -999_999, max: 999_999 }).map((i) => i / 1_000),
  );
  const metadata = fc.dictionary(
    text,
    fc.oneof(value, fc.array(value, { maxLength: 3 }), fc.dictionary(text, value, { maxKeys: 2 })),
    { maxKeys: 4 },
  );
  const event = fc.record({
    timestamp: fc
      .date({ min: new Date('1900-01-01'), max: new Date(), noInvalidDate: true })
      .map((date) => date.toISOString()),
    event_type: labels,
    entity_type: labels,
    entity_id: optional(text),
    user_id: optional(text),
    description: optional(text),
    metadata: optional(metadata),
    ip_address: optional(fc.oneof(fc.ipV4(), fc.ipV6())),
    user_agent: optional(text),
    service: optional(text),
    trace_id: optional(text),
    session_id: optional(text),
    span_id: optional(text),
    parent_span_id: optional(text),
    caused_by: optional(text),
  });
  const events = fc.sample(event, { numRuns: n, seed: 20_261_125 });
  const written = ({ id: _id, created_at: _at, ...rest }: Entry) => rest;

  it('are stored through every way in as through POST', { timeout: 300_000 }, async () => {
    let expected: unknown[] | null = null;
    for (const [door, write] of Object.entries(doors)) {
      const before = await head();
      await write(events);
      const stored = (await storedAfter(before)).map(written);
      expect(stored, door).toHaveLength(n);
      expected ??= stored;
      expect(
        stored.every((entry, i) => JSON.stringify(entry) === JSON.stringify(expected?.[i])),
        door,
      ).toBe(true);
    }
  });
});
