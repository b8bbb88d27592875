/** nginx and Caddy with the files of deploy/, in front of a running service: no event is delayed or lost. */
import { readFile } from 'node:fs/promises';
import { connect } from 'node:http2';
import { get } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createClient } from '../../src/client.ts';
import type { Entry } from '../../src/log/schema.ts';
import {
  credentials,
  eventually,
  freshDatabase,
  isEntry,
  json,
  type SseMessage,
  sseMessages,
  startService,
  type TestService,
} from '../support/harness.ts';
import { freePort } from '../support/postgres-server.ts';
import { proxyTo } from '../support/proxy.ts';
import { hasProxy, type ProxyName, proxyNames, startProxy } from '../support/web-proxies.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';

const admin = { authorization: credentials.admin };
const guest = { authorization: credentials.guest };

const heartbeat_ms = 1_500;
const read_timeout_s = 2;
const export_row_bytes = 20_000;
/** An export that neither the kernel's buffers of its two connections hold, nor with them a proxy's own. */
const [unread_bytes, export_rows] = await (async () => {
  const largest = async (name: string) =>
    Number((await readFile(`/proc/sys/net/ipv4/${name}`, 'utf8').catch(() => '0 0 8000000')).split(/\s+/)[2]);
  const kernel_bytes = 2 * ((await largest('tcp_rmem')) + (await largest('tcp_wmem')));
  const unread_bytes = kernel_bytes + 8 * 1024 * 1024;
  return [unread_bytes, Math.ceil((unread_bytes * 1.2) / (50 * export_row_bytes)) * 50];
})();

// The certificates of the proxies are self-signed.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
afterAll(() => {
  delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
});

const order = (event_type: string) => ({ event_type, entity_type: 'order' });

const isId = ({ id }: SseMessage) => id !== null;

/** Reads up to the next wanted message. */
async function until(
  messages: AsyncGenerator<SseMessage>,
  wanted: (message: SseMessage) => boolean,
): Promise<SseMessage> {
  for (;;) {
    const { value, done } = await messages.next();
    if (done) throw new Error('the stream ended');
    if (wanted(value)) return value;
  }
}

/** The first `n` ids that a socket receives. */
async function socketIds(url: string, n: number, whenOpen: () => Promise<unknown>): Promise<number[]> {
  const socket = new WebSocket(url.replace('http', 'ws'), { headers: guest });
  const ids: number[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      socket.on('open', () => whenOpen().catch(reject));
      socket.on('message', (text) => {
        ids.push(...(JSON.parse(String(text)) as { data: Entry[] }).data.map(({ id }) => id));
        if (ids.length >= n) resolve();
      });
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('the socket was closed')));
    });
    return ids;
  } finally {
    socket.terminate();
  }
}

