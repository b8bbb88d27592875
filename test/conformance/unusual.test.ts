/** What is unusual: a burst in a quiet log fires, is an event, leads to its events, and is judged by those who may write. */
import { describe, expect, it } from 'vitest';
import { builtIn } from '../../src/features/boards/built-in.ts';
import type { Entry } from '../../src/log/schema.ts';
import { eventually, json, startService } from '../support/harness.ts';
import { asEvents, burst, day_ms, flow, flows, hour_ms, orders, team, till } from '../support/unusual/team.ts';
import { invalidIn } from '../viewer/browser-page.ts';

const service = await startService({ env: { UNUSUAL_PER_DAY_MAX: '3' } });
const start = Math.floor(Date.now() / day_ms) * day_ms - 25 * day_ms;
const at = start + 14 * day_ms + 9.5 * hour_ms;

type Fact = { kind: string; what: string; n: number; link: string; held?: string };
type Story = {
  id: string;
  sentence: string;
  fired: boolean;
  to: string;
  facts: Fact[];
  verdict: { verdict: string; by: string; event_id: number } | null;
};
type Listed = { stories: Story[]; lag_events: number; learning_until: string | null };
const read = async <T>(path: string): Promise<T> => (await service.request(path)).json() as Promise<T>;
const list = (query = '') => read<Listed>(`/api/unusual?${query}`);
const allRead = () => eventually('all events are read', async () => (await list()).lag_events === 0);
const bursts = async () => {
  const { stories } = await list('user_id=ana&kind=burst');
  return stories.filter(({ facts }) => facts.some(({ what, n }) => what === 'DELETE' && n >= 20));
};
const judge = (id: string, body: object, as: 'admin' | 'guest' = 'admin') =>
  service.request(`/api/unusual/${id}/verdict`, { ...json(body), as });

await service.write(asEvents(team(start, 3)));
await allRead();
const young = await list();
/** A till that stops for a day, while others go on. */
const tills = till(start, 14, 60, (when) => (when > at - 2 * day_ms && when < at - day_ms ? 0 : 1));
const strange = flow(at - 2.5 * day_ms, flows.wrong, { trace_id: 'strange' });
const traces = [...orders(start + 3 * day_ms, 11, 240), ...strange];
const past = asEvents([...team(start + 3 * day_ms, 12), ...tills, ...traces, ...burst(at, 20)]);
// One write takes 1,000 events.
await service.write(past.slice(0, 700));
await service.write(past.slice(700));
await allRead();

describe('a story', () => {
  it('is not told in a log of three days, which says until when it is learning', () => {
    expect(young.stories.filter(({ fired }) => fired)).toEqual([]);
    expect(young.learning_until).toBe(new Date(start + 7 * day_ms + 8 * hour_ms).toISOString());
  });

  it('fires once, says who, how many and when, and is an event', async () => {
    const [story, ...others] = await bursts();
    expect(others).toEqual([]);
    expect(story).toMatchObject({ fired: true, verdict: null });
    expect(story?.sentence).toMatch(/^ana, [\d-]+ UTC: .*20 DELETE between 09:30 and 09:36; never before/);
    const { logs } = await read<{ logs: Entry[] }>(`/api/logs?event_type=UNUSUAL&entity_id=${story?.id}`);
    expect(logs).toMatchObject([{ service: 'edgetrail', entity_type: 'story', metadata: { story: story?.id } }]);
    expect((await list('fired=true')).stories.map(({ id }) => id)).toContain(story?.id);
    expect((await list('fired=false')).stories.map(({ id }) => id)).not.toContain(story?.id);
  });

  it('has links to exactly the events of each of its facts', async () => {
    const facts = (await list('limit=500')).stories.flatMap((story) => story.facts).filter(({ n }) => n !== 1);
    const kinds = new Set(facts.map(({ kind }) => kind));
    expect([...kinds]).toEqual(expect.arrayContaining(['burst', 'silence', 'sequence']));
    const some = [...kinds].flatMap((kind) => facts.filter((fact) => fact.kind === kind).slice(0, 7));
    for (const { link, n } of some) {
      const { total } = await read<{ total: number }>(`/api${link}`);
      expect([link, total]).toEqual([link, n]);
    }
  });

  it('is on the board of its user, each fact with exactly its events', async () => {
    const place = builtIn.find(({ name }) => name === 'user')?.panels.findIndex(({ kind }) => kind === 'unusual') ?? -1;
    const { marks } = await read<{ marks: { names: string[]; value: number; href: string; page: string }[] }>(
      `/boards/user/${place + 1}.json?user_id=ana&last=30d`,
    );
    const burst = marks.find(({ names }) => names[2]?.startsWith('20 DELETE'));
    expect(burst).toMatchObject({ value: 20, page: `/unusual/${(await bursts())[0]?.id}` });
    expect((await read<{ total: number }>(`/api${burst?.href}`)).total).toBe(20);
    expect(marks.every(({ names }) => names[1] === 'ana')).toBe(true);
  });

  it('is listed page by page, newest first', async () => {
    const { stories } = await list('limit=500');
    const ids: string[] = [];
    for (let query: string | null = 'limit=2'; query !== null; ) {
      const page: Listed & { next: string | null } = await read(`/api/unusual?${query}`);
      for (const { id } of page.stories) ids.push(id);
      query = page.next;
    }
    expect(ids).toEqual(stories.map(({ id }) => id));
    expect(stories.map(({ to }) => to)).toEqual(
      stories
        .map(({ to }) => to)
        .toSorted()
        .toReversed(),
    );
  });
});

