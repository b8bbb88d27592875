/** Connections to several hosts, and a result that stops in the middle. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type postgres from 'postgres';
import { afterAll, expect, inject, it } from 'vitest';
import { serverClient } from '../../src/runtime/postgres.ts';
import { postgresClient } from '../../src/runtime/postgres-client.ts';
import { serverSockets } from '../../src/runtime/server-socket.ts';
import { freshPostgres } from '../support/harness.ts';
import { freePort, startServer, withoutSync } from '../support/postgres-server.ts';
import { proxyTo } from '../support/proxy.ts';

const url = await freshPostgres();
const dead = `127.0.0.1:${await freePort()}`;
const live = new URL(url).host;
const at = (hosts: string) => url.replace(live, hosts);
const proxy = await proxyTo(url);

const folder = await mkdtemp(join(tmpdir(), 'edgetrail-read-only-'));
await chmod(folder, 0o755); // The server's own user must get through.
const readOnly = await startServer(join(folder, 'postgres'), {
  flags: [...withoutSync, '-c', 'default_transaction_read_only=on'],
});
afterAll(async () => {
  await readOnly.stop();
  await rm(folder, { recursive: true, force: true });
});
const mainUrl = `${inject('serverUrl')}?target_session_attrs=read-write`;
const [mainHost, readOnlyHost] = [new URL(mainUrl).host, new URL(readOnly.url).host];

it.each([
  ['the first host that responds is used', `${dead},${live}`],
  ['a host that does not respond later is not asked', `${live},${dead}`],
])('%s', async (_claim, hosts) => {
  const sql = serverClient(at(hosts), 2, null);
  for (let n = 0; n < 3; n++) expect(await sql`select 1 as one`).toMatchObject([{ one: 1 }]);
  await sql.end();
});

it('without a host that responds the query fails, and does not wait for one', async () => {
  const sql = serverClient(at(`${dead},${dead}`), 1, null);
  const started = Date.now();
  await expect(sql`select 1`).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(Date.now() - started).toBeLessThan(15_000);
  await sql.end();
});

it.each([
  ['that is silent', async () => proxy.swallow(), async () => proxy.pass(), 'ETIMEDOUT'],
  ['that is cut', proxy.close, proxy.open, 'CONNECTION_CLOSED'],
])(
  'on a connection %s in the middle of a result the query fails, and the next result is whole',
  async (_how, end, restore, code) => {
    const sql = serverClient(proxy.url, 1, 1_000);
    await sql`select 1`;
    // The server sends one row and sleeps.
    const rows = sql.unsafe(
      "select repeat('x', 20000) from generate_series(1, 2) n where n = 1 or pg_sleep(10) is not null",
    );
    const failed = expect(rows).rejects.toMatchObject({ code });
    await new Promise((resolve) => setTimeout(resolve, 300));
    await end();
    await failed;
    await restore();
    expect([...(await sql`select 1 as one`)]).toEqual([{ one: 1 }]);
    await sql.end();
  },
);

it.each([
  ['a query', (sql: postgres.Sql) => sql`select 1`, 1],
  ['a transaction', (sql: postgres.Sql) => sql.begin((tx) => tx`select 1`), 1],
  ['queries on each connection', (sql: postgres.Sql) => Promise.all([1, 2, 3].map((n) => sql`select ${n}`)), 3],
])(
  'a connection that ends before the driver has flushed %s: it fails, and the next ones get a response',
  async (_what, ask, max) => {
    const opened: Duplex[] = [];
    const sql = postgresClient(url, max, {
      sockets: (...given) => {
        const open = serverSockets(null)(...given);
        return () => {
          const socket = open();
          opened.push(socket);
          return socket;
        };
      },
    });
    await Promise.all(Array.from({ length: max }, () => sql`select pg_sleep(0.1)`));
    const lost = expect(ask(sql)).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' });
    // The driver writes in the microtasks of this turn and flushes in a later one.
    for (let n = 0; n < 20; n++) await null;
    for (const socket of opened) socket.destroy();
    await lost;
    for (let n = 0; n < 2 * max; n++) expect([...(await sql`select 1 as one`)]).toEqual([{ one: 1 }]);
    await sql.end({ timeout: 1 });
  },
);

it('target_session_attrs leads past a host that is read-only', { timeout: 300_000 }, async () => {
  const sql = serverClient(mainUrl.replace(mainHost, `${readOnlyHost},${mainHost}`), 2, null);
  for (let n = 0; n < 3; n++)
    expect(await sql`select current_setting('transaction_read_only') as read_only`).toMatchObject([
      { read_only: 'off' },
    ]);
  await sql.end();
});
