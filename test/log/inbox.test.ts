/** The inbox and the write guard: an invalid row blocks no other, and rows that bypass append_logs are detected. */
import fc from 'fast-check';
import postgres from 'postgres';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { metadataFault } from '../../src/log/entry.ts';
import { noRedaction, type Redact } from '../../src/log/redaction.ts';
import { createStore } from '../../src/log/store.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { eventually, freshPostgres, sqlClient, startService, type TestService } from '../support/harness.ts';

const urlOf = ({ place }: TestService) => ('DATABASE_URL' in place ? place.DATABASE_URL : '');
const service = await startService('postgres');
const sql = sqlClient(urlOf(service));
const order = { event_type: 'CREATE', entity_type: 'order' };

describe('the write guard', async () => {
  const role = `writer_${process.pid}_${Math.random().toString(36).slice(2, 8)}`;
  const server = postgres(inject('serverUrl'), { max: 1, onnotice: () => {} });
  await server`create role ${server(role)} login password 'writer'`;
  await sql`grant insert, select on activity_logs, activity_inbox, log_batches to ${sql(role)}`;
  const url = new URL(urlOf(service));
  const writer = postgres(Object.assign(url, { username: role, password: 'writer' }).href, { max: 1 });
  afterAll(async () => {
    await writer.end();
    await sql`revoke all on activity_logs, activity_inbox, log_batches from ${sql(role)}`;
    await server`drop role ${server(role)}`;
    await server.end();
  });
  const forged = `insert into activity_logs (id, event_type, entity_type) values (12, 'FORGED', 'order')`;

  it.each([
    ['an id', forged],
    ['an id, with the setting of append_logs', `set edgetrail.append = 'on'; ${forged}`],
    ['a call of append_logs', `select append_logs('[{"event_type":"A","entity_type":"b"}]')`],
    ['a call of drain_inbox', 'select drain_inbox(1)'],
    ['a call of make_months', `select make_months(array['2021-01-01'::timestamptz])`],
  ])('refuses a role with the right to insert: %s', async (_what, statement) => {
    await expect(writer.unsafe(statement)).rejects.toThrow(/is refused|permission denied/);
  });

  it('accepts rows without an id from that role', async () => {
    await writer`insert into activity_logs (event_type, entity_type, user_id) values ('A', 'b', 'guarded')`;
    await writer`insert into activity_inbox (event_type, entity_type, user_id) values ('A', 'b', 'guarded')`;
    const total = async () =>
      ((await (await service.request('/api/logs?user_id=guarded')).json()) as { total: number }).total;
    await eventually('both are in the log', async () => (await total()) === 2);
  });
});

it('a write into a month without a partition creates it', async () => {
  const fresh = await startService('postgres');
  const owner = sqlClient(urlOf(fresh));
  const [{ month }] = await owner<[{ month: string }]>`
    select 'activity_logs_' || to_char(now() at time zone 'UTC', 'YYYY_MM') as month`;
  await owner`drop table ${owner(month)}`;
  expect(await fresh.write(order)).toHaveLength(1);
});

describe('the drain', async () => {
  const fresh = await startService('postgres', { env: { POLL_MS_MAX: '60000', POLL_MS_MIN: '60000' } });
  const owner = sqlClient(urlOf(fresh));
  const drain = async () => Number((await owner`select drain_inbox(1000) as n`)[0]?.n);

  it('moves fewer large rows than small rows in one call', async () => {
    const large = (n: number) => owner`
      insert into activity_inbox (event_type, entity_type, metadata)
      select 'LARGE', 'order', jsonb_build_object('text', (select string_agg(md5(random()::text), '') from generate_series(1, 1000)), 'n', n)
      from generate_series(1, ${n}) n`;
    await large(300);
    const taken = await drain();
    expect(taken).toBeGreaterThan(50);
    expect(taken).toBeLessThan(300);
    while ((await drain()) > 0);
    await owner`insert into activity_inbox (event_type, entity_type) select 'SMALL', 'order' from generate_series(1, 1500)`;
    expect(await drain()).toBe(1_000);
  });

  it('moves invalid rows to activity_inbox_refused, and stores the rows after them', async () => {
    while ((await drain()) > 0);
    await owner`alter table activity_inbox disable trigger user`;
    await owner`insert into activity_inbox (event_type, entity_type, "timestamp", user_id)
      values ('A', 'b', now(), 'kept'), ('A', 'b', '-infinity', 'kept'), ('A', 'b', 'infinity', 'lost'), ('A', 'b', now(), 'kept')`;
    await owner`alter table activity_inbox enable trigger user`;
    expect(await drain()).toBe(4);
    expect(Number((await owner`select count(*) as n from activity_logs where user_id = 'kept'`)[0]?.n)).toBe(3);
    const refused = await owner`select reason, event ->> 'user_id' as user_id from activity_inbox_refused`;
    expect(refused).toMatchObject([{ user_id: 'lost' }]);
    expect((await fresh.request('/readyz')).status).toBe(200);
  });
});

