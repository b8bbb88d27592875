/** Traces and entities: what belongs together, and what a thing was like after each of its events. */
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../src/log/schema.ts';
import { startService } from '../support/harness.ts';

const service = await startService();

const get = async <T>(path: string): Promise<T> => (await service.request(path)).json() as Promise<T>;
const totalOf = async (link: string) => (await get<{ total: number }>(`/api${link}`)).total;
const at = (ms: number) => new Date(Date.UTC(2026, 2, 1, 12) + ms).toISOString();

type Sum = { n: number; from: string; link: string };
type Trace = {
  total: number;
  total_is_exact: boolean;
  from: string;
  to: string;
  services: { service: string | null; others?: true; n: number; link: string }[];
  events: Entry[];
  unread: Sum | null;
};

describe('a trace', () => {
  const event = (i: number, more: object = {}) => ({
    event_type: 'UPDATE',
    entity_type: 'order',
    entity_id: String(i % 7),
    trace_id: 'trace/1?',
    timestamp: at((i * 37) % 1_000),
    service: `service-${i % 6}`,
    ...more,
  });
  const address = `/traces/${encodeURIComponent('trace/1?')}`;

  it('has all events in the order of their time, and each service with a link to its own', async () => {
    await service.write([
      ...Array.from({ length: 600 }, (_, i) => event(i, i < 3 ? { service: null } : {})),
      event(1, { trace_id: 'another' }),
    ]);
    const trace = await get<Trace>(`/api${address}`);
    expect(trace).toMatchObject({ total: 600, total_is_exact: true, from: at(0), to: at(999), unread: null });
    const order = trace.events.map(({ timestamp, id }) => [timestamp, id] as const);
    expect(order).toEqual(order.toSorted(([a, i], [b, j]) => (a === b ? i - j : a < b ? -1 : 1)));
    expect(new Set(order.map(([, id]) => id)).size).toBe(600);
    expect(trace.services.map(({ service }) => service).toSorted()).toEqual(
      [null, ...Array.from({ length: 6 }, (_, i) => `service-${i}`)].toSorted(),
    );
    for (const { n, link } of trace.services) expect([link, await totalOf(link)]).toEqual([link, n]);
  });

  it('is drawn up to 500 events, each a link, and the rest is summed by lane', async () => {
    const page = await (await service.request(address, { headers: { accept: 'text/html' } })).text();
    const figure = /<figure[\s\S]*<\/figure>/.exec(page)?.[0] ?? '';
    expect(figure).not.toContain('style=');
    const ticks = [...figure.matchAll(/<a href="\/logs\/(\d+)"><title>/g)].map(([, id]) => Number(id));
    const { events } = await get<Trace>(`/api${address}`);
    expect(ticks.toSorted((a, b) => a - b)).toEqual(
      events
        .slice(0, 500)
        .map(({ id }) => id)
        .toSorted((a, b) => a - b),
    );
    const sums = [...figure.matchAll(/<a href="(\/logs\?[^"]*)"><title>([\d,]+) events? more/g)];
    let left = 0;
    for (const [, link = '', n = ''] of sums) {
      expect([link, await totalOf(link.replaceAll('&amp;', '&'))]).toEqual([link, Number(n)]);
      left += Number(n);
    }
    expect(left).toBe(100);
  });

  it('that no event has is not found', async () => {
    for (const path of ['/traces/none', '/api/traces/none']) expect((await service.request(path)).status).toBe(404);
    expect((await service.request(`/api/traces/${'x'.repeat(101)}`)).status).toBe(400);
    expect((await service.request('/api/traces/none', { as: null })).status).toBe(401);
    expect((await service.request('/api/traces/none', { as: 'writer' })).status).toBe(403);
    expect((await service.request('/api/traces/none', { method: 'POST' })).status).toBe(405);
  });
});

