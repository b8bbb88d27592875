/** PostgreSQL with other server settings: an event is stored and found in the same way. */
import { expect, it } from 'vitest';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { adminClient, eventually, freshPostgres, json, sqlClient, startService } from '../support/harness.ts';
import { misplaced, monthsAgo, partitionsOf, uncovered } from '../support/partitions.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';

const event = { event_type: 'PAYMENT', entity_type: 'payment', entity_id: 'P-77', metadata: { amount: 12.5 } };

notOn(reasons.embedded).describe('on a PostgreSQL with other settings', async () => {
  // Created at the top: a clean-up hook that a running test registers is never called.
  const newDatabase = async () => {
    const url = await freshPostgres();
    const name = new URL(url).pathname.slice(1);
    return { place: { DATABASE_URL: url }, sql: sqlClient(url, 1), admin: adminClient(url), name };
  };
  const off = await newDatabase();
  const other = await newDatabase();
  const readOnly = await newDatabase();

  it.each([
    ["timezone = 'Europe/Paris'"],
    ["timezone = 'America/New_York'"],
    ["datestyle = 'German, DMY'"],
    ["default_transaction_isolation = 'repeatable read'"],
  ])('with %s an event is stored and found', async (setting) => {
    const { place, sql, name } = other;
    await sql.unsafe(`alter database ${name} set ${setting}`);
    const service = await startService({ place });
    // Old time zones have offsets with seconds: Paris was +00:09:21 until 1911.
    for (const timestamp of ['1850-06-01T12:00:00.000Z', '0001-01-01T00:00:00.000Z', '2025-07-01T22:30:00.125Z']) {
      const sent = { ...event, description: 'a\\b', event_uid: `${setting} ${timestamp}`, timestamp };
      const [entry] = await service.write(sent);
      expect(entry).toMatchObject(sent);
      const listing = await service.request(`/api/logs?start_date=${timestamp}&end_date=${timestamp}&search=%5C`);
      expect(listing.status).toBe(200);
      expect(await listing.json()).toMatchObject({ logs: expect.arrayContaining([entry]) });
    }
    await service.stop();
    await sql.unsafe(`alter database ${name} reset all`);
  });

  notOn(reasons.hyperdrive).it(
    'that was read-only, the service is ready and writes as soon as the database is writable again',
    async () => {
      const { place, sql, admin, name } = readOnly;
      const service = await startService({ place });
      const status = async () => (await service.request('/readyz')).status;
      const write = async () => (await service.request('/api/logs', json(event))).status;
      expect([await status(), await write()]).toEqual([200, 201]);
      await sql.unsafe(`alter database ${name} set default_transaction_read_only = on`);
      // What a failover does: the service connects again, and its new sessions are read-only.
      await admin`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'edgetrail'`;
      await eventually('the service is not ready', async () => (await status()) === 503);
      await eventually('a write is refused', async () => (await write()) === 503);
      // The readers' connections were terminated, too: the first request on one of them is a 503.
      await eventually('the list is read', async () => (await service.request('/api/logs')).status === 200);
      await sql.unsafe(`alter database ${name} set default_transaction_read_only = off`);
      await eventually('the service is ready again', async () => (await status()) === 200);
      await eventually('a write is stored', async () => (await write()) === 201);
      await service.stop();
    },
  );

  it('events of months in which the service did not run are stored', async () => {
    const { place, sql } = off;
    // As if the service had been installed four months ago and had stopped then: no partition covers the time since.
    const { db, close } = openPostgres(place.DATABASE_URL, 1);
    for (const { name, from } of await partitionsOf(db)) if (from >= monthsAgo(120)) await sql`drop table ${sql(name)}`;
    await sql.unsafe(`
      alter table activity_logs detach partition activity_logs_history;
      alter table activity_logs attach partition activity_logs_history for values from (minvalue) to
        ('${textOf(monthsAgo(4))}')`);
    const service = await startService({ place });
    await service.scheduled();
    const timestamps = [5, 3, 1, 0].map((n) => textOf(monthsAgo(n)));
    const kept = await service.write(timestamps.map((timestamp) => ({ ...event, timestamp })));
    expect(kept.map(({ timestamp }) => timestamp)).toEqual(timestamps);
    expect(uncovered(await partitionsOf(db), Date.now())).toEqual([]);
    expect(await misplaced(db)).toBe(0);
    await service.stop();
    await close();
  });
});

const textOf = (ms: number) => new Date(ms).toISOString();
