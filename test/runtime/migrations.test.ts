/** A log is migrated while it is in use: a migration waits for others, and others do not wait for it. */
import { setTimeout } from 'node:timers/promises';
import type postgres from 'postgres';
import { expect, it } from 'vitest';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { eventually, sqlClient } from '../support/harness.ts';
import { olderLog } from '../support/older-log.ts';

/** A log before the columns of spans, which are added to the table that everybody uses. */
const before_spans_n = 18;
const event = { event_type: 'CREATE', entity_type: 'order' };

type Sql = postgres.Sql | postgres.TransactionSql;
const hasSpans = async (sql: Sql) => (await sql`select from pg_attribute where attname = 'span_id'`).length > 0;
const append = (sql: Sql, n = 1) =>
  sql.unsafe('select stored_id from append_logs($1::text::jsonb)', [JSON.stringify(Array(n).fill(event))]);

/** Opens a transaction that has read the log, as pg_dump does. */
async function openReader(url: string) {
  const reader = await sqlClient(`${url}?application_name=a-long-dump`, 1).reserve();
  await reader`begin`;
  await reader`select count(*) from activity_logs`;
  return {
    end: async () => {
      await reader`commit`;
      reader.release();
    },
  };
}

function startMigration(url: string) {
  const database = openPostgres(url, 1);
  const lines: string[] = [];
  const run = { isOver: false, lines, database, ended: Promise.resolve() };
  run.ended = database
    .migrate((line) => lines.push(line))
    .finally(() => {
      run.isOver = true;
    });
  run.ended.catch(() => {}); // Awaited later; this only prevents an unhandled rejection.
  return run;
}

it('waits for a long reader and says so, and meanwhile readers and writers are answered', async () => {
  const url = await olderLog(before_spans_n, [event]);
  const sql = sqlClient(url, 2);
  const reader = await openReader(url);
  const migration = startMigration(url);
  await eventually('it says what it waits for', () => migration.lines.length > 0);
  expect(migration.lines).toEqual([
    expect.stringMatching(
      /^a migration waits .+ keeps nobody waiting: process \d+ \(a-long-dump, idle in transaction\) has used them since \d{4}-/,
    ),
  ]);
  // For longer than the pause between two attempts, so that some of these come while the migration asks for the lock.
  const until = performance.now() + 1_500;
  let longest_ms = 0;
  while (performance.now() < until) {
    const from = performance.now();
    // Who waited for the reader would be refused after the two seconds that an append waits for a lock.
    await append(sql);
    await sql`insert into activity_logs (event_type, entity_type) values ('CREATE', 'order')`;
    await sql`select count(*) from activity_logs`;
    longest_ms = Math.max(longest_ms, performance.now() - from);
  }
  console.log(
    `beside a migration that waits: at most ${Math.round(longest_ms)} ms for an append, an insert and a read`,
  );
  expect(migration.isOver).toBe(false);
  expect(await hasSpans(sql)).toBe(false);
  await reader.end();
  await migration.ended;
  expect(await hasSpans(sql)).toBe(true);
  expect(migration.lines.at(-1)).toMatch(/free after \d+ s and are migrated/);
  await migration.database.close();
});

it('is done while writers of every kind and readers never pause, and none of them fails', async () => {
  const url = await olderLog(before_spans_n, [event]);
  const sql = sqlClient(url, 16);
  let going = true;
  let n_written = 1;
  const written = async (n: number, ...statements: (() => Promise<unknown>)[]) => {
    while (going) {
      for (const run of statements) await run();
      n_written += n;
    }
  };
  const plain = (to: Sql = sql) => to`insert into activity_logs (event_type, entity_type) values ('CREATE', 'order')`;
  const inbox = (to: Sql = sql) => to`insert into activity_inbox (event_type, entity_type) values ('CREATE', 'order')`;
  const drain = () => sql`select drain_inbox(500)`;
  const read = () => sql`select count(*) from activity_logs`;
  const all = Promise.all([
    ...Array.from({ length: 4 }, () => written(5, () => append(sql, 5))),
    ...Array.from({ length: 2 }, () => written(1, () => plain())),
    // In one transaction, and in the order in which a drain locks them.
    written(2, async () => {
      await sql.begin((tx) => [inbox(tx), plain(tx)]);
      await setTimeout(20);
    }),
    written(1, () => inbox()),
    ...Array.from({ length: 2 }, () => written(0, drain)),
    ...Array.from({ length: 3 }, () => written(0, read)),
  ]);
  const failed = all.then(
    () => null,
    (error) => error,
  );
  await eventually('they are at work', () => n_written > 50);
  const from = performance.now();
  const migration = startMigration(url);
  await migration.ended;
  console.log(`migrated beside 10 writers and 3 readers in ${Math.round(performance.now() - from)} ms`);
  const n_before = n_written;
  await eventually('they go on', () => n_written > n_before + 50);
  going = false;
  expect(await failed).toBeNull();
  while ((await sql`select drain_inbox(500) as n`)[0]?.n > 0);
  expect(await sql`select count(*)::int as n, max(id)::int as last from activity_logs`).toEqual([
    { n: n_written, last: n_written },
  ]);
  await migration.database.close();
});

it('ends with its process, and the next one goes on; a second one says that it waits', async () => {
  const url = await olderLog(before_spans_n, [event]);
  const reader = await openReader(url);
  const first = startMigration(url);
  await eventually('the first waits for the reader', () => first.lines.length > 0);
  const second = startMigration(url);
  await eventually('the second waits for the first', () => second.lines.length > 0);
  expect(second.lines).toEqual(['another process migrates the tables: this one waits for it']);
  await first.database.close();
  await expect(first.ended).rejects.toThrow('the database was closed while a migration waited');
  await eventually('the second waits for the reader', () => second.lines.length > 1);
  await reader.end();
  await second.ended;
  expect(await hasSpans(sqlClient(url, 1))).toBe(true);
  await second.database.close();
});