/** Follows with the SDK until the signal. */
async function followInto(got: number[], url: string, signal: AbortSignal, event_type: string): Promise<void> {
  const log = createClient({ url, user: 'guest', password: 'guest-password' });
  try {
    for await (const { id } of log.follow({ event_type }, { after: 0, signal })) got.push(id);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

const installed: ProxyName[] = [];
for (const name of proxyNames) if (await hasProxy(name)) installed.push(name);

describe('the log behind a proxy', async () => {
  const place = await freshDatabase('postgres');

  /** Makes the log larger than the socket buffers, once for both proxies. */
  let filled: Promise<void> | null = null;
  async function fill(service: TestService): Promise<void> {
    const event = { event_type: 'BULK', entity_type: 'bulk', metadata: { filler: 'x'.repeat(export_row_bytes) } };
    for (let i = 0; i < export_rows; i += 50) await service.write(Array.from({ length: 50 }, () => event));
  }

  for (const name of proxyNames)
    notOn(reasons.noProxy, !installed.includes(name)).describe(
      `behind ${name} with the configuration of deploy/`,
      async () => {
        const env = { HEARTBEAT_MS: String(heartbeat_ms), PORT: String(await freePort()) };
        const service = await startService('postgres', { place, env });
        const counted = await proxyTo(service.url);
        let url = '';
        beforeAll(async () => {
          const proxy = await startProxy(name, [counted.url], read_timeout_s);
          url = proxy.url;
          return proxy.stop;
        });
        const follow = (query: string, headers: Record<string, string> = {}) =>
          fetch(`${url}/api/logs/stream?${query}`, { headers: { ...guest, ...headers } });
        const post = (body: unknown, headers: Record<string, string> = {}) => {
          const init = json(body);
          return fetch(`${url}/api/logs`, { ...init, headers: { ...init.headers, ...admin, ...headers } });
        };

        it.each(['identity', 'gzip'])(
          'an event arrives although no other event follows it (Accept-Encoding: %s)',
          async (encoding) => {
            const answer = await follow(`event_type=ALONE+${name}`, { 'accept-encoding': encoding });
            expect(answer.headers.get('content-encoding')).toBeNull();
            const messages = sseMessages(answer);
            await until(messages, isId);
            // Directly after a heartbeat: the next one, which could flush the buffers of the proxy, is 1.5 s away. A busy
            // machine may take as long by itself, but not each time.
            let waited_ms = Number.POSITIVE_INFINITY;
            for (let attempt = 0; attempt < 10 && waited_ms >= heartbeat_ms - 500; attempt += 1) {
              await until(messages, isId);
              const [written] = await service.write([order(`ALONE ${name}`)]);
              const since = Date.now();
              const { id } = await until(messages, isEntry);
              expect(id).toBe(String(written?.id));
              waited_ms = Date.now() - since;
            }
            expect(waited_ms).toBeLessThan(heartbeat_ms - 500);
            await messages.return(undefined);
          },
        );

        it('an event arrives over HTTP/2, as browsers follow', async () => {
          const session = connect(url, { rejectUnauthorized: false });
          const stream = session.request({ ':path': '/api/logs/stream?event_type=H2', ...guest });
          let text = '';
          stream.setEncoding('utf8').on('data', (chunk) => {
            text += chunk;
          });
          await eventually('the stream is open', () => text.includes('id: '));
          await service.write([order('H2')]);
          await eventually('the event has arrived', () => text.includes('"event_type":"H2"'), heartbeat_ms - 500);
          session.destroy();
        });

        it('a stream without events stays open longer than the read timeout of the proxy', async () => {
          const messages = sseMessages(await follow('event_type=NEVER'));
          const since = Date.now();
          while (Date.now() - since < read_timeout_s * 2_500) await until(messages, isId);
          await messages.return(undefined);
        });

        it('a socket receives new events, and resumes', async () => {
          const path = `${url}/ws/logs?event_type=SOCKET+${name}`;
          const [first = 0] = await socketIds(path, 1, () => service.write([order(`SOCKET ${name}`)]));
          const missed = await service.write([order(`SOCKET ${name}`), order(`SOCKET ${name}`)]);
          const resumed = await socketIds(`${path}&after=${first}`, 2, async () => {});
          expect(resumed).toEqual(missed.map(({ id }) => id));
        });

        it('a batch of 1,000 events is accepted, and a too large body gets the refusal of the service', async () => {
          const answer = await post(Array.from({ length: 1_000 }, () => order('MANY')));
          expect([answer.status, (await answer.json()).count]).toEqual([201, 1_000]);
          const refused = await post({ ...order('LARGE'), description: 'x'.repeat(1_500_000) });
          expect([refused.status, refused.headers.get('content-type')]).toEqual([413, 'application/problem+json']);
        });

        it('the page requires credentials and is compressed', async () => {
          const nobody = await fetch(`${url}/logs`);
          expect([nobody.status, nobody.headers.get('www-authenticate')]).toEqual([
            401,
            expect.stringMatching(/^Basic /),
          ]);
          const page = await fetch(`${url}/logs`, { headers: guest });
          expect([page.status, page.headers.get('content-encoding')]).toEqual([200, 'gzip']);
          expect(await page.text()).toContain('</html>');
        });

        it('nobody scrapes through it as if from loopback', async () => {
          for (const host of [new URL(url).host, 'localhost', '127.0.0.1:9000']) {
            const text = await new Promise((resolve, reject) => {
              const request = get(`${url}/metrics`, { rejectUnauthorized: false, headers: { host } });
              let body = '';
              request.on('error', reject).on('response', (answer) => {
                answer.on('data', (chunk) => (body += chunk)).on('end', () => resolve(body));
              });
            });
            expect([host, text]).toEqual([host, expect.not.stringContaining('edgetrail_')]);
          }
        });

        it('pages of the public origin may write and follow, pages of other origins may not', async () => {
          expect((await post(order('OURS'), { origin: url })).status).toBe(201);
          expect((await post(order('THEIRS'), { origin: 'https://evil.example' })).status).toBe(403);
          const handshake = (origin: string) =>
            new Promise((resolve) => {
              const socket = new WebSocket(`${url.replace('http', 'ws')}/ws/logs`, { headers: guest, origin });
              socket.on('open', () => {
                socket.terminate();
                resolve(101);
              });
              socket.on('unexpected-response', (_request, { statusCode }) => resolve(statusCode));
              socket.on('error', () => {});
            });
          expect([await handshake(url), await handshake('https://evil.example')]).toEqual([101, 403]);
        });

        it('an export streams: a client that does not read stops the export', { timeout: 300_000 }, async () => {
          filled ??= fill(service);
          await filled;
          const before = counted.received();
          const sent_bytes = () => counted.received() - before;
          const answer = await fetch(`${url}/api/logs/export?format=ndjson&event_type=BULK`, { headers: admin });
          const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
          let lines = 0;
          const readChunk = async () => {
            const { value } = (await reader?.read()) ?? {};
            lines += value?.match(/\n/g)?.length ?? 0;
            return value !== undefined;
          };
          await readChunk();
          // While the client does not read, the bytes that left the service are in buffers of the kernel and the proxy.
          let held_bytes = -1;
          await eventually('the export has stopped', async () => {
            const was = held_bytes;
            await new Promise((resolve) => setTimeout(resolve, 300));
            held_bytes = sent_bytes();
            return held_bytes === was;
          });
          while (await readChunk());
          expect(lines).toBe(export_rows);
          expect(held_bytes).toBeLessThan(unread_bytes);
          console.log(`${name} held ${held_bytes >> 20} of ${sent_bytes() >> 20} MiB while the client did not read`);
        });

        it('a follower reconnects after a restart of the service and gets every event', async () => {
          const over = new AbortController();
          const got: number[] = [];
          const following = followInto(got, url, over.signal, `RESTART ${name}`);
          const [first] = await service.write([order(`RESTART ${name}`)]);
          await eventually('the follower has the first event', () => got.length === 1);
          await service.stop();
          expect((await fetch(`${url}/livez`)).status).toBe(502);
          const again = await startService('postgres', { place, env });
          const [second] = await again.write([order(`RESTART ${name}`)]);
          await eventually('the follower has the second event', () => got.length === 2);
          over.abort();
          await following;
          await again.stop();
          expect(got).toEqual([first?.id, second?.id]);
        });
      },
    );

  if (installed.includes('nginx'))
    describe('two instances behind nginx', async () => {
      const start = (port: number) => startService('postgres', { place, env: { PORT: String(port) } });
      const ports = [await freePort(), await freePort()] as const;
      const [one, two] = [await start(ports[0]), await start(ports[1])];
      let url = '';
      beforeAll(async () => {
        const proxy = await startProxy('nginx', [one.url, two.url]);
        url = proxy.url;
        return proxy.stop;
      });

      it('restart one after the other, and writers and followers with the SDK lose no event', async () => {
        const over = new AbortController();
        const got: number[] = [];
        const following = followInto(got, url, over.signal, 'ROLLING');
        const log = createClient({ url, user: 'admin', password: 'admin-password' });
        const written: number[] = [];
        let writing = true;
        const writers = [1, 2, 3, 4].map(async () => {
          while (writing) written.push((await log(order('ROLLING'))).id);
        });
        const more = (n: number) => eventually('events are written', () => written.length >= n);
        const restarted: TestService[] = [];
        for (const [service, port] of [
          [one, ports[0]],
          [two, ports[1]],
        ] as const) {
          await more(written.length + 50);
          await service.stop();
          await more(written.length + 50);
          restarted.push(await start(port));
        }
        writing = false;
        await Promise.all(writers);
        await eventually('the follower has every event', () => got.length >= written.length);
        over.abort();
        await following;
        for (const again of restarted) await again.stop();
        expect(got).toEqual(written.toSorted((a, b) => a - b));
      });
    });
});
