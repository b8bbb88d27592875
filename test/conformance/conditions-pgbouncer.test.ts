/** PgBouncer in transaction mode: everything works although each statement may get another server connection. */
import { expect, it } from 'vitest';
import type { Entry } from '../../src/log/schema.ts';
import { eventually, freshPostgres, json, sqlClient, startService } from '../support/harness.ts';
import { hasPgBouncer, pgBouncerTo } from '../support/pgbouncer.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';
import { exported, readLines } from './files.ts';
import { follow, followSocket, idsOf, order, take } from './follow.ts';

const n_writers = 60;

notOn(reasons.embedded).describe('behind PgBouncer', () => {
  notOn(reasons.noPgBouncer, !hasPgBouncer()).describe('in transaction mode with five connections', async () => {
    const direct = await freshPostgres();
    const service = await startService({ place: { DATABASE_URL: await pgBouncerTo(direct, 5) } });
    const sql = sqlClient(direct, 1);

    it('concurrent writers get dense ids, and every follower gets every event', async () => {
      const stream = await follow(service, '?after=0');
      const { socket, ids } = await followSocket(service, '?after=0');
      const streamed = take(stream, n_writers * 3);
      const answers = await Promise.all(
        Array.from({ length: n_writers }, (_, i) =>
          service.request('/api/logs', json([1, 2, 3].map((n) => order(i, { user_id: `${n}` })))),
        ),
      );
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
      const expected = Array.from({ length: n_writers * 3 }, (_, i) => i + 1);
      expect(idsOf(await streamed)).toEqual(expected);
      await eventually('the socket has every event', () => ids().length === expected.length);
      expect(ids()).toEqual(expected);
      socket.terminate();
    });

    it('the list, the stats and the export work', async () => {
      const { logs, total } = (await (await service.request('/api/logs?search=nothing&event_type!=X')).json()) as {
        logs: Entry[];
        total: number;
      };
      expect({ logs, total }).toEqual({ logs: [], total: 0 });
      expect(await (await service.request('/api/logs/stats')).json()).toMatchObject({ total_logs: n_writers * 3 });
      expect(readLines(await exported(service, 'format=ndjson'))).toHaveLength(n_writers * 3);
    });

    it('times are in UTC whatever time zone the database has', async () => {
      await sql.unsafe(`alter database ${new URL(direct).pathname.slice(1)} set timezone = 'Europe/Paris'`);
      const timestamp = '1850-06-01T12:00:00.000Z';
      const [entry] = await service.write(order(1, { timestamp }));
      expect(await (await service.request(`/api/logs/${entry?.id}`)).json()).toMatchObject({ timestamp });
    });

    it('the inbox is drained', async () => {
      const streamed = take(await follow(service, '?event_type=INBOX'), 1);
      await sql`insert into activity_inbox (event_type, entity_type) values ('INBOX', 'order')`;
      expect(await streamed).toHaveLength(1);
    });

    // Such a database makes the service write in transactions of several statements (store.ts).
    it('every acknowledged event is stored where transactions begin as repeatable read', async () => {
      await sql.unsafe(
        `alter database ${new URL(direct).pathname.slice(1)} set default_transaction_isolation = 'repeatable read'`,
      );
      const isolated = await startService({ place: { DATABASE_URL: await pgBouncerTo(direct, 5) } });
      const readers = Array.from({ length: n_writers }, () => isolated.request('/api/logs'));
      const written: Entry[] = [];
      for (let n = 0; n < n_writers; n++) written.push(...(await isolated.write(order(n, { user_id: 'isolated' }))));
      for (const reader of await Promise.all(readers)) expect(reader.status).toBe(200);
      const { logs } = (await (await isolated.request('/api/logs?user_id=isolated&limit=1000')).json()) as {
        logs: Entry[];
      };
      expect(logs.map(({ id }) => id).toSorted((a, b) => a - b)).toEqual(written.map(({ id }) => id));
    });
  });
});
