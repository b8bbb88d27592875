/** Months of the past are made while the log is in use, through every way into it, and in logs of older versions. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type postgres from 'postgres';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { createClient } from '../../src/client.ts';
import { importFiles } from '../../src/commands/import-files.ts';
import { importFile } from '../../src/commands/import-source.ts';
import { createStore } from '../../src/log/store.ts';
import type { OpenDatabase } from '../../src/runtime/database.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { eventually, freshPostgres, json, sqlClient, startService, type TestService } from '../support/harness.ts';
import { olderLog } from '../support/older-log.ts';
import { divided, filled, misplaced, monthsAgo, nameOf, partitionsOf, uncovered } from '../support/partitions.ts';

const urlOf = ({ place }: TestService) => ('DATABASE_URL' in place ? place.DATABASE_URL : '');
const textOf = (ms: number) => new Date(ms).toISOString();
const order = (ms: number, user_id = 'u') => ({
  event_type: 'CREATE',
  entity_type: 'order',
  user_id,
  timestamp: textOf(ms),
});

const opened: OpenDatabase[] = [];
afterAll(() => Promise.all(opened.map((database) => database.close())));
function open(url: string): OpenDatabase {
  const database = openPostgres(url, 1);
  opened.push(database);
  return database;
}

const folder = await mkdtemp(join(tmpdir(), 'edgetrail-past-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('while a transaction reads the log', async () => {
  const service = await startService('postgres');
  const { db } = open(urlOf(service));
  const sql = sqlClient(urlOf(service), 2);

  it('no writer waits for a month, an event of the past is stored, and the month is made afterwards', async () => {
    const logged = vi.spyOn(console, 'error').mockImplementation(() => {});
    const reader = await sql.reserve();
    await reader`begin`;
    await reader`select count(*) from activity_logs`;
    let n_written = 0;
    let reading = true;
    // An append that waits for a lock for two seconds is refused with 503, and then `write` throws.
    const writing = (async () => {
      while (reading) {
        await service.write({ event_type: 'CREATE', entity_type: 'order' });
        n_written += 1;
      }
    })();
    const [first, second] = [monthsAgo(30), monthsAgo(40)];
    await service.write([order(first)]);
    await service.write([order(second)]);
    await sql`insert into activity_inbox (event_type, entity_type, timestamp) values ('CREATE', 'order', ${textOf(second)})`;
    await eventually('the inbox is drained', async () => (await sql`select from activity_inbox`).length === 0);
    reading = false;
    await writing;
    const lines = logged.mock.calls.filter(([line]) => /past months/.test(String(line)));
    logged.mockRestore();

    expect(n_written).toBeGreaterThan(10);
    // The second event did not wait again: each wait that fails is one line.
    expect(lines).toHaveLength(1);
    expect(await misplaced(db)).toBe(3);

    await reader`commit`;
    reader.release();
    await divided(db);
    expect(await filled(db)).toMatchObject({ [nameOf(first)]: 1, [nameOf(second)]: 2 });
    expect(uncovered(await partitionsOf(db), Date.now())).toEqual([]);
    expect((await service.request('/readyz')).status).toBe(200);
  });
});

it('two services that import the same months at once make each of them once', async () => {
  const one = await startService('postgres');
  const two = await startService('postgres', { place: one.place });
  const months = Array.from({ length: 8 }, (_, i) => monthsAgo(50 + i));
  const imports = [one, two, one, two].map((service, i) =>
    Promise.all(months.map((ms) => service.request('/api/logs', json(order(ms + i))))),
  );
  const logged = vi.spyOn(console, 'error').mockImplementation(() => {});
  const statuses = (await Promise.all(imports)).flat().map(({ status }) => status);
  const lines = logged.mock.calls.flat().filter((line) => !/lock timeout/.test(String(line)));
  logged.mockRestore();
  expect(statuses).toEqual(statuses.map(() => 201));
  expect(lines).toEqual([]);
  const { db } = open(urlOf(one));
  await divided(db);
  expect(await filled(db)).toEqual(Object.fromEntries(months.map((ms) => [nameOf(ms), 4])));
  expect(uncovered(await partitionsOf(db), Date.now())).toEqual([]);
});

describe('a second maker', async () => {
  const url = await freshPostgres();
  const { db } = open(url);
  const sql = sqlClient(url, 4);
  // With longer waits than on a server, so that a busy machine changes nothing.
  const [made] = await sql`select pg_get_functiondef('make_months(timestamptz[], boolean)'::regprocedure) as text`;
  await sql.unsafe(String(made?.text).replaceAll(/'[15]00ms'/g, "'20s'"));
  const waiting = async (n: number) =>
    eventually(
      `${n} wait`,
      async () =>
        (await sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)
          .length === n,
    );
  /** A statement that runs at once: the driver sends it when it is awaited. */
  const make = (from: postgres.Sql, ...months: number[]) =>
    from`select make_months(${months.map((ms) => textOf(ms))}::timestamptz[])`.execute();

  it('waits for a first one that waits for the log, and makes what is left', async () => {
    const reader = await sql.reserve();
    await reader`begin`;
    await reader`select count(*) from activity_logs`;
    const first = make(sql, monthsAgo(20));
    await waiting(1);
    const second = make(sql, monthsAgo(20), monthsAgo(25));
    await waiting(2);
    await reader`commit`;
    reader.release();
    await Promise.all([first, second]);
    const names = (await partitionsOf(db)).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining([nameOf(monthsAgo(20)), nameOf(monthsAgo(25))]));
    expect(uncovered(await partitionsOf(db), Date.now())).toEqual([]);
  });

  it('does not fail when a first one replaces the gap that it looks at', async () => {
    const maker = await sql.reserve();
    await maker`begin`;
    await make(maker, monthsAgo(40));
    const second = make(sql, monthsAgo(40), monthsAgo(45));
    await waiting(1);
    await maker`commit`;
    maker.release();
    await second;
    expect((await partitionsOf(db)).map(({ name }) => name)).toContain(nameOf(monthsAgo(45)));
    expect(uncovered(await partitionsOf(db), Date.now())).toEqual([]);
  });
});

