/** Connections to several hosts, and a result that stops in the middle. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, inject, it } from 'vitest';
import { serverClient } from '../../src/runtime/postgres.ts';
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

it('without a host that responds the query fails at once', async () => {
  const sql = serverClient(at(`${dead},${dead}`), 1, null);
  const started = Date.now();
  await expect(sql`select 1`).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(Date.now() - started).toBeLessThan(3_000);
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
      "select repeat('x', 20000) from generate_series(1, 2) n where n = 1 or pg_sleep(1) is not null",
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

it('target_session_attrs leads past a host that is read-only', { timeout: 60_000 }, async () => {
  const sql = serverClient(mainUrl.replace(mainHost, `${readOnlyHost},${mainHost}`), 2, null);
  for (let n = 0; n < 3; n++)
    expect(await sql`select current_setting('transaction_read_only') as read_only`).toMatchObject([
      { read_only: 'off' },
    ]);
  await sql.end();
});