describe('a request is refused', () => {
  it.each([
    ['kind=x', 'kind: must be one of'],
    ['fired=yes', 'fired: must be true or false'],
    ['limit=0', 'limit: must be a whole number'],
    ['before=1', 'before: must be that of the page before'],
    ['user=ana', 'user: is not a parameter'],
  ])('?%s', async (query, reason) => {
    const answer = await service.request(`/api/unusual?${query}`);
    expect([answer.status, await answer.json()]).toMatchObject([400, { detail: expect.stringContaining(reason) }]);
  });

  it('of who may not, and of a story that is not there', async () => {
    const id = (await bursts())[0]?.id ?? '';
    expect((await judge(id, { verdict: 'expected' }, 'guest')).status).toBe(403);
    expect((await service.request('/api/unusual', { as: null })).status).toBe(401);
    expect((await judge('u999999', { verdict: 'expected' })).status).toBe(404);
    expect((await judge(id, { verdict: 'fine' })).status).toBe(400);
    expect((await judge(id, { verdict: 'expected', until: '2030-01-01' })).status).toBe(400);
    expect((await service.request('/api/unusual/x')).status).toBe(404);
  });
});

describe('a verdict', () => {
  it('is an event, holds the same burst a week later, and not one of ten times its size', async () => {
    const id = (await bursts())[0]?.id ?? '';
    const answer = await judge(id, { verdict: 'expected' });
    expect(answer.status).toBe(200);
    const { verdict } = (await answer.json()) as Story;
    expect(verdict).toMatchObject({ verdict: 'expected', by: 'admin' });
    expect(await read(`/api/logs/${verdict?.event_id}`)).toMatchObject({ event_type: 'VERDICT', user_id: 'admin' });
    await service.write(asEvents([...team(start + 15 * day_ms, 7), ...burst(at + 7 * day_ms, 20)]));
    await allRead();
    const [second] = await bursts();
    expect(second).toMatchObject({
      fired: false,
      facts: expect.arrayContaining([expect.objectContaining({ held: 'expected' })]),
    });
    await service.write(asEvents(burst(at + 8 * day_ms, 175)));
    await allRead();
    expect((await bursts())[0]).toMatchObject({ fired: true });
    expect(await (await judge(id, { verdict: 'none' })).json()).toMatchObject({ verdict: null });
  });
});

describe('the page', () => {
  it('has the stories, and what a person may say of them', async () => {
    const id = (await bursts())[0]?.id ?? '';
    for (const path of ['/unusual', '/unusual?kind=burst&fired=true', `/unusual/${id}`]) {
      const markup = await (await service.request(path)).text();
      expect([path, await invalidIn(markup)]).toEqual([path, []]);
      expect(markup).toContain(`action="/unusual/${id}/verdict"`);
      expect(await (await service.request(path, { as: 'guest' })).text()).not.toContain('/verdict"');
    }
    const body = new URLSearchParams({ verdict: 'confirmed' });
    const said = await service.request(`/unusual/${id}/verdict`, { method: 'POST', body, redirect: 'manual' });
    expect(said.status).toBe(303);
    expect(await (await service.request(`/unusual/${id}`)).text()).toContain('<b>confirmed</b>');
  });
});
