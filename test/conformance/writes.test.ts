/** Writing events and reading an event by id. Refusals are in refusals.test.ts and input-*.test.ts. */
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../src/log/schema.ts';
import { json, startService, type TestService } from '../support/harness.ts';

const event = { event_type: 'CREATE', entity_type: 'order' };
const full = {
  event_type: 'PAYMENT',
  entity_type: 'payment',
  entity_id: 'P-77',
  user_id: 'u-1',
  description: 'Paid "in full", 50 % off\nüß 🧾',
  metadata: { amount: 12.5, lines: [{ sku: 'A', n: 2 }, null, true], note: '', deep: { er: {} } },
  ip_address: '203.0.113.7',
  user_agent: 'till/1.0 (kiosk)',
  timestamp: '2025-03-01T12:30:00.250Z',
  service: 'till',
  trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
  session_id: 's-9',
  event_uid: 'till-77',
  span_id: '00f067aa0ba902b7',
  parent_span_id: 'b7ad6b7169203331',
  caused_by: '4711',
};
const fields = [...Object.keys(full), 'id', 'created_at'].sort();

type Many = { logs: Entry[]; count: number; duplicates?: number[] };
const many = async (answer: Response) => (await answer.json()) as Many;
const single = async (answer: Response) => (await answer.json()) as Entry & { duplicate?: boolean };

async function countOf(service: TestService, query: string): Promise<number> {
  return ((await (await service.request(`/api/logs?${query}&limit=1`)).json()) as { total: number }).total;
}

const post = (service: TestService, body: unknown) => service.request('/api/logs', json(body));
const one = (service: TestService, id: number) => service.request(`/api/logs/${id}`);

const ndjson = (...lines: string[]): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/x-ndjson' },
  body: lines.join('\n'),
});

const service = await startService();

describe('a refused batch', () => {
  it('names every fault by index, field and reason, and stores nothing', async () => {
    const batch = [
      { ...event, service: 'refused' },
      { ...event, service: 'refused', ip_address: '10.0.0.0/8', timestamp: 'soon' },
      { entity_type: 'order', service: 'refused' },
      { ...event, service: 'refused', colour: 'red' },
    ];
    const answer = await post(service, batch);
    expect(answer.status).toBe(422);
    const { errors, detail } = (await answer.json()) as { errors: unknown[]; detail: string };
    const reason = expect.stringMatching(/\S/);
    expect(errors).toEqual(
      expect.arrayContaining([
        { index: 1, field: 'ip_address', reason },
        { index: 1, field: 'timestamp', reason },
        { index: 2, field: 'event_type', reason },
        { index: 3, field: 'colour', reason },
      ]),
    );
    expect(errors).toHaveLength(4);
    expect(detail).toMatch(/nothing was stored/i);
    expect(await countOf(service, 'service=refused')).toBe(0);
  });

  it('uses no id: the next event has the next id', async () => {
    const [before] = await service.write(event);
    await post(service, [event, {}]);
    const [after] = await service.write(event);
    expect(after?.id).toBe((before?.id ?? 0) + 1);
  });

  it('does not use up its event_uid', async () => {
    const uid = { ...event, event_uid: 'refused-with-another' };
    expect((await post(service, [uid, {}])).status).toBe(422);
    expect((await post(service, uid)).status).toBe(201);
  });

  it('lists at most about 100 faults', async () => {
    const { errors } = (await (await post(service, Array(1_000).fill({}))).json()) as { errors: unknown[] };
    expect(errors.length).toBeGreaterThanOrEqual(100);
    expect(errors.length).toBeLessThan(110);
  });
});

describe('one event', () => {
  it('is returned as it was stored, with every field and its Location', async () => {
    const answer = await post(service, full);
    expect(answer.status).toBe(201);
    const entry = await single(answer);
    expect(entry).toMatchObject(full);
    expect(Object.keys(entry).sort()).toEqual(fields);
    expect(answer.headers.get('location')).toBe(`/api/logs/${entry.id}`);
    expect(await single(await service.request(answer.headers.get('location') ?? ''))).toEqual(entry);
  });

  it('has null in fields that were not sent, and its times from the service', async () => {
    const before = Date.now();
    const entry = await single(await post(service, event));
    for (const field of fields.filter(
      (name) => !['id', 'timestamp', 'created_at', ...Object.keys(event)].includes(name),
    ))
      expect(entry[field as keyof Entry], field).toBeNull();
    expect(entry.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(entry.created_at).toBe(entry.timestamp);
    expect(Date.parse(entry.timestamp)).toBeGreaterThanOrEqual(before - 1);
    expect(Date.parse(entry.timestamp)).toBeLessThanOrEqual(Date.now() + 1);
  });

  it('does not get the address and the user agent of the request', async () => {
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'curl/8',
      'x-forwarded-for': '198.51.100.9',
      'x-real-ip': '198.51.100.9',
      forwarded: 'for=198.51.100.9',
    };
    const answer = await service.request('/api/logs', { method: 'POST', headers, body: JSON.stringify(event) });
    expect(await answer.json()).toMatchObject({ ip_address: null, user_agent: null });
  });

  it('can be read right after the response', async () => {
    for (let i = 0; i < 10; i++) {
      const { id } = await single(await post(service, event));
      expect((await one(service, id)).status).toBe(200);
    }
  });

  it('may be written by a token without the right to read', async () => {
    const answer = await service.request('/api/logs', { ...json({ ...event, service: 'orders' }), as: 'writer' });
    expect(answer.status).toBe(201);
    expect(await countOf(service, 'service=orders')).toBe(1);
  });
});

