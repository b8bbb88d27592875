/** Two services on one database, one of which is stopped (SIGSTOP) under the load: ids stay dense, and what is derived is right. */
import { spawnService } from '../support/process.ts';
import { resuming } from '../support/resuming.ts';
import { wait } from '../support/sinks/fleet.ts';
import { keepCheckpoints } from './checkpoints.ts';
import { derivedRows } from './derived-rows.ts';
import { caughtUp, compare, startWriters } from './ledger.ts';
import type { FaultRun } from './run.ts';

const n_writers = 16;
const rest_ms = 3_000;
const late_ms_max = 5_000;
const derive_ms_max = 60_000;
const given_up_ms = 60_000;
const ids_max = 20_000;
const headers = { authorization: `Basic ${btoa('admin:admin-password')}`, 'content-type': 'application/json' };

export const two: FaultRun = async ({ fresh, say, args: [seconds = '30', pauses = '3'] }) => {
  const DATABASE_URL = await fresh();
  const settings = { DATABASE_URL, USERS: 'admin:admin:admin-password', UNUSUAL_PER_DAY_MAX: '0' };
  const services = [spawnService(settings), spawnService(settings)] as const;
  const urls = await Promise.all([services[0].ready, services[1].ready]);
  const over = new AbortController();
  const follow = (i: number, how: 'sse' | 'socket') => resuming({ url: urls[i] as string }, how, over.signal);
  const followers = {
    'sse of the first': follow(0, 'sse'),
    'websocket of the first': follow(0, 'socket'),
    'sse of the second': follow(1, 'sse'),
    'websocket of the second': follow(1, 'socket'),
  };
  // Of the writers of each service one half sends its events again.
  const writing = startWriters(n_writers, (writer) => urls[(writer >> 1) % 2] as string);
  /** How long a write takes, until it is acknowledged. */
  async function write(i: number): Promise<number> {
    const started = performance.now();
    const body = JSON.stringify({ event_type: 'CREATE', entity_type: 'probe' });
    while (performance.now() - started < given_up_ms) {
      const answer = await fetch(`${urls[i]}/api/logs`, { method: 'POST', headers, body }).catch(() => null);
      if (answer?.status === 201) return performance.now() - started;
      await wait(20);
    }
    return Number.POSITIVE_INFINITY;
  }
  const verified = keepCheckpoints(urls);
  const beside_ms: number[] = [];
  const again_ms: number[] = [];
  const acknowledged: number[] = [];
  for (let n = 0; n < Number(pauses); n += 1) {
    // At other moments of an append, and of a step of the derivations.
    await wait(rest_ms + 137 * n);
    services[0].child.kill('SIGSTOP');
    const stopped = performance.now();
    beside_ms.push(await write(1));
    const before = writing.ledger.acknowledged.size;
    await wait(Number(seconds) * 1_000 - (performance.now() - stopped));
    acknowledged.push(writing.ledger.acknowledged.size - before);
    services[0].child.kill('SIGCONT');
    again_ms.push(await write(0));
    say(`pause ${n + 1}: ${acknowledged.at(-1)} events were stored beside it`);
  }
  await wait(rest_ms);
  await writing.stop();
  await caughtUp(followers, urls[1]);
  const log = await compare(urls[1], writing.ledger, followers);
  over.abort();
  const tree = await verified(urls[1]);

  const rows = await derivedRows(DATABASE_URL);
  const until = performance.now() + derive_ms_max;
  while ((await rows.behind(Number(log.numbers.head))) > 0 && performance.now() < until) await wait(100);
  for (const { child } of services) child.kill('SIGTERM');
  const codes = await Promise.all(services.map(({ ended }) => ended));
  const behind = await rows.behind(Number(log.numbers.head));
  const derived = await rows.state();
  const again = await rows.again(ids_max);
  await rows.close();
  const differing = rows.tables.filter((table) => derived[table] !== again[table]);
  return {
    numbers: {
      pauses: Number(pauses),
      paused_s: Number(seconds),
      acknowledged_beside: acknowledged,
      first_write_beside_ms: beside_ms.map(Math.round),
      first_write_again_ms: again_ms.map(Math.round),
      ...log.numbers,
      ...tree.numbers,
      derived,
      differing,
    },
    claims: {
      ...log.claims,
      ...tree.claims,
      'the other service writes on within 5 s': beside_ms.every((ms) => ms <= late_ms_max),
      'the stopped one writes within 5 s when it goes on': again_ms.every((ms) => ms <= late_ms_max),
      'everything is derived, and every table is that of an undisturbed run': behind === 0 && differing.length === 0,
      'both end with 0 at SIGTERM': codes.every((code) => code === 0),
    },
  };
};
