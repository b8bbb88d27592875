/** Followers that never read, streams without events for long, and requests to upgrade to another protocol. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import { eventually, startService, target } from '../support/harness.ts';
import { scrape } from '../support/scrape.ts';
import { follow, followSocket, idsOf, openUnreadStream, order, orders, take } from './follow.ts';

const n_stalled = 8;
const { runtime } = target();
/**
 * Many times what the kernel buffers for a follower that never reads plus the service's own limit: what a service without
 * a limit would hold must stand out from garbage that is not collected yet.
 */
const unread_bytes = 36 * 1024 * 1024;
const batch = orders(400, { user_agent: 'x'.repeat(2_000) });
const n_batches = Math.ceil(unread_bytes / (400 * 2_000));
/** Longer than the 10 s after which Bun closes an idle connection by default. */
const silence_ms = 11_000;

const silent = await startService({ env: { HEARTBEAT_MS: '600000' } });
const silentStream = await follow(silent);
const silentSocket = await followSocket(silent);
const silentSince = Date.now();

const stall_ms_max = 500;
const service = await startService({ env: { HEARTBEAT_MS: '100', STALL_MS_MAX: `${stall_ms_max}` } });

/** A follower that never read: how to resume reading, and when the service cut it. */
type Stalled = { resume(): void; cut(): Promise<void> };
// Each has its own filter, so that followers do not share their buffers.
const stall: Record<string, (i: number) => Promise<Stalled>> = {
  SSE: async (i) => {
    const socket = await openUnreadStream(service, `/api/logs/stream?entity_id!=never${i}`);
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    return { resume: () => socket.resume(), cut: () => closed };
  },
  WebSocket: async (i) => {
    const { socket } = await followSocket(service, `?entity_id!=never${i}`);
    socket.pause();
    const cut = async () => {
      // The close frame has arrived: workerd leaves the TCP connection to the client.
      await eventually('the socket is closed', () => socket.readyState >= socket.CLOSING);
      socket.terminate();
    };
    return { resume: () => socket.resume(), cut };
  },
};

/** On Workers another process than the one that is scraped has the followers. */
const countsCuts = runtime !== 'workers';
/** The followers that the service has cut. Node's own pings, each 100 ms here, may find a socket silent before it is slow. */
async function cuts(): Promise<number> {
  const samples = await scrape(service);
  const of = (reason: string) => samples.get(`edgetrail_follower_cuts_total{reason="${reason}"}`) ?? 0;
  return of('slow') + of('silent');
}

describe('followers that never read', () => {
  const write = async (n: number) => {
    const written: number[] = [];
    for (let i = 0; i < n; i++) written.push(...(await service.write(batch)).map(({ id }) => id));
    return written;
  };
  // Warms up the memory that writing as much takes, so that it is not measured.
  beforeAll(async () => void (await write(n_batches)));

  it.each(Object.keys(stall))(
    'over %s are cut, cost little memory, and can resume',
    { timeout: 300_000 },
    async (how) => {
      const stalled = await Promise.all(Array.from({ length: n_stalled }, (_, i) => stall[how]?.(i)));
      const before = service.rss_bytes();
      const written = await write(n_batches);
      const grown = service.rss_bytes() - before;
      expect(grown).toBeLessThan((n_stalled * unread_bytes) / 2);
      const resumed = await take(await follow(service, `?after=${(written[0] ?? 0) - 1}`), written.length);
      expect(idsOf(resumed)).toEqual(written);
      // A socket notices its close only by reading, and one that reads before its time is over is not cut.
      const n_cut = n_stalled * (Object.keys(stall).indexOf(how) + 1);
      if (countsCuts) await eventually('all are cut', async () => (await cuts()) === n_cut);
      else await new Promise((resolve) => setTimeout(resolve, 4 * stall_ms_max));
      for (const reader of stalled) reader?.resume();
      await Promise.all(stalled.map((reader) => reader?.cut()));
      if (countsCuts) expect(await cuts(), 'counted for the operator').toBe(n_cut);
    },
  );
});

describe('a stream without events', () => {
  it('stays open over many heartbeats and delivers the next event', async () => {
    // Not the service above, which cuts who is silent for half a second: so may be a test on a busy machine.
    const beating = await startService({ env: { HEARTBEAT_MS: '250' } });
    const answer = await follow(beating);
    const socket = await followSocket(beating);
    const reading = take(answer, 1);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const [entry] = await beating.write(order(1));
    expect(idsOf(await reading)).toEqual([entry?.id]);
    await eventually('the socket has the event', () => socket.ids().at(-1) === entry?.id);
    socket.socket.terminate();
  });

  it(`stays open for ${silence_ms / 1_000} s without a heartbeat and delivers the next event`, async () => {
    await new Promise((resolve) => setTimeout(resolve, silentSince + silence_ms - Date.now()));
    const [entry] = await silent.write(order(1));
    expect(idsOf(await take(silentStream, 1))).toEqual([entry?.id]);
    await eventually('the socket has the event', () => silentSocket.ids().at(-1) === entry?.id);
    silentSocket.socket.terminate();
  });
});

describe('Upgrade: h2c', () => {
  const upgrade = [
    'GET /livez HTTP/1.1',
    'Host: localhost',
    'Connection: Upgrade, HTTP2-Settings',
    'Upgrade: h2c',
    'HTTP2-Settings: AAMAAABkAAQAAP__',
  ].join('\r\n');
  /** A half-open client: it does not close its side when the server closes its own. */
  const halfOpen = async () => {
    const { hostname: host, port } = new URL(service.url);
    const socket = connect({ host, port: Number(port), allowHalfOpen: true });
    socket.on('error', () => {});
    socket.write(`${upgrade}\r\n\r\n`);
    return socket;
  };

  it('gets a response, 30 at once', async () => {
    const sockets = await Promise.all(Array.from({ length: 30 }, halfOpen));
    const answers = await Promise.all(sockets.map(async (socket) => String((await once(socket, 'data'))[0])));
    for (const answer of answers) expect(answer).toMatch(/^HTTP\/1\.1 (200|501|426|400) /);
    for (const socket of sockets) socket.destroy();
    expect((await service.request('/livez')).status).toBe(200);
  });

  it('leaves no open socket that does not respond', async () => {
    const socket = await halfOpen();
    await once(socket, 'data');
    // The connection either responds to the next request or is closed.
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    await eventually('the connection responds or is closed', () => {
      if (!socket.destroyed && text === '') socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
      return socket.destroyed || text.includes(' 200 ');
    });
    socket.destroy();
  });
});