describe('the time of an event', () => {
  it.each([
    ['2025-03-01', '2025-03-01T00:00:00.000Z'],
    ['2025-03-01T12:30', '2025-03-01T12:30:00.000Z'],
    ['2025-03-01 12:30:15', '2025-03-01T12:30:15.000Z'],
    ['2025-03-01T12:30:15', '2025-03-01T12:30:15.000Z'],
    ['2025-03-01t12:30:15z', '2025-03-01T12:30:15.000Z'],
    ['2025-03-01T12:30:15.1Z', '2025-03-01T12:30:15.100Z'],
    ['2025-03-01T12:30:15,25Z', '2025-03-01T12:30:15.250Z'],
    ['2025-03-01T12:30:15.123456789Z', '2025-03-01T12:30:15.123Z'],
    ['2025-03-01T12:30:15.9999Z', '2025-03-01T12:30:15.999Z'],
    ['2025-03-01T00:30:00+01:00', '2025-02-28T23:30:00.000Z'],
    ['2025-03-01T12:30:00+0530', '2025-03-01T07:00:00.000Z'],
    ['2025-02-28T20:00:00-04', '2025-03-01T00:00:00.000Z'],
    ['2024-02-29', '2024-02-29T00:00:00.000Z'],
    ['1969-12-31T23:59:59.999Z', '1969-12-31T23:59:59.999Z'],
    ['1850-06-01T00:00:00Z', '1850-06-01T00:00:00.000Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
    ['0099-12-31T00:00:00Z', '0099-12-31T00:00:00.000Z'],
  ])('%s is stored as %s', async (written, stored) => {
    const { id, timestamp } = await single(await post(service, { ...event, timestamp: written }));
    expect(timestamp).toBe(stored);
    expect(await single(await one(service, id))).toMatchObject({ timestamp: stored });
  });

  it('may be less than 24 hours ahead, because clocks differ', async () => {
    const timestamp = new Date(Date.now() + 23 * 3_600_000).toISOString();
    expect(await single(await post(service, { ...event, timestamp }))).toMatchObject({ timestamp });
  });
});

describe('several events', () => {
  it('are returned in the order of the request, with dense ids', async () => {
    const batch = Array.from({ length: 1_000 }, (_, i) => ({
      ...event,
      entity_id: `n${i}`,
      // Times in descending order, so that a sort by time would fail the test.
      timestamp: new Date(Date.UTC(2025, 0, 1) - i * 1_000).toISOString(),
    }));
    const answer = await post(service, batch);
    expect(answer.status).toBe(201);
    const { logs, count, duplicates } = await many(answer);
    expect(count).toBe(1_000);
    expect(duplicates).toBeUndefined();
    expect(logs.map(({ entity_id }) => entity_id)).toEqual(batch.map(({ entity_id }) => entity_id));
    expect(logs.map(({ id }) => id)).toEqual(batch.map((_, i) => (logs[0]?.id ?? 0) + i));
  });

  it('get an array as the response, also an array of one event', async () => {
    expect(await many(await post(service, [event]))).toMatchObject({ count: 1, logs: [event] });
  });

  it('may be NDJSON; blank lines, CRLF and a missing last line end are accepted', async () => {
    const lines = ['a', 'b', 'c'].map((entity_id) => JSON.stringify({ ...event, entity_id }));
    const answer = await service.request('/api/logs', ndjson('', `${lines[0]}\r`, '', lines[1] ?? '', lines[2] ?? ''));
    expect(answer.status).toBe(201);
    const { logs, count } = await many(answer);
    expect(count).toBe(3);
    expect(logs.map(({ entity_id }) => entity_id)).toEqual(['a', 'b', 'c']);
  });

  it('of concurrent writers stay together, in their order, with dense ids', async () => {
    const before = (await service.write(event))[0]?.id ?? 0;
    const answers = await Promise.all(
      Array.from({ length: 60 }, async (_, writer) => {
        const batch = Array.from({ length: 1 + (writer % 7) }, (_, i) => ({ ...event, entity_id: `${writer}.${i}` }));
        const answer = await post(service, batch);
        expect(answer.status).toBe(201);
        const { logs } = await many(answer);
        expect(logs.map(({ entity_id }) => entity_id)).toEqual(batch.map(({ entity_id }) => entity_id));
        expect(logs.map(({ id }) => id)).toEqual(logs.map((_, i) => (logs[0]?.id ?? 0) + i));
        return logs;
      }),
    );
    const ids = answers.flat().map(({ id }) => id);
    expect(ids.sort((a, b) => a - b)).toEqual(ids.map((_, i) => before + 1 + i));
    const inOrder = answers.flat().sort((a, b) => a.id - b.id);
    const times = inOrder.map(({ created_at }) => Date.parse(created_at));
    expect(times, 'created_at never runs backwards along the ids').toEqual([...times].sort((a, b) => a - b));
  });
});

describe('an event_uid', () => {
  it('makes a retry safe: 200 with the stored event, marked as a duplicate', async () => {
    const uid = { ...event, event_uid: 'retry', description: 'first' };
    const first = await post(service, uid);
    expect(first.status).toBe(201);
    const stored = await single(first);
    expect(stored.duplicate).toBeUndefined();
    const again = await post(service, { ...uid, description: 'second', event_type: 'UPDATE' });
    expect(again.status).toBe(200);
    expect(await again.json()).toEqual({ ...stored, duplicate: true });
    expect(again.headers.get('location')).toBe(`/api/logs/${stored.id}`);
    expect(await countOf(service, 'search=second')).toBe(0);
  });

  it('marks the events of a batch that were already stored', async () => {
    const [stored] = await service.write({ ...event, event_uid: 'known' });
    const answer = await post(service, [
      { ...event, event_uid: 'new-1' },
      { ...event, event_uid: 'known' },
      event,
      { ...event, event_uid: 'new-2' },
      { ...event, event_uid: 'known' },
    ]);
    expect(answer.status).toBe(201);
    const { logs, duplicates, count } = await many(answer);
    expect(duplicates).toEqual([1, 4]);
    expect(count).toBe(5);
    expect(logs[1]).toEqual(stored);
    expect(logs[4]).toEqual(stored);
    const fresh = [0, 2, 3].map((i) => logs[i]?.id ?? 0);
    expect(fresh).toEqual([1, 2, 3].map((i) => (stored?.id ?? 0) + i));
  });

  it('is stored once when a batch contains it twice', async () => {
    const answer = await post(service, [
      { ...event, event_uid: 'twin', description: 'the first' },
      { ...event, event_uid: 'twin', description: 'the second' },
    ]);
    expect(answer.status).toBe(201);
    const { logs, duplicates } = await many(answer);
    expect(duplicates).toEqual([1]);
    expect(logs[0]).toEqual(logs[1]);
    expect(logs[0]?.description).toBe('the first');
    expect(await countOf(service, 'search=the%20second')).toBe(0);
  });

  it('gets 200 when all events of a batch were already stored', async () => {
    const batch = [1, 2, 3].map((n) => ({ ...event, event_uid: `all-${n}` }));
    const first = await many(await post(service, batch));
    const again = await post(service, batch);
    expect(again.status).toBe(200);
    expect(await again.json()).toEqual({ ...first, duplicates: [0, 1, 2] });
  });

  it('is stored once when 50 requests send it at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        post(service, { ...event, event_uid: 'raced', entity_id: i, service: 'race' }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(49).fill(200), 201]);
    const entries = await Promise.all(answers.map(single));
    expect(new Set(entries.map(({ id, entity_id }) => `${id} ${entity_id}`)).size).toBe(1);
    expect(await countOf(service, 'service=race')).toBe(1);
  });

  it('may contain any characters', async () => {
    const uids = ['a b', 'A B', 'a b ', '%', '__proto__', 'constructor', "'", '🧾'];
    const { logs, duplicates } = await many(
      await post(
        service,
        uids.map((event_uid) => ({ ...event, event_uid })),
      ),
    );
    expect(duplicates).toBeUndefined();
    expect(logs.map(({ event_uid }) => event_uid)).toEqual(uids);
  });

  it('that is blank is no event_uid: two such events are both stored', async () => {
    const { duplicates, logs } = await many(
      await post(
        service,
        [event, event].map((e) => ({ ...e, event_uid: '' })),
      ),
    );
    expect(duplicates).toBeUndefined();
    expect(logs[0]?.id).not.toBe(logs[1]?.id);
  });
});

describe('the ids', () => {
  it('of all stored events have no gap', async () => {
    const total = await countOf(service, '');
    const found = await Promise.all([1, 2, total - 1, total].map((id) => one(service, id)));
    expect(found.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect((await one(service, total + 1)).status).toBe(404);
  });
});