it('/readyz is 503 after an insert that bypassed append_logs, anywhere in the log', async () => {
  const fresh = await startService('postgres');
  const owner = sqlClient(urlOf(fresh));
  for (let i = 0; i < 6; i++) await fresh.write(Array.from({ length: 1_000 }, () => order));
  expect((await fresh.request('/readyz')).status).toBe(200);
  await owner`alter table activity_logs disable trigger user`;
  await owner`insert into activity_logs (id, event_type, entity_type) values (12, 'FORGED', 'order')`;
  const statuses: number[] = [];
  for (let i = 0; i < 4; i++) statuses.push((await fresh.request('/readyz')).status);
  expect(statuses).toContain(503);
});

describe('the rules of metadata', () => {
  const word = fc.string({ unit: 'grapheme', maxLength: 8 }).filter((text) => !text.includes('\0'));
  const number = fc
    .oneof(
      fc.maxSafeInteger(),
      fc.constantFrom(2 ** 53, 1e15, 123456.789, 0.1, 1e-7, 4.9e-324, 1.7976931348623157e308, 9007199254740993n),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    )
    .map((value) => Number(value));
  const value = fc.letrec<{ any: unknown }>((tie) => ({
    any: fc.oneof(
      { depthSize: 'large', withCrossShrink: true },
      word,
      number,
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('any'), { maxLength: 2 }),
      fc.dictionary(word, tie('any'), { maxKeys: 2 }),
    ),
  })).any;
  const nested = fc.integer({ min: 15, max: 24 }).map((depth) => {
    let made: object = {};
    for (let i = 1; i < depth; i++) made = i % 2 ? { a: made } : { a: [made] };
    return made;
  });
  const emoji = fc.integer({ min: 32_700, max: 65_560 }).map((chars) => ({ a: '🧾'.repeat(chars) }));
  const sized = fc.integer({ min: 65_500, max: 65_560 }).map((chars) => ({ a: { b: ['x'.repeat(chars - 20), {}] } }));

  it('are the same in SQL as in the API', async () => {
    const metadata = fc.oneof(
      fc.dictionary(word, value, { maxKeys: 3 }),
      nested,
      sized,
      emoji,
      fc.constantFrom([1], 'x', 1),
    );
    await fc.assert(
      fc.asyncProperty(metadata, async (made) => {
        const sent = JSON.parse(JSON.stringify(made).replaceAll('-0,', '0,')) as unknown;
        const [row] = await sql`select metadata_fault(${JSON.stringify(sent)}::text::jsonb) as fault`;
        const expected = metadataFault(sent);
        // With several faults only their presence is compared: SQL finds the first by level, the API by branch.
        expect(row?.fault === null, `${row?.fault} | ${expected}`).toBe(expected === null);
      }),
      { numRuns: 300 },
    );
  });
});

describe('secrets in the inbox', async () => {
  const secret = { event_type: 'CREATE', entity_type: 'order', metadata: { password: 'hunter2', n: 1.5 } };
  const open = async (redact?: Redact) => {
    const url = await freshPostgres();
    const database = openPostgres(url, 3);
    afterAll(database.close);
    return { sql: sqlClient(url), store: createStore(database.db, database.reads, undefined, undefined, redact) };
  };
  const insert = (sql: postgres.Sql, event: object) =>
    sql`insert into activity_inbox (event_type, entity_type, description, metadata)
        select e.event_type, e.entity_type, e.description, e.metadata
        from jsonb_populate_record(null::activity_inbox, ${sql.json(event as never)}) e`;

  it('are replaced, also in a row that is refused; other rows, and numbers, stay as they are', async () => {
    const { sql, store } = await open();
    await insert(sql, secret);
    await insert(sql, { ...secret, metadata: { token_count: 9007199254740991, deep: [0.1, 1e-7] } });
    await sql`alter table activity_inbox disable trigger user`;
    await sql`insert into activity_inbox (event_type, entity_type, "timestamp", description)
      values ('A', 'b', 'infinity', 'password=hunter2')`;
    expect(await store.drain()).toBe(3);
    expect(await store.drain()).toBe(0);
    expect(await sql`select metadata from activity_logs order by id`).toEqual([
      { metadata: { password: '[redacted: password]', n: 1.5 } },
      { metadata: { token_count: 9007199254740991, deep: [0.1, 1e-7] } },
    ]);
    expect(await sql`select event ->> 'description' as text from activity_inbox_refused`).toEqual([
      { text: 'password=[redacted: password]' },
    ]);
    expect(store.appends.redacted.password).toBe(2);
    expect(store.appends.n_drained).toBe(3);
  });

  it('stay, where that is switched off', async () => {
    const { sql, store } = await open(noRedaction);
    await insert(sql, secret);
    expect(await store.drain()).toBe(1);
    expect(await sql`select metadata from activity_logs`).toEqual([{ metadata: secret.metadata }]);
  });

  it('in as many rows as there are, in the order of their numbers, and with two instances at a time', async () => {
    const { sql, store } = await open();
    await sql`insert into activity_inbox (event_type, entity_type, description)
      select 'N', 'x', 'token=secret' || n from generate_series(1, 2500) n`;
    let n = 0;
    while (n < 2_500) n += (await Promise.all([store.drain(), store.drain()])).reduce((sum, one) => sum + one, 0);
    expect(n).toBe(2_500);
    expect(await sql`select distinct description from activity_logs`).toEqual([
      { description: 'token=[redacted: token]' },
    ]);
    expect(await sql`select count(*)::int as n, max(id)::int as last from activity_logs`).toEqual([{ n, last: n }]);
  });
});
