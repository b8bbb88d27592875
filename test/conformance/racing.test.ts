/** Writers race, followers come and go: nothing is lost, doubled or out of order. */
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

/** Posts one or a few events at a time; returns the keys of what was acknowledged. */
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

/** Writes plain SQL in slow transactions, of which some roll back; returns the keys of what was committed. */
async function sqlWriter(sql: ReturnType<typeof sqlClient>, name: string, until: number): Promise<string[]> {
  const committed: string[] = [];
  for (let n = 0; Date.now() < until; ) {
    const keys: string[] = [];
    const rolledBack = await sql
      .begin(async (tx) => {
        for (let i = 0; i < 3; i++, n++) {
          const { event_type, entity_type, entity_id, user_id } = event(name, n);
          // Half through the inbox, half as the old dashboard's code does it.
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

/** Who comes back may be answered by another instance. */
const next = (services: TestService[], n: number) => services[n % services.length] ?? fail();
const fail = () => {
  throw new Error('no service');
};

type Follower = { got: Entry[]; connections: number };

/** Follows by SSE from a place; hangs up at random and resumes by the last id it saw. */
async function sseFollower(
  services: TestService[],
  start: number,
  { got, ...follower }: Follower,
  over: AbortSignal,
): Promise<number> {
  let lastId = `${start}`;
  while (!over.aborted) {
    const hangUp = new AbortController();
    const timer = setTimeout(() => hangUp.abort(), 50 + Math.random() * 500);
    follower.connections += 1;
    try {
      const answer = await next(services, follower.connections).request('/api/logs/stream?event_type=RACE', {
        headers: { 'last-event-id': lastId },
        signal: AbortSignal.any([hangUp.signal, over]),
      });
      for await (const message of sseMessages(answer)) {
        if (message.cursor !== null) lastId = message.cursor;
        if (isEntry(message)) got.push(JSON.parse(message.data ?? ''));
      }
    } catch (error) {
      if (!hangUp.signal.aborted && !over.aborted) throw error;
    } finally {
      clearTimeout(timer);
    }
  }
  return follower.connections;
}

/** Follows by WebSocket; is cut off at random and resumes after the last id it saw. */
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

/** Writers and followers race for a while, at any of the services; then every follower must have everything, once. */
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
  // Who writes one after the other is read in that order.
  for (const writer of new Set(written.map((key) => key.split(' ')[0]))) {
    const own = (followers[0]?.got ?? [])
      .filter(({ user_id }) => user_id === writer)
      .map(({ entity_id }) => Number(entity_id));
    if (writer?.startsWith('http')) expect(own).toEqual(own.toSorted((a, b) => a - b));
  }
  expect(Math.min(...connections)).toBeGreaterThan(3);
  console.log(`${written.length} events, ${connections.join(' + ')} connections`);
}

it('gives every follower every committed event once and in id order', () => race([service]), 60_000);

notOn(reasons.alone).it(
  'and so do two instances over one database, though who comes back is answered by the other',
  async () => race([service, await startService({ place: service.place })]),
  60_000,
);
