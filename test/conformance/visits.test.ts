/** Visits: which events belong together is exact as soon as they are stored, and any of them leads to its visit. */
import { describe, expect, it } from 'vitest';
import { startService } from '../support/harness.ts';

type Visit = { visit: number; n: number; last_id: number; started: string; ended: string } & Record<string, unknown>;
type List = { visits: Visit[]; total: number | null; exact: boolean; cursor: number };

const service = await startService({ env: { SIGN_IN_TYPES: 'ENTER, CAME IN', SIGN_OUT_TYPES: 'LEAVE' } });
const read = async <T>(path: string): Promise<T> => (await service.request(path)).json() as Promise<T>;
const list = (query: string) => read<List>(`/api/visits?${query}`);
const start_ms = Date.parse('2026-01-05T08:00:00Z');
const at = (minutes: number, ms = 0) => new Date(start_ms + minutes * 60_000 + ms).toISOString();
const event = (user_id: string | null, minutes: number, more: object = {}) => ({
  event_type: 'UPDATE',
  entity_type: 'order',
  user_id,
  timestamp: at(minutes),
  ...more,
});
const idsOf = async (events: object[]) => (await service.write(events)).map(({ id }) => id);

describe('a question is refused', () => {
  it.each([
    ['event_type=UPDATE', 'event_type: is not a parameter of this request'],
    ['user_id!=ana', 'user_id!: is not a parameter of this request'],
    ['colour=red', 'colour: is not a parameter of this request'],
    ['start_date=yesterday', 'start_date: must be an ISO 8601 date'],
    ['before=55', 'before: is not a cursor of this list'],
    ['before=1-1&after=1-1', 'after: cannot be combined with before'],
    ['before=1-1&offset=1', 'offset: cannot be combined with a cursor'],
    ['limit=0', 'limit: must be a whole number from 1 to 1000'],
    ['count=all', 'count: must be one of fast, exact, none'],
  ])('%s', async (query, reason) => {
    const answer = await service.request(`/api/visits?${query}`);
    expect([answer.status, await answer.json()]).toMatchObject([400, { detail: expect.stringContaining(reason) }]);
  });

  it('to whoever may not read the log, and with another method', async () => {
    expect((await service.request('/api/visits', { as: null })).status).toBe(401);
    expect((await service.request('/api/visits/1', { as: 'writer' })).status).toBe(403);
    expect((await service.request('/api/visits', { as: 'guest' })).status).toBe(200);
    expect((await service.request('/api/visits', { method: 'POST' })).headers.get('allow')).toBe('GET');
  });

  it('about an event that is not there, or that is of no visit', async () => {
    const [nobody, ours] = await idsOf([event(null, 0), event('ana', -5_000, { service: 'edgetrail' })]);
    for (const id of [nobody, ours, 999_999, '9'.repeat(30)])
      expect((await service.request(`/api/visits/${id}`)).status).toBe(404);
    expect(await list('user_id=ana')).toMatchObject({ visits: [], total: 0, exact: true });
  });
});

describe('a visit', () => {
  it('of a user goes on for as long as no gap is longer than 30 minutes; an event that comes late joins two', async () => {
    const ids = await idsOf([event('bea', 0), event('bea', 30), event('bea', 60, { event_type: 'LEAVE' })]);
    const [first, , last] = ids;
    const apart = await idsOf([{ ...event('bea', 0), timestamp: at(90, 1) }, event('bea', 100)]);
    const two = await list('user_id=bea');
    expect(two.visits).toMatchObject([
      { visit: apart[0], n: 2, started: at(90, 1), ended: at(100), signed_out: null },
      { visit: first, n: 3, started: at(0), ended: at(60), last_id: last, signed_in: null, signed_out: last },
    ]);
    const [late] = await idsOf([event('bea', 75, { event_type: 'CAME IN' })]);
    const joined = { visit: first, user_id: 'bea', session_id: null, n: 6, last_id: late, signed_in: late };
    const one = await list('user_id=bea');
    expect(one).toMatchObject({ visits: [{ ...joined, started: at(0), ended: at(100) }], total: 1 });
    const { total } = await read<{ total: number }>(`/api${one.visits[0]?.link}`);
    expect(total).toBe(6);
    for (const id of [...ids, ...apart, late]) expect(await read(`/api/visits/${id}`)).toEqual(one.visits[0]);
  });

  it('of a session has all its events, whoever did them and whenever', async () => {
    const ids = await idsOf([
      event(null, 0, { session_id: 's1', ip_address: '10.0.0.1' }),
      event('cem', 5_000, { session_id: 's1', ip_address: '10.0.0.2' }),
      event('dan', 5_001, { session_id: 's1' }),
      event('cem', 5_001, { ip_address: '192.0.2.1' }),
    ]);
    const { visits } = await list('session_id=s1');
    expect(visits).toMatchObject([
      { visit: ids[0], user_id: 'cem', shared: true, n: 3, n_addresses: 2, addresses: ['10.0.0.1', '10.0.0.2'] },
    ]);
    expect(visits).toMatchObject([{ overlaps: 1 }]);
    expect((await list('user_id=cem')).visits.map(({ n }) => n)).toEqual([1, 3]);
  });

  it('is final a day and the gap after its end, by the newest time of the log', async () => {
    // Later than every other time of this log so far.
    const [id] = await idsOf([event('eva', 50_000)]);
    const stateOf = async () => (await read<{ state: string }>(`/api/visits/${id}`)).state;
    const end = 50_000 + 24 * 60 + 30;
    await service.write(event(null, end));
    expect(await stateOf()).toBe('open');
    await service.write({ ...event(null, 0), timestamp: at(end, 1) });
    expect(await stateOf()).toBe('final');
  });
});

it('the list is that of a period, and is followed by its links to its end and back', async () => {
  const ids = await idsOf(Array.from({ length: 7 }, (_, i) => event('fay', 100_000 + i * 60)));
  const pages: number[][] = [];
  const follow = async (path: string, rel: string) => {
    pages.length = 0;
    for (let next: string | undefined = path; next; ) {
      const answer = await service.request(next);
      const { visits } = (await answer.json()) as List;
      pages.push(visits.map(({ visit }) => visit));
      next = new RegExp(`<([^>]*)>; rel="${rel}"`).exec(answer.headers.get('link') ?? '')?.[1];
      if (!next) return answer.headers.get('link') ?? '';
    }
    return '';
  };
  const link = await follow('/api/visits?user_id=fay&limit=3', 'next');
  const [a, b, c, d, e, f, g] = ids.toReversed();
  expect(pages).toEqual([[a, b, c], [d, e, f], [g]]);
  const prev = /<([^>]*)>; rel="prev"/.exec(link)?.[1] ?? '';
  await follow(prev, 'prev');
  expect(pages).toEqual([
    [d, e, f],
    [a, b, c],
  ]);
  const within = await list(`user_id=fay&start_date=${at(100_060)}&end_date=${at(100_180)}&count=none`);
  expect(within).toMatchObject({ total: null, visits: [{ visit: d }, { visit: e }, { visit: f }] });
  expect(await list('user_id=fay&offset=2&limit=2&count=exact')).toMatchObject({
    total: 7,
    visits: [{ visit: c }, { visit: d }],
  });
});
