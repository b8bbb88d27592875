/** Clients that break off, upgrade to what is not spoken, trickle, and send what is wrong: no 500, no leak, no end. */

import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Holds, startProbed } from '../support/probed.ts';
import { rssOf } from '../support/process.ts';
import { connectAndResetAll } from '../support/resets.ts';
import { wait } from '../support/sinks/fleet.ts';
import { badRequests, n_addresses, send } from './bad-requests.ts';
import { leaksOf } from './ledger.ts';
import { type FaultRun, quantile } from './run.ts';
import type { Result } from './under-load.ts';

const authorization = `Basic ${btoa('admin:admin-password')}`;
const mib = 1024 * 1024;
const n_first = 200;
const upgrade_ms_max = 1_000;
/** Runtimes end a request that is not complete after 60 seconds; Node looks every 30. */
const trickle_ms_max = 100_000;
const read_ms_max = 500;
const answer_ms_max = 30_000;
const n_at_once = 8;
const seed = 13;
/** In bytes, sockets and timers. A socket may be the next probe's own. */
const grown_max: Holds = { heap_bytes: 10 * mib, n_sockets: 5, n_timers: 5 };

type Service = Awaited<ReturnType<typeof startProbed>>;
type Part = (service: Service, n: number) => Promise<Result>;

const breakOff: Part = async ({ url }, n) => {
  await connectAndResetAll(url, n);
  return { numbers: { resets: n }, claims: {} };
};

/** Opens a connection, sends bytes, and resolves with how long the first answer took. */
function upgrade(url: string, bytes: string): Promise<{ ms: number; head: string }> {
  const { hostname, port } = new URL(url);
  const started = performance.now();
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    const done = (head: string) => {
      resolve({ ms: performance.now() - started, head });
      socket.destroy();
    };
    socket.once('data', (chunk) => done(String(chunk).slice(0, 12)));
    socket.once('error', () => done('error'));
    socket.once('close', () => done('closed'));
    socket.setTimeout(answer_ms_max, () => done('nothing'));
  });
}

const upgrades: Part = async ({ url }, n) => {
  const lines = [
    'GET /livez HTTP/1.1',
    'host: x',
    'connection: Upgrade, HTTP2-Settings',
    'upgrade: h2c',
    'http2-settings: AAMAAABkAAQAAP__',
  ];
  const answers = [];
  for (let i = 0; i < n; i += 1) answers.push(await upgrade(url, `${lines.join('\r\n')}\r\n\r\n`));
  const preface = await upgrade(url, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0');
  const slowest = Math.max(...answers.map(({ ms }) => ms));
  return {
    numbers: {
      upgrades: n,
      heads: [...new Set(answers.map(({ head }) => head))],
      slowest_ms: Math.round(slowest),
      preface: preface.head,
    },
    claims: {
      'each Upgrade: h2c is answered within a second':
        slowest <= upgrade_ms_max && answers.every(({ head }) => head.startsWith('HTTP/1.1')),
      'the preface of HTTP/2 is answered or closed': preface.head !== 'nothing',
    },
  };
};

/** Half of them send their head byte by byte, half their body, one byte a second. Readers ask meanwhile. */
const trickles: Part = async ({ url }, n) => {
  const { hostname, port } = new URL(url);
  const head = `POST /api/logs HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ncontent-type: application/json\r\n`;
  const open = new Set<Socket>();
  const refused: string[] = [];
  const sockets = Array.from({ length: n }, (_, i) => {
    const socket = connect(Number(port), hostname);
    open.add(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk) => refused.push(String(chunk).slice(0, 12)));
    socket.once('close', () => open.delete(socket));
    socket.write(i % 2 === 0 ? head : `${head}content-length: 1000\r\n\r\n`);
    return socket;
  });
  const started = performance.now();
  const reads: number[] = [];
  let failed = 0;
  let asked_at = started;
  while (open.size > 0 && performance.now() - started < trickle_ms_max) {
    for (const socket of sockets) if (open.has(socket)) socket.write('x');
    while (performance.now() - asked_at < 1_000) {
      const from = performance.now();
      const answer = await fetch(`${url}/api/logs?limit=10`, { headers: { authorization } }).catch(() => null);
      await answer?.text();
      if (answer?.status !== 200) failed += 1;
      reads.push(performance.now() - from);
      await wait(50);
    }
    asked_at = performance.now();
  }
  const left = open.size;
  for (const socket of sockets) socket.destroy();
  return {
    numbers: {
      trickles: n,
      all_ended_after_s: Math.round((performance.now() - started) / 1_000),
      left,
      answers: Object.fromEntries(
        [...new Set(refused)].map((text) => [text, refused.filter((other) => other === text).length]),
      ),
      reads: reads.length,
      reads_failed: failed,
      read_p99_ms: Math.round(quantile(reads, 0.99)),
    },
    claims: {
      'every trickling connection is ended within 100 s': left === 0,
      'readers beside them are answered, 99 % of them within 500 ms':
        failed === 0 && quantile(reads, 0.99) <= read_ms_max,
    },
  };
};

