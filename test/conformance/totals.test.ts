/** The total of a list: exact, bounded by a deadline, or not counted, as `count` says. */
import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import type { Database } from '../../src/log/schema.ts';
import { openPglite } from '../../src/runtime/pglite.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { startService } from '../support/harness.ts';
import { scrape } from '../support/scrape.ts';
import { get, type Listing } from './oracle.ts';

const service = await startService();
const events = Array.from({ length: 30 }, (_, n) => ({
  event_type: n % 3 === 0 ? 'DELETE' : 'UPDATE',
  entity_type: 'order',
  ...(n % 2 === 0 && { service: 'shop' }),
  user_id: `u${n % 5}`,
  timestamp: new Date(Date.parse('2026-03-01T00:30:00Z') + n * 1_800_000).toISOString(),
}));
await service.write(events);
await service.scheduled();

const list = (query: string) => get<Listing>(service, `/api/logs?${query}`);

const questions: [query: string, total: number][] = [
  ['', 30],
  ['event_type=DELETE', 10],
  ['event_type!=DELETE&service=shop', 10],
  ['service!=shop', 15],
  ['event_type=NEVER', 0],
  ['start_date=2026-03-01T03:15:00Z&end_date=2026-03-01T10:29:59Z', 14],
  ['start_date=2026-03-01T10:00:00Z', 11],
  ['end_date=2026-03-01', 30],
  ['user_id=u1', 6],
  ['user_id=u1&event_type=DELETE', 2],
  ['search=nothing', 0],
];

describe.each(['', '&count=exact', '&count=fast'])('the total with the parameters "%s"', (count) => {
  it.each(questions)('of %s is %i', async (query, total) => {
    for (const page of ['&limit=100', '&limit=2', '&limit=2&offset=4', '&limit=2&offset=1000']) {
      const found = await list(query + page + count);
      // A busy machine may not count within the deadline: then the total is a lower bound, never a wrong number.
      if (found.total_is_exact || count === '&count=exact')
        expect(found).toMatchObject({ total, total_is_exact: true });
      else expect(found.total).toBeLessThanOrEqual(total);
    }
  });
});

it.each(questions)('count=none returns no total of %s', async (query, n) => {
  const found = await list(`${query}&count=none&limit=100`);
  expect(found).toMatchObject({ total: null, total_is_exact: false });
  expect(found.logs).toHaveLength(n);
});

it('the links to other pages keep the choice', async () => {
  const answer = await service.request('/api/logs?limit=2&offset=2&count=none');
  const links = answer.headers.get('link')?.split(', ') ?? [];
  expect(links.map((link) => /rel="(\w+)"/.exec(link)?.[1])).toEqual(['first', 'prev', 'next']);
  for (const link of links) expect(link).toContain('count=none');
});

it('the choice has a tag of its own', async () => {
  const tag = async (query: string) => (await service.request(`/api/logs?limit=2${query}`)).headers.get('etag');
  expect(await tag('&count=none')).not.toBe(await tag(''));
  expect(await tag('&count=fast')).toBe(await tag(''));
});

describe('the rollup behind the counts', () => {
  const cursor = sql<number>`(select cursor from log_readers where name = 'rollup')`.mapWith(Number);
  const derived = sql<number>`(select sum(n) from log_rollup)`.mapWith(Number);
  const rolledBy = async (db: Database) => (await db.select({ cursor, derived }).from(sql`(select) as nothing`))[0];

  it('is moved on by the service itself', async () => {
    const own = await startService();
    await own.write(events);
    await own.scheduled();
    const { place } = own;
    if ('DATABASE_URL' in place) {
      const { db, close } = openPostgres(place.DATABASE_URL, 1);
      await expect.poll(() => rolledBy(db), { timeout: 30_000 }).toEqual({ cursor: 30, derived: 30 });
      await own.write(events);
      await own.scheduled();
      await expect.poll(() => rolledBy(db), { timeout: 30_000 }).toEqual({ cursor: 60, derived: 60 });
      await close();
      return;
    }
    // One process may open the embedded database.
    const lag = async () => (await scrape(own)).get('edgetrail_reader_lag_events{reader="rollup"}');
    await expect.poll(lag, { timeout: 30_000 }).toBe(0);
    await own.stop();
    const { db, close } = await openPglite(place.DATA_DIR);
    expect(await rolledBy(db)).toEqual({ cursor: 30, derived: 30 });
    await close();
  });
});
