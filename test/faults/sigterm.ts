/** SIGTERM with 200 streams, 50 WebSockets and 20 writes in flight: the writes finish, the streams end, and the exit code is 0. */
import { WebSocket } from 'ws';
import { halfPost } from '../support/half-post.ts';
import { spawnService } from '../support/process.ts';
import { wait } from '../support/sinks/fleet.ts';
import { isEntry, sseMessages } from '../support/sse-messages.ts';
import type { FaultRun } from './run.ts';

const counts = { streams: 200, sockets: 50, writes: 20 };
const n_before = 100;
/** The rest of a write comes so long after the signal. */
const later_ms = 1_000;
/** SHUTDOWN_MS_MAX, and 5 seconds. */
const end_ms_max = 13_000;
const headers = { authorization: `Basic ${btoa('admin:admin-password')}`, 'content-type': 'application/json' };
const event = (entity_id: string) => ({ event_type: 'CREATE', entity_type: 'order', entity_id });

type End = { how: string; ids: number[] };

/** A stream once it is open; `end` says how it ended, and what it had. */
async function openStream(url: string): Promise<{ end: Promise<End>; ids: number[] }> {
  const ids: number[] = [];
  const answer = await fetch(`${url}/api/logs/stream?after=0`, { headers });
  const end = (async () => {
    for await (const message of sseMessages(answer)) if (isEntry(message)) ids.push(Number(message.id));
    return 'ended';
  })().catch(() => 'cut');
  return { end: end.then((how) => ({ how, ids })), ids };
}

async function openSocket(url: string): Promise<{ end: Promise<End>; ids: number[] }> {
  const ids: number[] = [];
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws/logs?after=0`, { headers });
  socket.on('message', (text) => {
    for (const { id } of (JSON.parse(String(text)) as { data: { id: number }[] }).data) ids.push(id);
  });
  const end = new Promise<End>((resolve) => socket.once('close', (code) => resolve({ how: String(code), ids })));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  return { end, ids };
}

/** How often each value is there. */
const tally = (values: (string | number)[]) =>
  Object.fromEntries([...new Set(values)].map((value) => [value, values.filter((other) => other === value).length]));

async function round(DATABASE_URL: string, runtime: 'node' | 'bun', n: number) {
  const settings = { DATABASE_URL, USERS: 'admin:admin:admin-password', UNUSUAL_PER_DAY_MAX: '0' };
  const service = spawnService(settings, runtime);
  const url = await service.ready;
  const before = Array.from({ length: n_before }, (_, i) => event(`before/${n}/${i}`));
  await fetch(`${url}/api/logs`, { method: 'POST', headers, body: JSON.stringify(before) });
  const open = <T>(n: number, one: () => Promise<T>) => Promise.all(Array.from({ length: n }, one));
  const [streams, sockets] = [
    await open(counts.streams, () => openStream(url)),
    await open(counts.sockets, () => openSocket(url)),
  ];
  const list = await fetch(`${url}/api/logs?limit=1`, { headers });
  const { total: head } = (await list.json()) as { total: number };
  const isBehind = ({ ids }: { ids: number[] }) => ids.at(-1) !== head;
  while ([...streams, ...sockets].some(isBehind)) await wait(20);
  const writes = await Promise.all(
    Array.from({ length: counts.writes }, (_, i) => halfPost(url, JSON.stringify(event(`write/${n}/${i}`)))),
  );
  const since = performance.now();
  service.child.kill('SIGTERM');
  await wait(later_ms);
  const isRefused = await fetch(`${url}/livez`).then(
    () => false,
    () => true,
  );
  const statuses = await Promise.all(writes.map((write) => write.finish().catch(() => 0)));
  const code = await service.ended;
  const end_ms = performance.now() - since;
  const ends = await Promise.all([...streams, ...sockets].map(({ end }) => end));
  return { code, end_ms, statuses, isRefused, hows: ends.map(({ how }) => how) };
}

export const sigterm: FaultRun = async ({ fresh, say, args: [rounds = '3'] }) => {
  const numbers: Record<string, unknown> = {};
  const claims: Record<string, boolean> = {};
  for (const runtime of ['node', 'bun'] as const) {
    const DATABASE_URL = await fresh();
    const done = [];
    for (let n = 0; n < Number(rounds); n += 1) done.push(await round(DATABASE_URL, runtime, n));
    const again = spawnService({ DATABASE_URL, USERS: 'admin:admin:admin-password' }, runtime);
    const answer = await fetch(`${await again.ready}/api/logs/export?format=ndjson`, { headers });
    const stored = (await answer.text()).match(/"entity_id":"write\/\d+\/\d+"/g) ?? [];
    again.child.kill('SIGTERM');
    await again.ended;
    const hows = tally(done.flatMap(({ hows }) => hows));
    const statuses = tally(done.flatMap(({ statuses }) => statuses));
    const all = {
      rounds: done.length,
      exit: done.map(({ code }) => code),
      end_ms: done.map(({ end_ms }) => Math.round(end_ms)),
      writes: statuses,
      stored: stored.length,
      ends: hows,
    };
    numbers[runtime] = all;
    say(`${runtime}: ${JSON.stringify(all)}`);
    const n = done.length;
    claims[`${runtime}: every write in flight is acknowledged`] = statuses[201] === n * counts.writes;
    claims[`${runtime}: and stored once`] =
      stored.length === n * counts.writes && new Set(stored).size === n * counts.writes;
    claims[`${runtime}: streams end, and sockets are closed with 1001`] =
      hows.ended === n * counts.streams && hows[1001] === n * counts.sockets;
    claims[`${runtime}: no connection is accepted after the signal`] = done.every(({ isRefused }) => isRefused);
    claims[`${runtime}: it exits with 0 within 13 s`] = done.every(
      ({ code, end_ms }) => code === 0 && end_ms <= end_ms_max,
    );
  }
  return { numbers, claims };
};
