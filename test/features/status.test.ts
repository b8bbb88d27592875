/** The page /status: for administrators alone, and its numbers are those of the log. */
import { describe, expect, it } from 'vitest';
import { eventsOf } from '../../src/log/growth.ts';
import { monthsAhead } from '../../src/log/vitals.ts';
import { formatBytes, formatDuration } from '../../src/page/format.ts';
import { databases, eventually, sqlClient, startService, type TestService } from '../support/harness.ts';
import { invalidIn } from '../viewer/browser-page.ts';

const order = { event_type: 'CREATE', entity_type: 'order' };
const textOf = (markup: string) => markup.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');
const status = async (service: TestService) => textOf(await (await service.request('/status')).text());

describe.each(databases)('/status on %s', async (database) => {
  const service = await startService(database);
  await service.write(Array.from({ length: 30 }, () => order));

  it('is for administrators, and in their menu alone', async () => {
    expect((await service.request('/status', { as: 'guest' })).status).toBe(403);
    expect((await service.request('/status', { as: 'scraper' })).status).toBe(403);
    expect((await service.request('/status', { as: null })).status).toBe(401);
    expect(await (await service.request('/logs')).text()).toContain('<a class="button" href="/status">Status</a>');
    expect(await (await service.request('/logs', { as: 'guest' })).text()).not.toContain('/status');
  });

  it('has the numbers of the log', async () => {
    const text = await status(service);
    expect(text).toContain(' Events 30 ');
    for (const period of ['24 hours', '7 days', '30 days'])
      expect(text).toMatch(`In the last ${period} 30 stored, about`);
    expect(text).toMatch(/On the disk [\d.]+ [KM]iB with all tables and indexes/);
    expect(text).toContain(` ${new Date().toISOString().slice(0, 7)} `);
    expect(text).toMatch(/Version [\d.]+ on node with (pglite|postgres)/);
    expect(text).toContain('Months ahead 3 have a partition');
    expect(text).toContain('Waiting 0 Refused 0');
    await eventually('the events of this month are counted', async () =>
      (await status(service)).includes(` ${new Date().toISOString().slice(0, 7)} 30 `),
    );
    await eventually('the reader has caught up', async () =>
      (await status(service)).includes('rollup 30 up to date on'),
    );
  });
});

describe('/status', async () => {
  const service = await startService('postgres');
  if (!('DATABASE_URL' in service.place)) throw new Error('not PostgreSQL');
  const sql = sqlClient(service.place.DATABASE_URL, 1);
  const committed = async (days: number, events: number) => {
    await service.write(Array.from({ length: events }, () => order));
    await sql`alter table log_batches disable trigger user`;
    await sql`update log_batches set committed_at = now() - make_interval(days => ${days}) where last_id = (select max(last_id) from log_batches)`;
    await sql`alter table log_batches enable trigger user`;
  };

  it('counts exactly what was stored in the last day, week and month', async () => {
    expect(await status(service)).toContain('In the last 24 hours 0 stored');
    for (const [days, events] of [
      [400, 7],
      [31, 5],
      [29, 11],
      [8, 13],
      [6, 17],
      [0, 19],
    ] as const)
      await committed(days, events);
    const text = await status(service);
    expect(text).toContain('Events 72 ');
    expect(text).toMatch(/In the last 24 hours 19 stored/);
    expect(text).toMatch(/In the last 7 days 36 stored/);
    expect(text).toMatch(/In the last 30 days 60 stored/);
  });

  it('shows refused rows of the inbox with their reasons, as text', async () => {
    await sql`insert into activity_inbox_refused (n, reason, event) select i, '<b>reason</b> ' || i, '{}' from generate_series(1, 12) i`;
    const text = await (await service.request('/status')).text();
    expect(textOf(text)).toContain('Refused 12 , in activity_inbox_refused The newest 10 refused rows');
    expect(text).toContain('&lt;b&gt;reason&lt;/b&gt; 12');
    expect(text).not.toContain('&lt;b&gt;reason&lt;/b&gt; 2<');
    expect(await invalidIn(text)).toEqual([]);
  });

  it('says how many follow this process', async () => {
    // A log of its own: followers of the one above may be restarted, because the times of its batches were changed.
    const followed = await startService('postgres');
    const stream = await followed.request('/api/logs/stream');
    // The response may be there before the stream is open.
    await expect.poll(() => status(followed)).toContain('Followers 1: 1 by event streams, 0 pages, 0 sockets');
    await stream.body?.cancel();
  });

  it('warns when the partition of the next month is missing', () => {
    const now = Date.parse('2026-11-30T23:00:00Z');
    const names = ['activity_logs_2026_11', 'activity_logs_2026_12', 'activity_logs_2027_01'];
    expect(monthsAhead(new Set(names), now)).toBe(2);
    expect(monthsAhead(new Set([...names, 'activity_logs_2027_03']), now)).toBe(2);
    expect(monthsAhead(new Set(names.slice(0, 1)), now)).toBe(0);
  });
});

describe('the events of a partition', () => {
  const partitions = [
    'activity_logs_history',
    'activity_logs_2026_11',
    'activity_logs_2026_08_until_2026_11',
    'activity_logs_2026_07',
  ];
  const counts = new Map([
    ['2026_11', 1],
    ['2026_10', 2],
    ['2026_08', 4],
    ['2026_07', 8],
    ['2026_06', 16],
    ['1999_12', 32],
    ['', 64],
  ]);

  it.each([
    ['activity_logs_2026_11', 1],
    ['activity_logs_2026_08_until_2026_11', 6],
    ['activity_logs_2026_07', 8],
    ['activity_logs_history', 112],
  ])('%s has %i', (name, n) => {
    expect(eventsOf(name, partitions, counts)).toBe(n);
  });
});

it.each([
  [0, '0 bytes'],
  [999, '999 bytes'],
  [1_000, '0.98 KiB'],
  [16_384, '16 KiB'],
  [1_536 * 1_024, '1.5 MiB'],
  [900 * 2 ** 20, '900 MiB'],
  [7_017_166_527, '6.5 GiB'],
  [5_000 * 2 ** 40, '5000 TiB'],
])('%i bytes are shown as %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

it.each([
  [0.4, '0 s'],
  [59.9, '59 s'],
  [61, '1 min'],
  [7_200, '2 h'],
  [170_000, '47 h'],
  [180_000, '2 days'],
])('%d seconds are shown as %s', (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});
