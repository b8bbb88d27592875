/** Concurrent writers, and followers that disconnect and resume: no event is lost, doubled or out of order. */
import { expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { Entry } from '../../src/log/schema.ts';
import {
  credentials,
  eventually,
  isEntry,
  json,
  sqlClient,
  sseMessages,
  startService,
  type TestService,
} from '../support/harness.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';

const racing_ms = 3_000;
const n_writers = 8;

const chance = (p: number) => Math.random() < p;
const rest = (ms_max: number) => new Promise((resolve) => setTimeout(resolve, Math.random() * ms_max));
const event = (writer: string, n: number) => ({
  event_type: 'RACE',
  entity_type: 'order',
  entity_id: `${n}`,
  user_id: writer,
});

/** Posts one or a few events at a time; returns the keys of the acknowledged events. */
async function httpWriter(service: TestService, name: string, until: number): Promise<string[]> {
  const acknowledged: string[] = [];
  for (let n = 0; Date.now() < until; ) {
    const batch = Array.from({ length: chance(0.2) ? 20 : 1 }, () => event(name, n++));
    const answer = await service.request('/api/logs', json(batch));
    expect(answer.status).toBe(201);
    acknowledged.push(...batch.map(({ user_id, entity_id }) => `${user_id} ${entity_id}`));
    await rest(5);
  }
  return acknowledged;
}

/** Inserts by plain SQL in slow transactions, some of which roll back; returns the keys of the committed events. */
async function sqlWriter(sql: ReturnType<typeof sqlClient>, name: string, until: number): Promise<string[]> {
  const committed: string[] = [];
  for (let n = 0; Date.now() < until; ) {
    const keys: string[] = [];
    const rolledBack = await sql
      .begin(async (tx) => {
        for (let i = 0; i < 3; i++, n++) {
          const { event_type, entity_type, entity_id, user_id } = event(name, n);
          // Half of them into the inbox, half into activity_logs like the code of the old dashboard.
          if (chance(0.5))
            await tx`insert into activity_inbox (event_type, entity_type, entity_id, user_id) values (${event_type}, ${entity_type}, ${entity_id}, ${user_id})`;
          else
            await tx`insert into activity_logs (event_type, entity_type, entity_id, user_id) values (${event_type}, ${entity_type}, ${entity_id}, ${user_id})`;
          keys.push(`${user_id} ${entity_id}`);
          await rest(40);
        }
        if (chance(0.3)) throw new Error('rolled back on purpose');
      })
      .then(
        () => false,
        (error: Error) => {
          if (error.message !== 'rolled back on purpose') throw error;
          return true;
        },
      );
    if (!rolledBack) committed.push(...keys);
  }
  return committed;
}

/** The instance of the n-th connection: a follower may reconnect to another one. */
const next = (services: TestService[], n: number) => services[n % services.length] ?? fail();
const fail = () => {
  throw new Error('no service');
};

type Follower = { got: Entry[]; connections: number };

/** Follows by SSE from an id; disconnects at random times and resumes from its last cursor. */
async function sseFollower(
  services: TestService[],
  start: number,
  { got, ...follower }: Follower,
  over: AbortSignal,
): Promise<number> {
  let lastId = `${start}`;
  while (!over.aborted) {
    const disconnect = new AbortController();
    const timer = setTimeout(() => disconnect.abort(), 50 + Math.random() * 500);
    follower.connections += 1;
    try {
      const answer = await next(services, follower.connections).request('/api/logs/stream?event_type=RACE', {
        headers: { 'last-event-id': lastId },
        signal: AbortSignal.any([disconnect.signal, over]),
      });
      for await (const message of sseMessages(answer)) {
        if (message.cursor !== null) lastId = message.cursor;
        if (isEntry(message)) got.push(JSON.parse(message.data ?? ''));
      }
    } catch (error) {
      if (!disconnect.signal.aborted && !over.aborted) throw error;
    } finally {
      clearTimeout(timer);
    }
  }
  return follower.connections;
}

/** Follows by WebSocket; is disconnected at random times and resumes after its last id. */
async function socketFollower(
  services: TestService[],
  start: number,
  { got, ...follower }: Follower,
  over: AbortSignal,
): Promise<number> {
  while (!over.aborted) {
    follower.connections += 1;
    const after = got.at(-1)?.id ?? start;
    const socket = new WebSocket(
      `${next(services, follower.connections).url.replace('http', 'ws')}/ws/logs?event_type=RACE&after=${after}`,
      {
        headers: { authorization: credentials.guest },
      },
    );
    await new Promise<void>((resolve, reject) => {
      const end = () => socket.terminate();
      const timer = setTimeout(end, 50 + Math.random() * 500);
      over.addEventListener('abort', end, { once: true });
      socket.on('message', (text) => {
        const message = JSON.parse(String(text));
        if (message.type !== 'logs' || message.count !== message.data.length) reject(new Error('not the envelope'));
        if (socket.readyState === WebSocket.OPEN) got.push(...message.data);
      });
      socket.on('error', (error) =>
        over.aborted || socket.readyState >= WebSocket.CLOSING ? undefined : reject(error),
      );
      socket.on('close', () => {
        clearTimeout(timer);
        over.removeEventListener('abort', end);
        resolve();
      });
    });
  }
  return follower.connections;
}

const service = await startService();
const postgresUrl = 'DATABASE_URL' in service.place ? service.place.DATABASE_URL : null;
const sql = postgresUrl ? sqlClient(postgresUrl, n_writers) : null;

/** Runs writers and followers on the instances at once; then every follower must have every event once. */
async function race(services: TestService[]): Promise<void> {
  const { total: before } = (await (await service.request('/api/logs')).json()) as { total: number };
  const until = Date.now() + racing_ms;
  const over = new AbortController();
  const followers: Follower[] = [1, 2, 3].map(() => ({ got: [], connections: 0 }));
  const following = followers.map((follower, i) =>
    i === 2
      ? socketFollower(services, before, follower, over.signal)
      : sseFollower(services, before, follower, over.signal),
  );
  const written = (
    await Promise.all(
      Array.from({ length: n_writers }, (_, i) =>
        sql && i % 3 === 2 ? sqlWriter(sql, `sql${i}`, until) : httpWriter(next(services, i), `http${i}`, until),
      ),
    )
  ).flat();
  try {
    await eventually('every follower has as many events as were committed', () =>
      followers.every(({ got }) => got.length >= written.length),
    );
  } finally {
    over.abort();
  }
  const connections = await Promise.all(following);

  const expected = Array.from({ length: written.length }, (_, i) => before + i + 1);
  for (const { got } of followers) {
    expect(got.map(({ id }) => id)).toEqual(expected);
    expect(got.map(({ user_id, entity_id }) => `${user_id} ${entity_id}`).toSorted()).toEqual(written.toSorted());
  }
  // The events of one writer, which waits for each response, are in the order of its writes.
  for (const writer of new Set(written.map((key) => key.split(' ')[0]))) {
    const own = (followers[0]?.got ?? [])
      .filter(({ user_id }) => user_id === writer)
      .map(({ entity_id }) => Number(entity_id));
    if (writer?.startsWith('http')) expect(own).toEqual(own.toSorted((a, b) => a - b));
  }
  expect(Math.min(...connections)).toBeGreaterThan(3);
  console.log(`${written.length} events, ${connections.join(' + ')} connections`);
}

it('every follower gets every committed event once, in the order of ids', () => race([service]), 120_000);

notOn(reasons.alone).it(
  'followers that reconnect to another instance get every committed event once, in the order of ids',
  async () => race([service, await startService({ place: service.place })]),
  60_000,
);
