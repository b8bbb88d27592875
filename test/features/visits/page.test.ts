/** The pages of the visits: their numbers are those of the log, and their links lead to exactly these events. */
import { describe, expect, it } from 'vitest';
import { startService } from '../../support/harness.ts';
import { invalidIn } from '../../viewer/browser-page.ts';

const start_ms = Date.parse('2026-01-05T08:00:00Z');
const event = (minutes: number, more: object = {}) => ({
  event_type: 'UPDATE',
  entity_type: 'order',
  user_id: '<b>ana</b>',
  timestamp: new Date(start_ms + minutes * 60_000).toISOString(),
  ...more,
});

describe('the pages of the visits', async () => {
  const service = await startService('postgres');
  const get = async (path: string, accept = 'text/html') => {
    const answer = await service.request(path, { headers: { accept }, redirect: 'manual' });
    return { status: answer.status, to: answer.headers.get('location'), text: await answer.text() };
  };
  const page = async (path: string) => (await get(path)).text;
  const write = async (events: object[]) => (await service.write(events)).map(({ id }) => id);
  const linked = (markup: string, pattern: RegExp) => (pattern.exec(markup)?.[1] ?? '').replaceAll('&amp;', '&');
  /** How many events the list at an address of the log has. */
  const totalAt = async (href: string) => {
    const { total } = JSON.parse((await get(`/api${href}`, 'application/json')).text) as { total: number };
    return total;
  };
  const agent = 'x'.repeat(500);
  const ids = await write([
    event(0, { event_type: 'LOGIN', ip_address: '10.1.0.1', user_agent: 'a' }),
    event(5, { ip_address: '10.2.0.1', user_agent: agent }),
    event(10, { ip_address: '10.1.0.1', user_agent: agent }),
    event(10, { ip_address: '10.1.0.1', event_type: 'DELETE' }),
    event(12, { event_type: 'LOGOUT' }),
    event(13),
    event(14, { service: 'edgetrail' }),
  ]);
  await write([
    event(6, { session_id: 's1', ip_address: '192.0.2.9' }),
    event(7, { session_id: 's2', user_id: 'bob' }),
    event(500, { user_id: 'bob' }),
  ]);
  const visit = `/visits/${ids[0]}`;

  it('are for those who may read the log, in their menu, and below an event', async () => {
    expect((await service.request('/visits', { as: null })).status).toBe(401);
    expect((await service.request('/visits', { as: 'writer' })).status).toBe(403);
    expect(await (await service.request('/logs', { as: 'guest' })).text()).toContain('href="/visits"');
    expect(await page(`/logs/${ids[1]}`)).toContain(`href="/visits/${ids[1]}"`);
    expect(await page(`/logs/${ids[6]}`)).not.toContain(`href="/visits/${ids[6]}"`);
  });

  it('list the visits with a filter, and lead from any event to its visit', async () => {
    const all = await page('/visits?user_id=&session_id=');
    expect(all).toContain('4 visits');
    expect(all).toContain('<bdi>&lt;b&gt;ana&lt;/b&gt;</bdi>');
    expect(all).toContain('1 at the same time');
    expect(await page('/visits?user_id=bob')).toContain('2 visits');
    expect(await page('/visits?user_id=nobody')).toContain('There is no such visit.');
    expect(await get(`/visits/${ids[3]}`)).toMatchObject({ status: 302, to: visit });
    expect(await get(`/visits/${ids[6]}`)).toMatchObject({ status: 404 });
    expect(await page('/visits?limit=3')).toContain('rel="next"');
  });

  it('tell of a visit what changed, and who else the user was at the same time', async () => {
    const text = await page(visit);
    for (const told of [
      'signs in',
      'another address: 10.2.0.1, before 10.1.0.1',
      'another agent: xxx',
      'works after signing out: 1 event',
      '<strong>from another address</strong>: 192.0.2.9',
      'from 10.1.0.0/16 to 10.2.0.0/16 and back within 10 min',
    ])
      expect(text).toContain(told);
    expect(text).not.toMatch(/ style=/);
  });

  it('link to exactly the events of a visit, and of each bar, also where the user had sessions meanwhile', async () => {
    const text = await page(visit);
    expect(await totalAt(linked(text, /<dt>Events<\/dt><dd><a href="([^"]*)">Its 6 events/))).toBe(6);
    const bars = [...text.matchAll(/<td><a href="(\/logs\?[^"]*)">(\d+)<\/a><\/td>/g)];
    expect(bars.length).toBeGreaterThan(0);
    for (const [, href = '', n] of bars) expect(await totalAt(href.replaceAll('&amp;', '&'))).toBe(Number(n));
    const listed = await page('/visits');
    const numbers = [...listed.matchAll(/<td[^>]*><a href="(\/logs\?[^"]*)">(\d+)<\/a><\/td>/g)];
    expect(numbers.length).toBeGreaterThan(3);
    for (const [, href = '', n] of numbers) expect(await totalAt(href.replaceAll('&amp;', '&'))).toBe(Number(n));
    const session = await page('/visits?session_id=s1');
    const inSession = await page(linked(session, /href="(\/visits\/\d+)"/));
    expect(await totalAt(linked(inSession, /<dt>Events<\/dt><dd><a href="([^"]*)">Its 1 event</))).toBe(1);
  });

  it('do not tell of two places that the user has been between before', async () => {
    const [, later] = await write(
      [2_000, 2_001, 2_002].map((minutes, i) => event(minutes, { ip_address: `10.${1 + (i % 2)}.0.7` })),
    );
    expect(await page(`/visits/${(later ?? 0) - 1}`)).not.toContain('Two places at once');
    expect(await page(visit)).toContain('Two places at once');
  });

  it('show the latest thousand events of a long visit, and the link has them all', async () => {
    const many = await write(
      Array.from({ length: 1_000 }, (_, i) => event(10_000, { user_id: 'eve', entity_id: `${i}` })),
    );
    await write(Array.from({ length: 300 }, (_, i) => event(10_001 + (i % 20), { user_id: 'eve' })));
    const text = await page(`/visits/${many[0]}`);
    expect(text).toContain('The latest 1,000 events.');
    expect(await totalAt(linked(text, /<dt>Events<\/dt><dd><a href="([^"]*)">Its 1,300/))).toBe(1_300);
    for (const [, href = '', n] of text.matchAll(/<td><a href="(\/logs\?[^"]*)">([\d,]+)<\/a><\/td>/g))
      expect(await totalAt(href.replaceAll('&amp;', '&'))).toBe(Number(n?.replace(',', '')));
  });

  it.each(['/visits', '/visits?user_id=bob', visit])('%s is valid HTML', async (path) => {
    expect(await invalidIn(await page(path))).toEqual([]);
  });
});
