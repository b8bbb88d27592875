/** The test, for any runtime, that disconnected followers leak nothing. It measures the process from outside. */
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { credentials, eventually, freshPostgres, json } from './harness.ts';
import { proxyTo } from './proxy.ts';

/** The resources of a process: amounts by name. */
export type Holds = Record<string, number>;

export type Leaver = {
  /** The number of followers that connect and disconnect. */
  n: number;
  /** Starts a service with these settings. */
  start(settings: Record<string, string>): Promise<{ url: string; holds(): Promise<Holds> }>;
  /** The largest allowed growth from the first followers to the last. */
  grown_max: Holds;
};

const settings = {
  USERS: 'admin:admin:admin-password',
  DATABASE_CONNECTIONS_MAX: '1',
  // Without polls and heartbeats, which would detect a closed socket or add queries to the measured ones.
  POLL_MS_MIN: '60000',
  POLL_MS_MAX: '60000',
  HEARTBEAT_MS: '600000',
};
/** Warm-up: enough followers that every code path has run, every buffer exists and every pool is full. */
const n_first = 200;
const n_at_once = 20;
/** The smallest response of the database to one read of one follower. */
const read_bytes_min = 60;

const handshake = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  `Sec-WebSocket-Key: ${btoa('0123456789abcdef')}`,
];

/**
 * Connects a follower with its own filter, so that its reads are not shared, and closes it by a reset (RST): after the
 * request, after the first bytes of the response, or while events arrive.
 */
function connectAndReset(url: string, i: number): Promise<void> {
  const { hostname, port } = new URL(url);
  const path = i % 2 ? '/ws/logs' : '/api/logs/stream';
  const head = [
    `GET ${path}?entity_id!=never${i}${i % 3 === 2 ? '&after=0' : ''} HTTP/1.1`,
    `Host: ${hostname}`,
    `Authorization: ${credentials.admin}`,
    ...(i % 2 ? handshake : []),
  ];
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    socket.setTimeout(20_000, () => socket.destroy(new Error(`follower ${i} got no response`)));
    socket.on('error', reject);
    socket.on('close', () => resolve());
    socket.on('data', (bytes) => {
      if (!/^HTTP\/1\.1 (200|101)/.test(String(bytes))) socket.destroy(new Error(String(bytes)));
      else socket.resetAndDestroy();
    });
    socket.write(`${head.join('\r\n')}\r\n\r\n`, () => {
      if (i % 3 === 0) setTimeout(() => socket.resetAndDestroy(), i % 5);
    });
  });
}

async function connectAndResetAll(url: string, n: number): Promise<void> {
  let i = 0;
  const worker = async () => {
    while (i < n) await connectAndReset(url, i++);
  };
  await Promise.all(Array.from({ length: n_at_once }, worker));
}

/** The bytes that the database sends when one event is written: each follower that still exists adds its read. */
async function bytesOfEvent(url: string, received: () => number): Promise<number> {
  const quiet = async () => {
    let seen = -1;
    await eventually('the database sends nothing', async () => {
      const before = seen;
      seen = received();
      await new Promise((resolve) => setTimeout(resolve, 300));
      return seen === before;
    });
    return seen;
  };
  const before = await quiet();
  const event = { event_type: 'CREATE', entity_type: 'order', entity_id: 'x' };
  const headers = { authorization: credentials.admin, 'content-type': 'application/json' };
  const answer = await fetch(`${url}/api/logs`, { ...json(event), headers });
  expect(answer.status).toBe(201);
  return (await quiet()) - before;
}

/**
 * The same of four events, the least and the most: once a second the service steps its rollup, and the events are
 * written at different times of that second.
 */
async function bytesOfEvents(url: string, received: () => number): Promise<{ least: number; most: number }> {
  const bytes: number[] = [];
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => setTimeout(resolve, i * 250));
    bytes.push(await bytesOfEvent(url, received));
  }
  return { least: Math.min(...bytes), most: Math.max(...bytes) };
}

/** Defines the test: disconnected followers leave no follower, no socket and no timer. */
export function leakTests(name: string, { n, start, grown_max }: Leaver): void {
  it(`${n} followers closed by a reset leak nothing on ${name}`, { timeout: 120_000 }, async () => {
    const proxy = await proxyTo(await freshPostgres());
    const { url, holds } = await start({ ...settings, DATABASE_URL: proxy.url });
    await bytesOfEvent(url, proxy.received);
    const { most: alone } = await bytesOfEvents(url, proxy.received);
    await connectAndResetAll(url, n_first);
    await bytesOfEvent(url, proxy.received);
    const before = await holds();
    await connectAndResetAll(url, n);
    const { least: after } = await bytesOfEvents(url, proxy.received);
    expect(after, 'bytes read by followers that still exist').toBeLessThan(alone + read_bytes_min);
    let grown: Holds = {};
    const small = async () => {
      const now = await holds();
      grown = Object.fromEntries(Object.keys(grown_max).map((what) => [what, (now[what] ?? 0) - (before[what] ?? 0)]));
      return Object.entries(grown_max).every(([what, max]) => (grown[what] ?? 0) <= max);
    };
    await eventually('the resources are as small as before', small).catch(() => {});
    console.log(`${n} followers on ${name}: an event costs ${alone} bytes before, ${after} after; grown`, grown);
    for (const [what, max] of Object.entries(grown_max)) expect(grown[what], what).toBeLessThanOrEqual(max);
  });
}
