/** Connections to PostgreSQL that stay open and do not respond: each request gets a response, and the service recovers. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { eventually, freshPostgres, json, startService, type TestService } from '../support/harness.ts';
import { startServer, withoutSync } from '../support/postgres-server.ts';
import { proxyTo } from '../support/proxy.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';
import { order } from './follow.ts';

/** Ten seconds without a byte from the server, five for a new connection, and what a busy machine adds. */
const write_ms_max = 18_000;
const ready_ms_max = 6_000;
/** With READ_MS_MAX=2000: five seconds more, then five for a new connection, and what a busy machine adds. */
const read_ms_max = 15_000;
const env = { READ_MS_MAX: '2000' };
const reads = ['/api/logs', '/api/logs/1', '/api/logs/stats', '/logs'];

/** A request that must be answered in time; resolves to its status and content. */
async function answered(service: TestService, path: string, ms: number, init: RequestInit = {}) {
  const response = await service.request(path, { ...init, signal: AbortSignal.timeout(ms) });
  return { status: response.status, text: await response.text() };
}

/** Sends writes one after the other, each with a uid, until `over`; returns the uids of those that were acknowledged. */
async function writeUntil(service: TestService, name: string, over: AbortSignal): Promise<string[]> {
  const stored: string[] = [];
  for (let n = 0; !over.aborted; n++) {
    const event_uid = `${name}-${n}`;
    const { status, text } = await answered(service, '/api/logs', write_ms_max, json({ ...order(n), event_uid }));
    if (status === 201) stored.push(event_uid);
    else expect({ status, text }).toMatchObject({ status: 503, text: expect.stringMatching(/"stored":/) });
  }
  return stored;
}

/** Writes until a write meets a connection that does not respond: those that are new respond at once. */
async function stuckWrite(service: TestService) {
  for (let n = 0; n < 10; n++) {
    const response = answered(service, '/api/logs', write_ms_max, json(order(n)));
    const late = new Promise<'stuck'>((resolve) => setTimeout(resolve, 1_500, 'stuck'));
    if ((await Promise.race([response, late])) === 'stuck') return { response };
  }
  throw new Error('every write was answered');
}

const isReady = async (service: TestService) => (await answered(service, '/readyz', ready_ms_max)).status === 200;

/** Claims what must hold while `silence` lasts, and after `restore`. */
function claims(
  when: string,
  service: TestService,
  silence: () => Promise<void> | void,
  restore: () => Promise<void> | void,
): void {
  it(`${when} every request gets a response in time, and the service recovers`, { timeout: 300_000 }, async () => {
    await service.write(order(0));
    const over = new AbortController();
    const writers = ['a', 'b', 'c'].map((name) => writeUntil(service, `${name}-${Math.random()}`, over.signal));
    await new Promise((resolve) => setTimeout(resolve, 300));
    await silence();
    await eventually('/readyz says 503', async () => !(await isReady(service)), ready_ms_max);
    const refused = await Promise.all(reads.map((path) => answered(service, path, read_ms_max)));
    for (const { status, text } of refused) expect(status, text).toBe(503);
    // Once it is known that the database does not respond, requests do not wait for it one by one.
    const many = Array.from({ length: 60 }, () => answered(service, '/api/logs', read_ms_max));
    for (const { status } of await Promise.all(many)) expect(status).toBe(503);
    expect(await isReady(service)).toBe(false);
    await restore();
    await eventually('the service is ready again', () => isReady(service));
    over.abort();
    const stored = (await Promise.all(writers)).flat();
    expect(stored.length).toBeGreaterThan(0);
    for (const event_uid of [stored[0], stored.at(-1)]) {
      const [again] = await service.write({ ...order(2), event_uid });
      expect(again?.event_uid).toBe(event_uid);
    }
    const { total } = JSON.parse((await answered(service, '/api/logs', read_ms_max)).text);
    const distinct = new Set(stored).size;
    expect(total, 'an acknowledged event is missing').toBeGreaterThanOrEqual(distinct + 1);
    for (const path of reads) expect((await answered(service, path, read_ms_max)).status).toBe(200);
  });
}

async function behindProxy() {
  const proxy = await proxyTo(await freshPostgres());
  return { proxy, service: await startService({ place: { DATABASE_URL: proxy.url }, env }) };
}

// Nearly all of the time is waiting for deadlines: each test has a service and a proxy of its own, and they wait together.
const promises = async () => {
  const [stuck, swallowed, idle] = [await behindProxy(), await behindProxy(), await behindProxy()];

  it('while a write is on a dead connection /readyz says 503, and the next one goes to another', async () => {
    const { proxy, service } = stuck;
    await service.write(order(0));
    // Opens all connections of the writers: otherwise the poll may take the only one, and every write opens another.
    await Promise.all([...Array.from({ length: 8 }, () => isReady(service)), service.write(order(1))]);
    proxy.swallow();
    const first = await stuckWrite(service);
    const second = answered(service, '/api/logs', write_ms_max, json(order(2)));
    await eventually('/readyz says 503', async () => !(await isReady(service)), ready_ms_max);
    expect(await first.response).toMatchObject({ status: 503, text: expect.stringContaining('"stored":"unknown"') });
    // 503 when postgres.js put it on a third connection that is dead, behind the query of a probe.
    expect([201, 503]).toContain((await second).status);
    await eventually('the service is ready again', () => isReady(service));
    const isStored = async () => (await answered(service, '/api/logs', write_ms_max, json(order(3)))).status === 201;
    await eventually('writes are stored again', isStored, write_ms_max);
  });

  it('a connection that is idle stays open', async () => {
    const { proxy, service } = idle;
    // Opens all connections: from now on only one in place of one that was closed would be new.
    const busy = Array.from({ length: 60 }, (_, n) => [service.write(order(n)), service.request('/api/logs')]);
    await Promise.all(busy.flat());
    let before = 0;
    await eventually('no more connections are opened', async () => {
      before = proxy.opened();
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      return proxy.opened() === before;
    });
    await new Promise((resolve) => setTimeout(resolve, 12_000));
    await service.write(order(1));
    expect(proxy.opened()).toBe(before);
  });

  claims(
    'while no connection responds',
    swallowed.service,
    () => swallowed.proxy.swallow({ fresh: true }),
    () => swallowed.proxy.pass(),
  );

  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-stopped-'));
  await chmod(folder, 0o755); // The server's own user must get through.
  const server = await startServer(join(folder, 'postgres'), { flags: withoutSync });
  const service = await startService({ place: { DATABASE_URL: server.url }, env });
  afterAll(async () => {
    await server.thaw();
    await service.stop();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });
  claims('while the server is stopped', service, server.freeze, server.thaw);
};

notOn(reasons.embedded).describe('connections that stay open and do not respond', () =>
  notOn(reasons.hyperdrive).describe('on a server', promises, { concurrent: true }),
);
