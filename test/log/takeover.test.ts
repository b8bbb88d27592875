/** The migration of the old dashboard's table: each row is copied once, also during writes and after an interruption. */
import { sql } from 'drizzle-orm';
import type postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createStore } from '../../src/log/store.ts';
import type { OpenDatabase } from '../../src/runtime/database.ts';
import { openPglite } from '../../src/runtime/pglite.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { freshPostgres, sqlClient } from '../support/harness.ts';
import { filled, misplaced, partitionsOf, uncovered } from '../support/partitions.ts';

/** Has the effect of the old dashboard's set-up script. */
const oldTables = `
  create table activity_logs (id serial primary key, timestamp timestamp default current_timestamp,
    event_type varchar(50) not null, entity_type varchar(50) not null, entity_id varchar(100), user_id varchar(100),
    description text, metadata jsonb, ip_address inet, user_agent text, created_at timestamp default current_timestamp);
  create index idx_activity_logs_timestamp on activity_logs (timestamp desc);
  create index idx_activity_logs_event_type on activity_logs (event_type);
  create index idx_activity_logs_entity_type on activity_logs (entity_type);
  create index idx_activity_logs_entity_id on activity_logs (entity_id);
  create index idx_activity_logs_user_id on activity_logs (user_id);
  create index idx_activity_logs_metadata on activity_logs using gin (metadata);
  create view recent_activity as select * from activity_logs where timestamp >= now() - interval '7 days';`;

/**
 * Rows as after years of use: gaps in the ids, a heap in another order than the ids, microseconds, and values that no
 * constraint forbade: no time, an infinite time, a network as an address, metadata that is an array.
 */
const oldRows = (n_rows: number) => `
  insert into activity_logs
  select n * 3 - n % 2,
    case when n % 1000 = 1 then null when n % 1000 = 2 then 'infinity' when n % 1000 = 3 then '-infinity'
         when n % 1000 = 4 then past + interval '30 months' else past end,
    (array['CREATE','UPDATE','DELETE','PAYMENT'])[1 + n % 4], (array['order','customer','product'])[1 + n % 3],
    case when n % 20 = 0 then '' when n % 10 > 0 then 'entity ' || n % 977 end, case when n % 5 > 0 then 'user ' || n % 89 end,
    case when n % 11 > 0 then format(E'naïve "%s",\\n%%', n) end,
    case n % 6 when 0 then null when 1 then '[1, {"a": null}]' when 2 then '"text"'
               else jsonb_build_object('n', n, 'price', 0.10, 'tags', array['a', 'ü']) end,
    case n % 4 when 0 then null when 1 then '10.20.0.0/16' when 2 then '2001:db8::/48' else '192.0.2.7' end::inet,
    case when n % 7 > 0 then 'agent ' || n % 13 end,
    case when n % 1000 <> 5 and n not in (1001, 1002) then past + interval '1.0004 seconds' end
  from (select n, timestamp '2023-03-01 00:00:00' + n * interval '7 minutes 0.123457 seconds' as past
        from generate_series(1, ${n_rows}) n) numbered
  order by md5(n::text);
  select setval('activity_logs_id_seq', (select max(id) from activity_logs));`;

const copiedColumns = [
  'event_type',
  'entity_type',
  'entity_id',
  'user_id',
  'description',
  'metadata',
  'ip_address',
  'user_agent',
];
const columnsOf = (table: string) => copiedColumns.map((name) => `${table}.${name}`).join(', ');

/** A blank value of the old table is null in the log, as for every other writer. */
const blankIsNull = (columns: string) => columns.replace('l.entity_id', "nullif(l.entity_id, '') as entity_id");

/** Joins each old row with the log's row of the same rank: the new ids are dense and in the old order. */
const pairs = `(select row_number() over (order by id) as id, l.id as old_id, l.timestamp, l.created_at, ${blankIsNull(columnsOf('l'))}
  from activity_logs_legacy l) old full join activity_logs log using (id)`;
/** Counts differences. Times are UTC, rounded to the millisecond; a row without one of its two times has the other one. */
const comparison = `
  select count(*)::int as n,
    count(*) filter (where old.old_id is null)::int as made_up,
    count(*) filter (where log.event_type is null)::int as missing,
    count(*) filter (where row(${columnsOf('old')})::text is distinct from row(${columnsOf('log')})::text)::int as changed,
    count(*) filter (where isfinite(old.timestamp)
      and log.timestamp is distinct from old.timestamp::timestamp(3) at time zone 'UTC')::int as other_time,
    count(*) filter (where not coalesce(isfinite(old.timestamp), false) and old.created_at is not null
      and log.timestamp is distinct from old.created_at::timestamp(3) at time zone 'UTC')::int as other_unknown_time,
    count(*) filter (where log.created_at is distinct from
      coalesce(old.created_at, old.timestamp)::timestamp(3) at time zone 'UTC'
      and isfinite(coalesce(old.created_at, old.timestamp)))::int as other_created_at,
    count(*) filter (where not isfinite(log.timestamp) or not isfinite(log.created_at))::int as timeless
  from ${pairs} where log.service is null`;
