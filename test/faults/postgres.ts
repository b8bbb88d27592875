/** A PostgreSQL that crashes, hangs and is held by transactions, under writers, readers and followers. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgresClient from 'postgres';
import { databaseOn, type PostgresServer, startServer, urlOn } from '../support/postgres-server.ts';
import { wait } from '../support/sinks/fleet.ts';
import { type FaultRun, quantile } from './run.ts';
import { acknowledgedAfter, type Load, type Result, underLoad } from './under-load.ts';

/** How long the load runs undisturbed before each fault. */
const rest_ms = 3_000;
const down_ms = 2_000;
const ready_ms_max = 2_000;
/** What readiness grants a database that is reached and does not answer, and a second. */
const hanging_ms_max = 4_000;
const locked_s = 10;
/** Among so many acknowledgements is the newest id. */
const newest_n = 64;

type Part = (load: Load & { server: PostgresServer }, size: number) => Promise<Result>;

const stops: Part = async ({ server, probes, writing }, n) => {
  const unready_ms: number[] = [];
  const ready_ms: number[] = [];
  for (let i = 0; i < n; i += 1) {
    await acknowledgedAfter(writing, performance.now());
    await wait(rest_ms);
    const crashed = performance.now();
    await server.crash();
    unready_ms.push(await probes.readyAfter(crashed, false));
    await wait(down_ms);
    await server.start();
    ready_ms.push(await probes.readyAfter(performance.now(), true));
  }
  return {
    numbers: { stops: n, unready_ms: unready_ms.map(Math.round), ready_again_ms: ready_ms.map(Math.round) },
    claims: {
      'after each stop it is not ready within 2 s': unready_ms.every((ms) => ms <= ready_ms_max),
      'after each start of the server it is ready within 2 s': ready_ms.every((ms) => ms <= ready_ms_max),
    },
  };
};

const paused: Part = async ({ server, probes, writing }, seconds) => {
  await wait(rest_ms);
  const since = performance.now();
  await server.freeze();
  const unready_ms = await probes.readyAfter(since, false);
  await wait(seconds * 1_000 - (performance.now() - since));
  await server.thaw();
  const again = performance.now();
  const ready_ms = await probes.readyAfter(again, true);
  const writes_ms = await acknowledgedAfter(writing, again);
  return {
    numbers: {
      paused_s: seconds,
      unready_ms: Math.round(unready_ms),
      ready_again_ms: Math.round(ready_ms),
      writes_again_ms: Math.round(writes_ms),
    },
    claims: {
      'a server that hangs is not ready within 4 s': unready_ms <= hanging_ms_max,
      'when it goes on it is ready within 2 s': ready_ms <= ready_ms_max,
    },
  };
};

/** Left open: a snapshot and a row of the inbox in the log's database, a transaction in another one; then the log's lock. */
const open: Part = async ({ url, server, probes, writing, followers }, seconds) => {
  const clients = ['run', 'run', 'postgres'].map((database) =>
    postgresClient(urlOn(server, database), {
      max: 1,
      onnotice: () => {},
    }),
  );
  const [snapshot, inbox, elsewhere] = await Promise.all(clients.map((client) => client.reserve()));
  if (!snapshot || !inbox || !elsewhere) throw new Error('unreachable');
  const { ledger } = writing;
  const p99 = () => quantile(ledger.latencies.splice(0), 0.99);
  await wait(rest_ms);
  p99();
  await wait(10_000);
  const p99_before = p99();
  await snapshot`begin isolation level repeatable read`;
  await snapshot`select count(*) from activity_logs`;
  await inbox`begin`;
  await inbox`insert into activity_inbox (event_type, entity_type, entity_id) values ('CREATE', 'late', 'late')`;
  await elsewhere`begin`;
  await elsewhere`create temp table held (n integer)`;
  const since = performance.now();
  const n_before = ledger.acknowledged.size;
  let behind_most = 0;
  while (performance.now() - since < seconds * 1_000) {
    // What was acknowledged a second ago must have come to the follower.
    const id = Math.max(...[...ledger.acknowledged.values()].slice(-newest_n));
    await wait(1_000);
    behind_most = Math.max(behind_most, id - (followers.sse.ids.at(-1) ?? 0));
  }
  const p99_while = p99();
  const n_while = ledger.acknowledged.size - n_before;
  for (const client of [snapshot, inbox, elsewhere]) await client`commit`;
  const late = async () => {
    const answer = await fetch(`${url}/api/logs?entity_type=late`, {
      headers: { authorization: `Basic ${btoa('admin:admin-password')}` },
    });
    return answer.ok ? ((await answer.json()) as { total: number }).total : 0;
  };
  const committed = performance.now();
  while ((await late()) === 0 && performance.now() - committed < 10_000) await wait(50);
  const inbox_ms = performance.now() - committed;
  const late_rows = await late();

  const before = { ...ledger.statuses };
  await inbox`begin`;
  await inbox`select * from log_lock for update`;
  const locked = performance.now();
  await wait(locked_s * 1_000);
  await inbox`commit`;
  const unlocked = performance.now();
  const writes_ms = await acknowledgedAfter(writing, unlocked);
  const ready_ms = await probes.readyAfter(unlocked, true, 5_000);
  for (const client of [snapshot, inbox, elsewhere]) client.release();
  await Promise.all(clients.map((client) => client.end()));
  return {
    numbers: {
      open_s: seconds,
      acknowledged_while_open: n_while,
      p99_ms: [p99_before, p99_while].map(Math.round),
      follower_behind_most: behind_most,
      inbox_after_ms: Math.round(inbox_ms),
      locked_s: Math.round((unlocked - locked) / 1_000),
      refused_while_locked: (ledger.statuses[503] ?? 0) - (before[503] ?? 0),
      writes_again_ms: Math.round(writes_ms),
      ready_again_ms: Math.round(ready_ms),
    },
    claims: {
      'writes go on beside open transactions': n_while > 0,
      'the follower has what was acknowledged a second ago': behind_most <= 0,
      'the row of the inbox comes once, after its commit': late_rows === 1,
      'writes go on within 2 s after the log’s lock is free': writes_ms <= ready_ms_max,
    },
  };
};

const parts: [name: string, part: Part, size: string][] = [
  ['stops', stops, '10'],
  ['paused', paused, '30'],
  ['open', open, '120'],
];

export const postgres: FaultRun = async ({ say, args }) => {
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-postgres-'));
  await chmod(folder, 0o755); // The server's own user must get through.
  const server = await startServer(join(folder, 'postgres'));
  const settings = { DATABASE_URL: await databaseOn(server, 'run') };
  const result = await underLoad({ settings }, async (load) => {
    const all: Result = { numbers: {}, claims: {} };
    for (const [i, [name, part, size]] of parts.entries()) {
      const { numbers, claims } = await part({ ...load, server }, Number(args[i] ?? size));
      all.numbers[name] = numbers;
      Object.assign(all.claims, claims);
      say(`${name}: ${JSON.stringify(numbers)}`);
    }
    return all;
  });
  await server.stop();
  await rm(folder, { recursive: true, force: true });
  return result;
};
