/** The SDK against the real service, also while the service restarts. */
import { describe, expect, it } from 'vitest';
import { createClient, LogError } from '../src/client.ts';
import type { EntryInput } from '../src/log/entry.ts';
import type { Entry } from '../src/log/schema.ts';
import { databases, eventually, freshDatabase, startService } from './support/harness.ts';
import { freePort } from './support/postgres-server.ts';

const admin = { user: 'admin', password: 'admin-password' };
const order = (n: number): EntryInput => ({ event_type: 'CREATE', entity_type: 'order', entity_id: n });

describe.each(databases)('the client on %s', async (database) => {
  const service = await startService(database);
  const log = createClient({ url: service.url, ...admin });

  it('stores one event and returns it', async () => {
    const entry = await log({ ...order(1), user_id: 'ana' });
    expect(entry).toMatchObject({ entity_id: '1', user_id: 'ana', event_uid: expect.any(String) });
  });

  it('stores a list and returns it in the same order', async () => {
    const entries = await log([order(2), { ...order(3), event_uid: 'mine' }]);
    expect(entries.map(({ entity_id }) => entity_id)).toEqual(['2', '3']);
    expect(entries[1]?.event_uid).toBe('mine');
    expect((await log.append([{ ...order(3), event_uid: 'mine' }])).duplicates).toEqual([0]);
    expect(await log([])).toEqual([]);
  });

  it('queries with the filter syntax of the service', async () => {
    await log({ ...order(4), metadata: { status: { now: 'paid' } } });
    const answer = await log.query({
      entity_id: ['4', 5],
      'event_type!': 'DELETE',
      'metadata.status.now': 'paid',
      limit: 1,
    });
    expect(answer).toMatchObject({ total: 1, limit: 1, offset: 0, logs: [{ entity_id: '4' }] });
    await expect(async () => log.query({ entity_id: [] })).rejects.toThrow('an empty list matches nothing');
  });

  const refusals = [
    ['an invalid event', () => log({ event_type: '', entity_type: 'order' }), 422, 'event_type'],
    ['an invalid filter', () => log.query({ colour: 'red' }), 400, 'colour'],
    ['an invalid filter of a stream', () => log.follow({ colour: 'red' }).next(), 400, 'colour'],
    ['a cursor of another log', () => log.follow({}, { after: 1e9 }).next(), 400, 'after'],
    ['an anonymous client', () => createClient({ url: service.url }).follow().next(), 401, undefined],
    [
      'a guest that writes',
      () => createClient({ url: service.url, user: 'guest', password: 'guest-password' })(order(1)),
      403,
      undefined,
    ],
  ] as const;
  it.each(refusals)('throws a LogError for %s', async (_who, what, status, field) => {
    const error = await what().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(LogError);
    if (error instanceof LogError) {
      expect(error.status).toBe(status);
      expect(error.errors[0]?.field).toBe(field);
      expect(error.detail).not.toBe('');
    }
  });

  it('follows existing and new entries and ends with its signal', async () => {
    const stop = new AbortController();
    const head = (await log({ event_type: 'CREATE', entity_type: 'followed' })).id;
    const seen: number[] = [];
    const following = (async () => {
      for await (const entry of log.follow({ entity_type: 'followed' }, { after: 0, signal: stop.signal }))
        seen.push(entry.id);
    })();
    await eventually('the existing entry arrives', () => seen.includes(head));
    const { id } = await log({ event_type: 'UPDATE', entity_type: 'followed' });
    await eventually('the new entry arrives', () => seen.includes(id));
    stop.abort();
    await following;
    expect(seen).toEqual([head, id]);
  });
});

describe.each(databases)('a follower on %s', async (database) => {
  it('receives every entry exactly once while the service restarts', async () => {
    const place = await freshDatabase(database);
    const env = { PORT: String(await freePort()), SHUTDOWN_MS_MAX: '500' };
    const start = () => startService(database, { place, env });
    let service = await start();
    const log = createClient({ url: service.url, ...admin });
    const stop = new AbortController();
    const seen: Entry[] = [];
    const following = (async () => {
      for await (const entry of log.follow({}, { after: 0, signal: stop.signal })) seen.push(entry);
    })();
    const written: number[] = [];
    // The client gives up after its last try, and a restart may take longer on a busy machine: then it is called again.
    const store = async (events: EntryInput[]): Promise<number[]> => {
      const stored = await log(events).catch(() => null);
      return stored ? stored.map(({ id }) => id) : store(events);
    };
    const writing = (async () => {
      for (let n = 1; n <= 40; n++)
        written.push(...(await store(['a', 'b'].map((which) => ({ ...order(n), event_uid: `${n}${which}` })))));
    })();
    for (let restarts = 0; restarts < 2; restarts++) {
      await eventually('some arrive', () => seen.length > restarts * 20 + 4);
      await service.stop();
      service = await start();
    }
    await writing;
    await eventually('all arrive', () => seen.length >= 80);
    stop.abort();
    await following;
    expect(written).toHaveLength(80);
    expect(seen.map(({ id }) => id)).toEqual(Array.from({ length: 80 }, (_, i) => i + 1));
    expect(new Set(seen.map(({ event_uid }) => event_uid)).size).toBe(80);
  });
});
