/** The boards over HTTP: every number of a panel is the number of the events behind its link. */
import { expect, it } from 'vitest';
import { builtIn } from '../../src/features/boards/built-in.ts';
import { isNumbered } from '../../src/features/boards/panel.ts';
import { eventually, startService } from '../support/harness.ts';
import { get, type Listing } from './oracle.ts';

type Mark = {
  names: (string | null)[];
  value: number;
  href: string | null;
  before?: { value: number; href: string | null };
};
type View = {
  summary: string;
  is_exact: boolean;
  cursor: number;
  marks: Mark[];
  fault: string | null;
  has_more: boolean;
};

const service = await startService();
const hour_ms = 3_600_000;
const written = await service.write(
  Array.from({ length: 240 }, (_, i) => ({
    event_type: ['CREATE', 'UPDATE', 'UPDATE', 'DELETE', 'LOGIN'][i % 5],
    entity_type: i % 3 === 0 ? 'order' : 'customer',
    entity_id: String(i % 4),
    ...(i % 7 !== 0 && { user_id: ['ana', 'bo', 'cy'][i % 3] }),
    ...(i % 2 === 0 && { service: 'shop' }),
    ip_address: `10.0.0.${i % 3}`,
    ...(i % 4 === 1 && { description: `Order ${i} is sent` }),
    timestamp: new Date(Date.now() - 1_000 - ((i * 53) % (24 * 20)) * hour_ms).toISOString(),
  })),
);
await service.scheduled();

const questions: Record<string, string> = { user: 'user_id=ana', entity: 'entity_type=order', service: 'service=shop' };

it.each(builtIn.map(({ name }) => name))(
  'each number of the board %s has that many events behind its link',
  async (name) => {
    const board = builtIn.find((one) => one.name === name);
    for (const [i, panel] of (board?.panels ?? []).entries()) {
      const view = await get<View>(service, `/boards/${name}/${i + 1}.json?last=7d&${questions[name] ?? ''}`);
      expect([panel.title, view.fault, view.is_exact]).toEqual([panel.title, null, true]);
      expect(view.summary).toContain(panel.title);
      if (!isNumbered(panel.kind) || panel.measure !== 'count') continue;
      const linked = view.marks.filter(({ href }) => href !== null);
      for (const { value, href, before } of [linked[0], linked.at(-1)].filter((mark) => mark !== undefined)) {
        expect((await get<Listing>(service, `/api${href}&limit=1&count=exact`)).total).toBe(value);
        if (before?.href)
          expect((await get<Listing>(service, `/api${before.href}&limit=1&count=exact`)).total).toBe(before.value);
      }
    }
  },
);

it('the bars of a board add up to the events of the period', async () => {
  const { marks } = await get<View>(service, '/boards/overview/4.json?last=30d');
  expect(marks.reduce((sum, { value }) => sum + value, 0)).toBe(written.length);
});

it('the filter of the address narrows each panel', async () => {
  const number = async (query: string) =>
    (await get<View>(service, `/boards/overview/3.json?last=30d&${query}`)).marks[0]?.value;
  const of = (user: string) =>
    written.filter(({ event_type, user_id }) => event_type === 'DELETE' && user_id === user).length;
  expect(await number('user_id=ana')).toBe(of('ana'));
  expect(await number('event_type=CREATE')).toBe(0);
});

it('a panel is also a table and a picture, and an unchanged one is a 304', async () => {
  const csv = await service.request('/boards/overview/6.csv?last=30d');
  expect((await csv.text()).split('\r\n')[0]).toBe('Entity type,count,link');
  const svg = await service.request('/boards/overview/6.svg?last=30d');
  expect(svg.headers.get('content-type')).toBe('image/svg+xml; charset=utf-8');
  expect(await svg.text()).toMatch(/<svg [^>]*role="group" aria-label="Entity types: most customer with 160\./);
  for (const path of ['/boards/overview', '/boards/overview/6.svg?last=30d']) {
    const tag = (await service.request(path)).headers.get('etag') ?? '';
    expect((await service.request(path, { headers: { 'if-none-match': tag } })).status).toBe(304);
  }
});

it('panels of patterns and of visits lead to exactly their events, and say what they cannot be narrowed by', async () => {
  const panels = ['patterns', 'lanes'].map((kind) => ({ title: kind, kind, range: '30d' }));
  const form = new URLSearchParams({ name: 'own', spec: JSON.stringify({ title: 'Own', panels }) });
  const headers = { origin: service.url, 'content-type': 'application/x-www-form-urlencoded' };
  const saved = await service.request('/boards', { method: 'POST', headers, body: String(form), redirect: 'manual' });
  expect(saved.status).toBe(303);
  const ask = (place: number, query = '') => get<View>(service, `/boards/own/${place}.json?${query}`);
  // The texts of patterns are derived: on Workers by the schedule.
  await service.scheduled();
  await eventually('the pattern has its text', async () =>
    (await ask(1)).marks.some(({ names }) => names[0] === 'Order <*> is sent'),
  );
  const [patterns, lanes] = [await ask(1, 'service!=edgetrail'), await ask(2)];
  const sum = (view: View, of: string) =>
    view.marks.filter(({ names }) => names[0] === of).reduce((all, { value }) => all + value, 0);
  expect(sum(patterns, 'Order <*> is sent')).toBe(60);
  expect(sum(patterns, 'no description')).toBe(180);
  expect([lanes.marks.length, lanes.has_more]).toEqual([60, true]);
  const ofAna = await ask(2, 'user_id=ana&last=7d');
  expect([ofAna.has_more, new Set(ofAna.marks.map(({ names }) => names[0]))]).toEqual([false, new Set(['ana'])]);
  for (const { value, href } of [...patterns.marks, ...lanes.marks.slice(0, 5)])
    expect((await get<Listing>(service, `/api${href}&limit=1&count=exact`)).total).toBe(value);
  expect((await ask(2, 'event_type=CREATE')).fault).toContain('only user_id and session_id can');
});

it('an open page is told of what has changed, and of nothing else', async () => {
  const poll = async (path: string) =>
    /hx-get="(\/boards\/[^"]*)"/.exec(await (await service.request(path)).text())?.[1]?.replaceAll('&amp;', '&') ?? '';
  const address = await poll('/boards/service?service=shop&last=24h');
  expect((await service.request(address)).status).toBe(204);
  await service.write({ event_type: 'CREATE', entity_type: 'order', service: 'shop' });
  const changed = await service.request(address);
  expect(changed.status).toBe(200);
  expect(await changed.text()).toContain('<hx-partial hx-target="#p1"');
});

it.each([
  ['/boards/nothing', 'admin', 404],
  ['/boards/overview/99.json', 'admin', 404],
  ['/boards/overview/1.pdf', 'admin', 404],
  ['/boards/overview?colour=red', 'admin', 400],
  ['/boards/overview?last=2h', 'admin', 400],
  ['/boards/overview', 'guest', 200],
  ['/boards/overview', 'writer', 403],
  ['/boards/overview/1.json', null, 401],
] as const)('%s asked for by %s is answered with %i', async (path, as, status) => {
  expect((await service.request(path, { as })).status).toBe(status);
});