describe('the tree of a trace', () => {
  type Node = { id: number; parent: number | null; depth: number; orphan: boolean; clocks_differ: boolean };

  it('of 1,000 events over 6 services has each below its parent; orphans and a wrong clock are named', async () => {
    const span = (n: number) => n.toString(16).padStart(16, '0');
    const isOrphan = (i: number) => i % 100 === 50;
    // Each event has a span of its own, below that of another one before it; every hundredth names one that is not there.
    const parentOf = (i: number) => (i === 0 || isOrphan(i) ? null : Math.floor((i - 1) / 3));
    const event = (i: number) => ({
      event_type: 'STEP',
      entity_type: 'job',
      trace_id: 'deep',
      service: `s${i % 6}`,
      span_id: span(i + 1),
      parent_span_id: isOrphan(i) ? span(90_000) : parentOf(i) === null ? null : span((parentOf(i) ?? 0) + 1),
      timestamp: at(i === 700 ? -5_000 : i * 10),
    });
    const written = await service.write(Array.from({ length: 1_000 }, (_, i) => event(i)).toReversed());
    const ids = written.map(({ id }) => id).toReversed();
    const placeOf = new Map(ids.map((id, i) => [id, i]));
    const { tree } = await get<{ tree: Node[] }>('/api/traces/deep');
    expect(new Set(tree.map(({ id }) => id)).size).toBe(1_000);
    const depths = new Map<number, number>();
    for (const { id, parent, depth, orphan, clocks_differ } of tree) {
      const i = placeOf.get(id) ?? -1;
      const above = parentOf(i);
      expect([i, parent]).toEqual([i, above === null ? null : ids[above]]);
      expect([i, depth]).toEqual([i, parent === null ? 0 : (depths.get(parent) ?? Number.NaN) + 1]);
      expect([i, orphan, clocks_differ]).toEqual([i, isOrphan(i), i === 700]);
      depths.set(id, depth);
    }
    const page = await (await service.request('/traces/deep', { headers: { accept: 'text/html' } })).text();
    expect(page.match(/orphan: its parent is not here/g)?.length).toBe(5);
    expect(page.match(/clocks differ/g)?.length).toBe(1);
  });

  it('also follows what led to an event, and ends where events name each other', async () => {
    const event = (more: object) => ({ event_type: 'STEP', entity_type: 'job', trace_id: 'chain', ...more });
    const [first] = await service.write(event({ timestamp: at(0), event_uid: 'chain-first' }));
    await service.write([
      event({ timestamp: at(1), caused_by: 'chain-first' }),
      event({ timestamp: at(2), caused_by: first?.id, span_id: 'a' }),
      event({ timestamp: at(3), span_id: 'a' }),
      event({ timestamp: at(4), span_id: 'b', parent_span_id: 'c' }),
      event({ timestamp: at(5), span_id: 'c', parent_span_id: 'b' }),
      event({ timestamp: at(6), span_id: 'd', parent_span_id: 'd' }),
    ]);
    const { tree } = await get<{ tree: Node[] }>('/api/traces/chain');
    expect(tree.map(({ depth, orphan }) => [depth, orphan])).toEqual([
      [0, false],
      [1, false],
      [1, false],
      [2, false],
      [0, true],
      [0, true],
      [1, false],
    ]);
    expect((await get<{ tree: null }>(`/api/traces/${encodeURIComponent('trace/1?')}`)).tree).toBeNull();
  });

  it('is also walked from an event to the one that led to it, by its event_uid or its id', async () => {
    const uid = 'why / "not"?';
    const event = { event_type: 'STEP', entity_type: 'job' };
    const [first] = await service.write({ ...event, event_uid: uid });
    const [second] = await service.write({ ...event, caused_by: uid, event_uid: `${first?.id}` });
    const [third] = await service.write({ ...event, caused_by: `${first?.id}` });
    const ask = (path: string) => service.request(path, { headers: { accept: 'text/html' }, redirect: 'manual' });
    const causeOf = async (id: number | undefined) => {
      const page = await (await ask(`/logs/${id}`)).text();
      const answer = await ask(/href="(\/causes\/[^"]+)"/.exec(page)?.[1] ?? '/causes/nothing');
      return [answer.status, answer.headers.get('location')];
    };
    expect(await causeOf(second?.id)).toEqual([302, `/logs/${first?.id}`]);
    // The event_uid of one event is the id of another: an event_uid is the writer's own word.
    expect(await causeOf(third?.id)).toEqual([302, `/logs/${second?.id}`]);
    expect((await ask(`/causes/${second?.id}`)).headers.get('location')).toBe(`/logs/${second?.id}`);
    for (const nobody of ['0', '9007199254740993', '99999999', 'x'.repeat(300), '1e0'])
      expect([nobody, (await ask(`/causes/${nobody}`)).status]).toEqual([nobody, 404]);
  });
});