describe('a time in every range', async () => {
  const service = await startService('postgres');
  const sql = sqlClient(urlOf(service), 1);
  const { db } = open(urlOf(service));
  const client = createClient({ url: service.url, user: 'admin', password: 'admin-password', uid: false });
  const insert = (table: string) => async (events: object[]) =>
    void (await sql.unsafe(
      `insert into ${table} (timestamp, event_type, entity_type, user_id)
       select "timestamp", event_type, entity_type, user_id from json_populate_recordset(null::${table}, $1::text::json)`,
      [JSON.stringify(events)],
    ));
  const doors: [string, (events: object[]) => Promise<unknown>][] = [
    ['POST', (events) => service.write(events)],
    ['the inbox', insert('activity_inbox')],
    ['a plain INSERT', insert('activity_logs')],
    [
      'the import',
      async (events) => {
        const path = join(folder, 'events.ndjson');
        await writeFile(path, events.map((event) => `${JSON.stringify(event)}\n`).join(''));
        await importFiles(client, [importFile(path)], { uids: false });
      },
    ],
  ];

  it.each(doors)('is stored by %s and found', async (door, write) => {
    const i = doors.findIndex(([name]) => name === door);
    const times = [
      Date.parse('0001-01-01T00:00:00Z'),
      Date.parse('1999-06-01T00:00:00Z'),
      monthsAgo(120) - 1,
      ...[119, 90, 60, 30, 5].map((n) => monthsAgo(n - i) + 1),
      Date.now(),
      Date.now() + 23 * 3_600_000,
    ];
    await write(times.map((ms) => order(ms, door)));
    const list = async () => {
      const response = await service.request(`/api/logs?user_id=${encodeURIComponent(door)}`);
      return ((await response.json()) as { logs: { timestamp: string }[] }).logs.map(({ timestamp }) => timestamp);
    };
    await eventually('all are found', async () => (await list()).length === times.length);
    expect((await list()).sort()).toEqual(times.map(textOf).sort());
    await divided(db);
    expect(uncovered(await partitionsOf(db), Date.now())).toEqual([]);
  });
});

describe('a log of the version before', () => {
  /** A log without the migration of this file's subject, with events in its history. */
  const older = (times: number[]) =>
    olderLog(
      7,
      times.map((ms) => order(ms)),
    );
  const history = async (url: string) => (await partitionsOf(open(url).db))[0]?.to;

  it('with events of the last ten years in its history keeps it whole, and stores and finds every time', async () => {
    const times = [Date.parse('1990-01-01T00:00:00Z'), monthsAgo(70), monthsAgo(2)];
    const url = await older(times);
    await open(url).migrate(() => {});
    const service = await startService('postgres', { place: { DATABASE_URL: url } });
    await service.write([monthsAgo(71), monthsAgo(2), Date.now()].map((ms) => order(ms)));
    expect(await history(url)).toBe(monthsAgo(0));
    expect(await filled(open(url).db)).toEqual({ activity_logs_history: 5, [nameOf(monthsAgo(0))]: 1 });
    const response = await service.request('/api/logs?user_id=u');
    expect(await response.json()).toMatchObject({ total: 6 });
  });

  it('with older events only ends its history ten years ago', async () => {
    const url = await older([Date.parse('1990-01-01T00:00:00Z'), monthsAgo(120) - 1]);
    await open(url).migrate(() => {});
    expect(await history(url)).toBe(monthsAgo(120));
    await createStore(open(url).db).makePartitions();
    expect(await filled(open(url).db)).toEqual({ activity_logs_history: 2 });
    expect(uncovered(await partitionsOf(open(url).db), monthsAgo(-1))).toEqual([]);
  });

  it('that is in use is migrated as soon as it is free, and ends its history then', async () => {
    const url = await older([Date.parse('1990-01-01T00:00:00Z')]);
    const reader = await sqlClient(url, 1).reserve();
    await reader`begin`;
    await reader`select count(*) from activity_logs`;
    const lines: string[] = [];
    const migrated = open(url).migrate((line) => lines.push(line));
    await eventually('it waits for a moment without a reader', () => lines.length > 0);
    await createStore(open(url).db).makePartitions();
    expect(await history(url)).toBe(monthsAgo(0));
    await reader`commit`;
    reader.release();
    await migrated;
    await createStore(open(url).db).makePartitions();
    expect(await history(url)).toBe(monthsAgo(120));
  });
});