const inputs: Part = async ({ url }, n) => {
  const all = badRequests(n, seed);
  const statuses: Record<string, number> = {};
  const wrong: string[] = [];
  const leaks: string[] = [];
  let next = 0;
  async function worker(): Promise<void> {
    for (let i = next++; i < all.length; i = next++) {
      const asked = all[i] as (typeof all)[0];
      const { status, text, type } = await send(url, asked, authorization, answer_ms_max);
      statuses[status] = (statuses[status] ?? 0) + 1;
      leaks.push(...leaksOf(status, text).map((leak) => `${asked.method} ${asked.path.slice(0, 200)}: ${leak}`));
      // 0 is a closed connection, as after a refused head; -1 no answer in time.
      const isWrong = status < 0 || (status >= 500 && status !== 501 && status !== 503);
      const isUnsaid = status >= 400 && text !== '' && !/problem\+json|text\/html/.test(type);
      if (isWrong || isUnsaid)
        wrong.push(
          `${i} ${asked.method} ${asked.path.slice(0, 300)} ${JSON.stringify(asked.headers).slice(0, 300)} → ${status} ${type} ${text.slice(0, 200)}`,
        );
    }
  }
  await Promise.all(Array.from({ length: n_at_once }, worker));
  return {
    numbers: {
      bad_requests: n,
      addresses: n_addresses,
      statuses,
      wrong: wrong.slice(0, 5),
      n_wrong: wrong.length,
      leaks: leaks.slice(0, 5),
    },
    claims: {
      'no bad request is answered with a 500, or not at all': wrong.length === 0,
      'no refusal names anything of the database': leaks.length === 0,
    },
  };
};

const parts: [name: string, part: Part, n: number][] = [
  ['resets', breakOff, 2_000],
  ['upgrades', upgrades, 200],
  ['trickles', trickles, 500],
  ['inputs', inputs, 5_000],
];

/** Each part, and what the process holds afterwards that it did not hold before. */
async function against(service: Service, share: number, say: (line: string) => void): Promise<Result> {
  const all: Result = { numbers: {}, claims: {} };
  // Enough that every path has run, every buffer exists and every pool is full.
  await connectAndResetAll(service.url, n_first);
  await inputs(service, n_first);
  for (const [name, part, most] of parts) {
    await wait(1_000);
    const before = await service.holds();
    const { numbers, claims } = await part(service, Math.ceil(most * share));
    let grown: Holds = {};
    const isSmall = () => Object.entries(grown_max).every(([what, max]) => (grown[what] ?? 0) <= max);
    for (let tries = 0; tries === 0 || (!isSmall() && tries < 60); tries += 1) {
      await wait(500);
      const now = await service.holds();
      grown = Object.fromEntries(Object.keys(grown_max).map((what) => [what, (now[what] ?? 0) - (before[what] ?? 0)]));
    }
    all.numbers[name] = { ...numbers, grown, rss_mib: Math.round(rssOf(service.child.pid) / mib) };
    Object.assign(all.claims, claims);
    all.claims[`after the ${name} it holds no more heap (10 MiB), sockets (5) and timers (5) than before`] = isSmall();
    say(`${name}: ${JSON.stringify(all.numbers[name])}`);
  }
  const answer = await fetch(`${service.url}/readyz`).catch(() => null);
  service.child.kill('SIGTERM');
  all.claims['it is ready after all, and ends with 0'] = answer?.status === 200 && (await service.ended) === 0;
  return all;
}

export const resets: FaultRun = async ({ fresh, say, args: [share = '1'] }) => {
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-resets-'));
  const settings = { USERS: 'admin:admin:admin-password', UNUSUAL_PER_DAY_MAX: '0' };
  const runs = [
    ['node · postgres', 'node', { DATABASE_URL: await fresh() }],
    ['bun · postgres', 'bun', { DATABASE_URL: await fresh() }],
    ['node · pglite', 'node', { DATA_DIR: join(folder, 'data') }],
  ] as const;
  const all: Result = { numbers: {}, claims: {} };
  for (const [name, runtime, place] of runs) {
    const service = await startProbed({ ...settings, ...place }, runtime);
    const { numbers, claims } = await against(service, Number(share), (line) => say(`${name}: ${line}`));
    all.numbers[name] = numbers;
    for (const [claim, isSo] of Object.entries(claims)) all.claims[`${name}: ${claim}`] = isSo;
  }
  await rm(folder, { recursive: true, force: true });
  return all;
};