describe('traceparent', () => {
  const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
  const span = '00f067aa0ba902b7';
  const valid = `00-${trace}-${span}-01`;
  /** W3C Trace Context §3.2.2 and §4.3: values, and whether their trace id is stored. */
  const values: [unknown, boolean][] = [
    [valid, true],
    [`00-${trace}-${span}-00`, true],
    [`00-${trace}-${span}-ff`, true],
    [`01-${trace}-${span}-01`, true],
    [`01-${trace}-${span}-01-`, true],
    [`cc-${trace}-${span}-01-what.the-future=holds`, true],
    [`fe-${trace}-${span}-09-more`, true],
    [`ff-${trace}-${span}-01`, false],
    [`ff-${trace}-${span}-01-more`, false],
    [`00-${'0'.repeat(32)}-${span}-01`, false],
    [`00-${trace}-${'0'.repeat(16)}-01`, false],
    [`00-${trace.toUpperCase()}-${span}-01`, false],
    [`00-${trace}-${span.toUpperCase()}-01`, false],
    [`00-${trace}-${span}-0A`, false],
    [`0A-${trace}-${span}-01`, false],
    [`00-${trace}-${span}-01-more`, false],
    [`00-${trace}-${span}-01-`, false],
    [`01-${trace}-${span}-01more`, false],
    [`00-${trace}-${span}`, false],
    [`00-${trace.slice(1)}-${span}-01`, false],
    [`00-${trace}0-${span}-01`, false],
    [`00_${trace}_${span}_01`, false],
    [trace, false],
    ['not a traceparent', false],
  ];
  const post = async (body: object, traceparent?: string) => {
    const response = await service.request('/api/logs', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(traceparent !== undefined && { traceparent }) },
      body: JSON.stringify(body),
    });
    return { status: response.status, ...((await response.json()) as { trace_id: string | null; logs: Entry[] }) };
  };
  const plain = { event_type: 'UPDATE', entity_type: 'order' };

  it('of an event or of a request is stored or ignored, and never refused', async () => {
    expect(values).toHaveLength(24);
    const events = values.map(([traceparent]) => ({ ...plain, traceparent }));
    const { status, logs } = await post(events);
    expect(status).toBe(201);
    expect(logs.map(({ trace_id }, i) => [values[i]?.[0], trace_id])).toEqual(
      values.map(([value, isStored]) => [value, isStored ? trace : null]),
    );
    for (const [value, isStored] of values)
      expect({ value, ...(await post(plain, String(value))) }).toMatchObject({
        value,
        status: 201,
        trace_id: isStored ? trace : null,
      });
  });

  it('that is no text is ignored', async () => {
    for (const traceparent of [null, '', 0, true, {}, [valid]])
      expect(await post({ ...plain, traceparent })).toMatchObject({ status: 201, trace_id: null });
  });

  it('gives way to that of the event, and both to its trace id', async () => {
    const own = `00-${'1'.repeat(32)}-${span}-01`;
    const { logs } = await post(
      [
        plain,
        { ...plain, traceparent: own },
        { ...plain, traceparent: own, trace_id: 'mine' },
        { ...plain, trace_id: 'mine' },
        { ...plain, trace_id: '', traceparent: 'invalid' },
      ],
      valid,
    );
    expect(logs.map(({ trace_id }) => trace_id)).toEqual([trace, '1'.repeat(32), 'mine', 'mine', trace]);
    expect(logs.every((entry) => !('traceparent' in entry))).toBe(true);
    expect(logs.map(({ span_id }) => span_id)).toEqual([span, span, null, null, span]);
  });

  it('names the span of an event, or the parent of a span of its own', async () => {
    const own = { ...plain, span_id: '1234567890abcdef' };
    const { logs } = await post(
      [own, { ...own, parent_span_id: 'p' }, { ...own, trace_id: 'mine' }, { ...plain, trace_id: trace }],
      valid,
    );
    expect(logs.map(({ trace_id, span_id, parent_span_id }) => [trace_id, span_id, parent_span_id])).toEqual([
      [trace, own.span_id, span],
      [trace, own.span_id, 'p'],
      ['mine', own.span_id, null],
      [trace, span, null],
    ]);
  });
});

type Relations = { n_keys: number; exact: boolean; related: { entity_id: string; n: number; shared: number }[] };
type View = {
  total: number;
  at: number | null;
  state: {
    exists: boolean | null;
    whole: boolean;
    fields: Record<string, unknown>;
    set_by: Record<string, number>;
  };
  events: (Entry & { changes: unknown[] })[];
  older: number | null;
  users: { users: { user_id: string | null; n: number }[]; more: boolean };
  traces: Relations;
  sessions: Relations;
};