const nothingWrong = {
  made_up: 0,
  missing: 0,
  changed: 0,
  other_time: 0,
  other_unknown_time: 0,
  other_created_at: 0,
  timeless: 0,
};

/** The position of the log. All four numbers must be equal: otherwise an id was lost or used twice. */
const heads = `
  select (select count(*) from activity_logs)::int as rows, (select max(id) from activity_logs)::int as newest,
    (select max(last_id) from log_batches)::int as head, (select sum(n) from log_batches)::int as committed`;
const allAre = (n: number) => ({ rows: n, newest: n, head: n, committed: n });

async function oldDatabase(n_rows: number): Promise<{ url: string; client: postgres.Sql }> {
  const url = await freshPostgres('template0');
  const maker = sqlClient(url, 1);
  await maker.unsafe(`alter database ${new URL(url).pathname.slice(1)} set timezone = 'Asia/Kolkata'`);
  await maker.unsafe(oldTables + oldRows(n_rows));
  // The time zone applies to sessions that start after this statement.
  return { url, client: sqlClient(url) };
}

const opened: OpenDatabase[] = [];
afterAll(() => Promise.allSettled(opened.map((database) => database.close())));
function open(url: string): OpenDatabase {
  const database = openPostgres(url, 2);
  opened.push(database);
  return database;
}

