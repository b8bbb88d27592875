/** Following on Workers: one poll for all followers, none without followers, and the schedule. */
import { expect, it } from 'vitest';
import { followSocket, order, type SocketFollower } from '../../conformance/follow.ts';
import { eventually, freshPostgres, sqlClient, startService } from '../../support/harness.ts';

const n_followers = 200;
const watched_ms = 4_000;
const settling_ms = 2_000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const url = await freshPostgres();
const service = await startService({ place: { DATABASE_URL: url }, env: { POLL_MS_MIN: '50', POLL_MS_MAX: '250' } });
const sql = sqlClient(url, 1);

/** The number of transactions of this database: each statement of the service is one. */
async function transactions(): Promise<number> {
  await sql`select pg_stat_force_next_flush()`;
  const [row] = await sql<{ n: number }[]>`
    select (xact_commit + xact_rollback)::int as n from pg_stat_database where datname = current_database()`;
  return row?.n ?? 0;
}

/** Statements per second, with or without a write every 200 ms. */
async function rate(write: boolean): Promise<number> {
  // PostgreSQL counts the statements of a new connection up to a second late.
  await pause(settling_ms);
  const writing = write ? setInterval(() => void service.write([order(1)]), 200) : undefined;
  const before = await transactions();
  await pause(watched_ms);
  const after = await transactions();
  clearInterval(writing);
  return ((after - before) * 1_000) / watched_ms;
}

it(`sends as many statements for ${n_followers} followers as for one`, { timeout: 300_000 }, async () => {
  const abort = new AbortController();
  const follow = () => service.request('/api/logs/stream', { as: 'guest', signal: abort.signal });
  await follow();
  const one = await rate(true);
  const sockets: SocketFollower[] = [];
  for (let i = 1; i < n_followers; i++)
    if (i % 2) await follow();
    else sockets.push(await followSocket(service));
  const many = await rate(true);
  const [last] = await service.write([order(2)]);
  await eventually('every socket has the newest event', () => sockets.every(({ ids }) => ids().at(-1) === last?.id));
  console.log(`statements per second: ${one.toFixed(1)} for 1 follower, ${many.toFixed(1)} for ${n_followers}`);
  expect(many).toBeLessThan(one * 1.5);

  abort.abort();
  for (const { socket } of sockets) socket.terminate();
  await eventually('the polling has stopped', async () => (await rate(false)) < 1);
});

it('scheduled() drains the inbox without followers, and creates the coming partitions', async () => {
  await sql`insert into activity_inbox (event_type, entity_type) values ('INBOX', 'order')`;
  await service.scheduled();
  const found = await (await service.request('/api/logs?event_type=INBOX')).json();
  expect(found).toMatchObject({ total: 1 });
});