describe('an entity', () => {
  const events: object[] = [
    { event_type: 'CREATE', metadata: { name: 'Cup', price: 5, tags: ['a'] } },
    { event_type: 'UPDATE', metadata: { changes: { price: { from: 5, to: 6 } }, reason: 'sale' } },
    { event_type: 'UPDATE', metadata: { before: { name: 'Cup', tags: ['a'] }, after: { name: 'Mug' } } },
    { event_type: 'UPDATE', metadata: { old_price: 6, new_price: 7 } },
    { event_type: 'VIEW', metadata: { price: 'not a change' } },
    { event_type: 'DELETE', metadata: null },
    { event_type: 'CREATE', metadata: { name: 'Jug' } },
  ];
  const states: [boolean, object][] = [
    [true, { name: 'Cup', price: 5, tags: ['a'] }],
    [true, { name: 'Cup', price: 6, tags: ['a'] }],
    [true, { name: 'Mug', price: 6 }],
    [true, { name: 'Mug', price: 7 }],
    [true, { name: 'Mug', price: 7 }],
    [false, { name: 'Mug', price: 7 }],
    [true, { name: 'Jug' }],
  ];
  const address = `/entities/product/${encodeURIComponent('cup 1/a')}`;
  const product = { entity_type: 'product', entity_id: 'cup 1/a' };
  let ids: number[] = [];

  it('has the state after each of its events, by their time and not by their arrival', async () => {
    const dated = events.map((event, i) => ({
      ...product,
      ...event,
      timestamp: at(i * 1_000),
      user_id: i < 5 ? 'ana' : null,
    }));
    const written = (await service.write(dated.toReversed())).toReversed();
    ids = written.map(({ id }) => id);
    for (const [i, [exists, fields]] of states.entries()) {
      const view = await get<View>(`/api${address}?at=${ids[i]}`);
      expect(view).toMatchObject({ total: 7, at: ids[i], state: { exists, whole: true } });
      expect(view.state.fields).toEqual(fields);
      expect(view.events.map(({ id }) => id)).toEqual(ids.slice(0, i + 1).toReversed());
    }
    expect((await get<View>(`/api${address}?at=${ids[3]}`)).state.set_by).toEqual({ name: ids[2], price: ids[3] });
    const now = await get<View>(`/api${address}`);
    expect(now).toMatchObject({ at: null, state: { fields: { name: 'Jug' } }, older: null });
    expect(now.events.at(-2)?.changes).toEqual([{ field: 'price', from: 5, to: 6 }]);
    expect(now.users).toMatchObject({
      more: false,
      users: [
        { user_id: 'ana', n: 5 },
        { user_id: null, n: 2 },
      ],
    });
  });

  it('is an address with an event of its own', async () => {
    const [other] = await service.write({ event_type: 'CREATE', entity_type: 'product', entity_id: 'other' });
    expect((await service.request(`/api${address}?at=${other?.id}`)).status).toBe(404);
    expect((await service.request(`/api${address}?at=x`)).status).toBe(400);
    for (const path of ['/entities/product/none', '/api/entities/product/none'])
      expect((await service.request(path)).status).toBe(404);
    expect((await service.request(`/api${address}`, { as: 'writer' })).status).toBe(403);
  });

  it('knows what shares its traces and its sessions, and how often', async () => {
    const of = (entity_id: string, more: object) => ({ event_type: 'UPDATE', entity_type: 'part', entity_id, ...more });
    await service.write([
      of('main', { trace_id: 't1', session_id: 's1' }),
      of('main', { trace_id: 't2' }),
      of('near', { trace_id: 't1' }),
      of('near', { trace_id: 't2' }),
      of('near', { trace_id: 't2' }),
      of('far', { trace_id: 't1' }),
      of('far', { trace_id: 't3' }),
      of('visitor', { session_id: 's1' }),
    ]);
    const { traces, sessions } = await get<View>('/api/entities/part/main');
    expect(traces).toMatchObject({ n_keys: 2, exact: true });
    expect(traces.related.map(({ entity_id, n, shared }) => [entity_id, n, shared])).toEqual([
      ['near', 3, 2],
      ['far', 1, 1],
    ]);
    expect(sessions.related.map(({ entity_id, n }) => [entity_id, n])).toEqual([['visitor', 1]]);
    const page = await (await service.request('/entities/part/main', { headers: { accept: 'text/html' } })).text();
    const link = /entities\/part\/near"[\s\S]*?href="(\/logs[^"]*)">3</.exec(page)?.[1]?.replaceAll('&amp;', '&') ?? '';
    expect(await totalOf(link)).toBe(3);
  });

  it('is linked from the event, as its trace is', async () => {
    const [event] = await service.write({ ...product, event_type: 'VIEW', trace_id: 'trace/1?' });
    const page = await (await service.request(`/logs/${event?.id}`, { headers: { accept: 'text/html' } })).text();
    expect(page).toContain(`href="${address}?at=${event?.id}"`);
    expect(page).toContain('href="/traces/trace%2F1%3F"');
    const [dots] = await service.write({ event_type: 'VIEW', entity_type: '..', entity_id: '.', trace_id: '..' });
    const plain = await (await service.request(`/logs/${dots?.id}`, { headers: { accept: 'text/html' } })).text();
    expect(plain).not.toMatch(/href="\/(entities|traces)\//);
  });
});