/** The old application: one plain INSERT after the other until `stop`. */
function oldCode(client: postgres.Sql) {
  const written: string[] = [];
  let running = true;
  const insert = async (word: string) => {
    await client`insert into activity_logs (event_type, entity_type, description) values ('CREATE', 'order', ${word})`;
    written.push(word);
  };
  const loop = (async () => {
    for (let n = 0; running; n++) {
      await insert(`old code ${n}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  return {
    written,
    insert,
    stop: () => {
      running = false;
      return loop;
    },
  };
}

describe('the migration of 100,000 rows during writes of old code, interrupted once', () => {
  const n_rows = 100_000;
  const cut_at = 20_000;
  let client: postgres.Sql;
  let url: string;
  let written: string[];
  let n_legacy: number;

  beforeAll(async () => {
    ({ url, client } = await oldDatabase(n_rows));
    const code = oldCode(client);
    // One transaction of old code is open when the migration starts, and commits while the migration waits.
    let underWay = Promise.resolve();
    const begun = new Promise<void>((resolve) => {
      underWay = client.begin(async (tx) => {
        await tx`insert into activity_logs (event_type, entity_type, description) values ('CREATE', 'order', 'under way')`;
        resolve();
        await new Promise((later) => setTimeout(later, 300));
      });
    });
    await begun;
    let copied = 0;
    const cut = (line: string) => {
      copied = Number(/(\d+) events/.exec(line)?.[1]);
      // Like a restart of the server: it closes every connection of the migration.
      if (copied === cut_at)
        void client`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'edgetrail' and datname = current_database()`.execute();
    };
    await expect(open(url).migrate(cut)).rejects.toThrow();
    await underWay;
    expect(copied).toBeGreaterThanOrEqual(cut_at);
    expect(copied).toBeLessThan(n_rows);
    // Two services start at the same time and resume the migration.
    await Promise.all([open(url).migrate(() => {}), open(url).migrate(() => {})]);
    await code.insert('after');
    await code.stop();
    written = [...code.written, 'under way'];
    const [legacy] = await client<[{ n: number }]>`select count(*)::int as n from activity_logs_legacy`;
    n_legacy = legacy.n;
  }, 180_000);

  it('copies every row once, in the order of the old ids, under the ids 1 to n', async () => {
    expect((await client.unsafe(heads))[0]).toEqual(allAre(n_legacy));
  });

  it('keeps every value, and reads times as UTC whatever time zone the database has', async () => {
    expect((await client`show timezone`)[0]).toEqual({ TimeZone: 'Asia/Kolkata' });
    expect((await client.unsafe(comparison))[0]).toEqual({ n: n_legacy, ...nothingWrong });
  });

  it('gives the epoch to an event without any time', async () => {
    const rows = await client.unsafe(
      `select log.timestamp from ${pairs} where old.timestamp is null and old.created_at is null`,
    );
    expect(rows).toEqual([{ timestamp: new Date(0) }]);
  });

  it('puts every row into the partition of its month', async () => {
    const { db } = open(url);
    expect(await misplaced(db)).toBe(0);
    expect(Object.keys(await filled(db)).length).toBeGreaterThan(16);
    expect(uncovered(await partitionsOf(db), Date.now())).toEqual([]);
  });

  it('keeps the old table with all its rows, and the view that reads it', async () => {
    expect(n_legacy).toBeGreaterThan(n_rows);
    const [under] = await client`select count(*)::int as n from activity_logs_legacy where description = 'under way'`;
    expect(under).toEqual({ n: 1 });
    await client`select count(*) from recent_activity`;
  });

  it('stores each row that old code inserted before, during and after the migration once', async () => {
    const store = createStore(open(url).db);
    while ((await store.drain()) > 0);
    const rows = await client<{ description: string }[]>`
      select description from activity_logs where description in ('under way', 'after') or description like 'old code %'`;
    expect(written.length).toBeGreaterThan(20);
    expect(rows.map((row) => row.description).sort()).toEqual(written.sort());
    expect(rows.length).toBeGreaterThan(n_legacy - n_rows); // Some rows came from the inbox.
    expect((await client.unsafe(heads))[0]).toEqual(allAre(n_rows + written.length));
    await store.ready();
  });

  it('is complete: the next event has the next id, and another start copies nothing', async () => {
    const database = open(url);
    const lines: string[] = [];
    await database.migrate((line) => lines.push(line));
    expect(lines).toEqual([]);
    const store = createStore(database.db);
    const head = await store.head();
    const next = { ...blank, event_type: 'CREATE', entity_type: 'order' };
    expect((await store.append([next]))[0]?.entry.id).toBe(head + 1);
  });
});

const blank = {
  entity_id: null,
  user_id: null,
  description: null,
  metadata: null,
  ip_address: null,
  user_agent: null,
  timestamp: null,
  service: null,
  trace_id: null,
  session_id: null,
  span_id: null,
  parent_span_id: null,
  caused_by: null,
  event_uid: null,
};

it('concurrent copies in steps of any size give the same result', async () => {
  const { url, client } = await oldDatabase(500);
  // The migration fails when it logs the first step.
  await expect(
    open(url).migrate(() => {
      throw new Error('interrupted');
    }),
  ).rejects.toThrow('interrupted');
  const [copied] = await client`select count(*)::int as n from activity_logs`;
  expect(copied).toEqual({ n: 500 });
  await client`insert into activity_logs_legacy (event_type, entity_type) select 'CREATE', 'order' from generate_series(1, 1000)`;
  const steps = Array.from({ length: 40 }, (_, i) => client`select take_over_legacy(${1 + ((i * 7) % 60)})`);
  await Promise.all(steps);
  while ((await client`select take_over_legacy(100) as n`)[0]?.n > 0);
  expect((await client.unsafe(heads))[0]).toEqual(allAre(1_500));
  expect((await client.unsafe(comparison))[0]).toEqual({ n: 1_500, ...nothingWrong });
});

it('a time that is rounded up into the next month has a partition', async () => {
  const { url, client } = await oldDatabase(1);
  await client`insert into activity_logs (timestamp, event_type, entity_type) values ('2041-12-31 23:59:59.9997', 'CREATE', 'order')`;
  await open(url).migrate(() => {});
  const rows = await client`select timestamp from activity_logs where timestamp > '2041-01-01'`;
  expect(rows).toEqual([{ timestamp: new Date('2042-01-01T00:00:00Z') }]);
});

it('PGlite migrates an old table in the same way', async () => {
  const database = await openPglite(null);
  afterAll(() => database.close());
  const ask = async (text: string) => (await database.db.execute(sql.raw(text))) as unknown as { rows: unknown[] };
  for (const statement of `${oldTables}${oldRows(2_000)}`.split(';')) if (statement.trim()) await ask(statement);
  await ask(`set timezone = 'Asia/Kolkata'`);
  await database.migrate(() => {});
  await database.migrate(() => {});
  await ask(`insert into activity_logs (event_type, entity_type) values ('CREATE', 'order')`);
  expect((await ask(heads)).rows[0]).toEqual(allAre(2_000));
  expect((await ask(comparison)).rows[0]).toEqual({ n: 2_000, ...nothingWrong });
  expect(await createStore(database.db).drain()).toBe(1);
  expect((await ask(heads)).rows[0]).toEqual(allAre(2_001));
});
