/** Syslog over TLS on each runtime: when an event counts as kept, what is sent again, and who is not trusted. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { eventually, json, startService, target } from '../support/harness.ts';
import { makeCertificates } from '../support/sinks/certificates.ts';
import { syslogReceiver } from '../support/sinks/syslog-receiver.ts';
import { has } from '../support/web-proxies.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';

type Sink = { status: string; cursor: number; last_error: string | null; needs: string | null };

notOn(reasons.noOpenssl, !(await has('openssl', 'version'))).describe('syslog', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-syslog-'));
  const files = await makeCertificates(folder);
  const far = await syslogReceiver(files);
  const ca = await readFile(files.ca, 'utf8');
  // A Worker takes no authority from a sink: the local one is started with it.
  const isWorker = target().runtime === 'workers';
  const service = await startService({
    env: { OUTBOUND_ALLOW: '127.0.0.0/8', ...(isWorker && { TEST_AUTHORITY: ca }) },
  });
  const trust = isWorker ? {} : { ca };
  afterAll(async () => {
    await far.close();
    await rm(folder, { recursive: true });
  });

  const sink = async (name: string) => (await service.request(`/api/sinks/${name}`)).json() as Promise<Sink>;
  const put = async (name: string, more: object) => {
    const spec = { kind: 'syslog', url: far.url, filter: `service=${name}`, ...more };
    const answer = await service.request(`/api/sinks/${name}`, { ...json(spec), method: 'PUT' });
    expect(answer.status, await answer.text()).toBe(201);
  };
  const write = async (name: string, n: number) => {
    const events = Array.from({ length: n }, () => ({ event_type: 'CREATE', entity_type: 'order', service: name }));
    return (await service.write(events)).map(({ id }) => id);
  };

  it('counts an event as kept when the receiver has ended after it was sent everything, and not before', async () => {
    far.requests.length = 0;
    const ids = await write('kept', 20);
    far.next = 'wait';
    await put('kept', trust);
    await eventually('the receiver has read it', () => far.requests.length === 1);
    expect((await sink('kept')).cursor).toBeLessThan(ids[0] ?? 0);
    far.release();
    await eventually('it is kept', async () => (await sink('kept')).cursor >= (ids.at(-1) ?? 0));
    expect([far.requests, far.faults]).toEqual([[ids], []]);
  });

  it('sends a request again whose connection was broken off', async () => {
    far.requests.length = 0;
    const ids = await write('broken', 20);
    far.next = 'break';
    await put('broken', trust);
    await eventually('it is kept', async () => (await sink('broken')).cursor >= (ids.at(-1) ?? 0));
    expect([far.next, far.requests, far.faults]).toEqual(['take', [ids], []]);
  });

  it('sends nothing to a receiver whose certificate is not for its name', async () => {
    far.requests.length = 0;
    const ids = await write('other', 1);
    await put('other', { ...trust, url: far.url.replace('localhost', '[::ffff:127.0.0.1]') });
    await eventually('it fails', async () => (await sink('other')).status === 'failing');
    expect((await sink('other')).cursor).toBeLessThan(ids[0] ?? 0);
    // With TLS 1.3 the receiver may take the connection for open before it hears that it was refused.
    expect(far.requests.flat()).toEqual([]);
  });

  it('trusts an authority of its own where the runtime can, and says so where it cannot', async () => {
    const ids = await write('own', 1);
    await put('own', { ca });
    await eventually('it is settled', async () => {
      const { cursor, last_error } = await sink('own');
      return isWorker ? /a Worker trusts public authorities only/.test(String(last_error)) : cursor >= (ids[0] ?? 0);
    });
  });
});
