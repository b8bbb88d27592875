/** Events of the past make the partitions of their months, and are found whatever their time. */
import { describe, expect, it } from 'vitest';
import { openPglite } from '../../src/runtime/pglite.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { startService } from '../support/harness.ts';
import { divided, filled, monthsAgo, nameOf, partitionsOf, uncovered } from '../support/partitions.ts';

const service = await startService();
const textOf = (ms: number) => new Date(ms).toISOString();
const order = (ms: number) => ({ event_type: 'CREATE', entity_type: 'order', timestamp: textOf(ms) });

describe('events of the past', () => {
  const times = {
    'the year 1': '0001-01-01T00:00:00.000Z',
    'the last century': '1999-12-31T23:59:59.999Z',
    'the last moment before the last ten years': textOf(monthsAgo(120) - 1),
    'the first month of the last ten years': textOf(monthsAgo(120)),
    'a month between': textOf(monthsAgo(77) + 86_400_000),
    'the end of a month': textOf(monthsAgo(76) - 1),
    'this moment': textOf(Date.now()),
    'in 23 hours': textOf(Date.now() + 23 * 3_600_000),
  };

  it.each(Object.entries(times))('of %s are stored and found', async (_when, timestamp) => {
    const [stored] = await service.write({ ...order(0), timestamp, user_id: 'of any time' });
    const found = await service.request(
      `/api/logs?user_id=of%20any%20time&start_date=${timestamp}&end_date=${timestamp}`,
    );
    expect(await found.json()).toMatchObject({ total: 1, logs: [stored] });
  });

  it('of 24 months make these months', { timeout: 300_000 }, async () => {
    const months = Array.from({ length: 24 }, (_, i) => monthsAgo(i + 1));
    // Two imports at once: one with an event in each request, one with all in one request.
    await Promise.all([
      service.write(months.map((ms) => order(ms + 5))),
      (async () => {
        for (const ms of months) await service.write(order(ms + 86_400_000));
      })(),
    ]);
    await service.stop();
    const { db, close } =
      'DATA_DIR' in service.place
        ? await openPglite(service.place.DATA_DIR)
        : openPostgres(service.place.DATABASE_URL, 1);
    try {
      await divided(db);
      const inUse = await filled(db);
      expect(months.map((ms) => inUse[nameOf(ms)])).toEqual(months.map(() => 2));
      const recent = (await partitionsOf(db)).filter(({ from, to }) => from >= monthsAgo(24) && to <= monthsAgo(0));
      expect(recent.map(({ name }) => name)).toEqual(months.map(nameOf).reverse());
      expect(uncovered(await partitionsOf(db), monthsAgo(-1))).toEqual([]);
    } finally {
      await close();
    }
  });
});
