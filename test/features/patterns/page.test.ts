/** The page of the patterns and its API: groups with the filter of exactly their events. */
import { describe, expect, it } from 'vitest';
import type { PatternsView } from '../../../src/features/patterns/view.ts';
import { startService } from '../../support/harness.ts';
import { invalidIn } from '../../viewer/browser-page.ts';

const event = (description: string | null, service: string | null = 'checkout') => ({
  event_type: 'UPDATE',
  entity_type: 'order',
  service,
  description,
});

describe('/patterns', async () => {
  const service = await startService('postgres');
  const get = async (path: string) => (await service.request(path, { headers: { accept: 'text/html' } })).text();
  const api = async <T = PatternsView>(path: string) => (await (await service.request(path)).json()) as T;
  const total = async (filter: string) =>
    (await api<{ total: number }>(`/api/logs?${filter}&limit=1&count=exact`)).total;

  it('says that nothing is there, in an empty log', async () => {
    expect(await get('/patterns')).toContain('No event is counted yet.');
    expect(await invalidIn(await get('/patterns'))).toEqual([]);
    expect(await api('/api/patterns')).toEqual({ upto: 0, head: 0, n: 0, other: 0, n_groups: 0, groups: [] });
  });

  it('lists groups, the most frequent first, and each leads to exactly its events', async () => {
    await service.write([
      ...Array.from({ length: 5 }, (_, i) => event(`order-${i} paid by ${['ana', 'bob'][i % 2]}`)),
      ...Array.from({ length: 3 }, (_, i) => event(`order-${i} paid by ana`, 'warehouse')),
      event(null),
      event(null, null),
      event('<b>odd</b> & 17', null),
    ]);
    const view = await api('/api/patterns');
    expect(view).toMatchObject({ upto: 11, head: 11, n: 11, other: 0, n_groups: 5 });
    expect(view.groups.slice(0, 2)).toEqual([
      expect.objectContaining({
        pattern: 'order<*> paid by <*>',
        service: 'checkout',
        n: 5,
        patterns: 2,
        first_id: 1,
        last_id: 5,
      }),
      expect.objectContaining({
        pattern: 'order<*> paid by ana',
        service: 'warehouse',
        n: 3,
        example: 'order-2 paid by ana',
      }),
    ]);
    for (const { filter, n } of view.groups) expect(await total(filter)).toBe(n);
    const page = await get('/patterns');
    for (const { link } of view.groups) expect(page).toContain(`href="${link.replaceAll('&', '&amp;')}"`);
    expect(page).toContain('&lt;b&gt;odd&lt;/b&gt; &amp; &lt;*&gt;');
    expect(page).not.toContain('<ins>');
    expect(await invalidIn(page)).toEqual([]);
  });

  it('is of one service, and has a limit, which it says', async () => {
    const { groups, n } = await api('/api/patterns?service=warehouse');
    expect({ n, services: groups.map(({ service }) => service) }).toEqual({ n: 3, services: ['warehouse'] });
    expect(await get('/patterns?service=checkout')).toContain('6 events up to event 11.');
    expect(await get('/patterns?limit=1')).toContain('4 rarer groups with 6 events are not listed.');
  });

  it.each([
    ['start_date=2026-01-01', 'start_date'],
    ['service=a&service=b', 'service'],
    ['limit=0', 'limit'],
    [`service=${'x'.repeat(101)}`, 'service'],
  ])('refuses %s, which it cannot answer', async (query, field) => {
    const answer = await service.request(`/api/patterns?${query}`);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ errors: [{ field }] });
  });

  it('is for all who may read', async () => {
    expect((await service.request('/patterns', { as: 'guest' })).status).toBe(200);
    expect((await service.request('/api/patterns', { as: 'writer' })).status).toBe(403);
    expect(await get('/logs')).toContain('href="/patterns"');
  });

  it('leads from an event to those like it', async () => {
    expect(await get('/logs/2')).toContain('href="/patterns/2"');
    const answer = await service.request('/patterns/2', { redirect: 'manual' });
    const to = answer.headers.get('location') ?? '';
    expect(answer.status).toBe(303);
    expect(to).toMatch(/^\/logs\?pattern=[0-9a-f]{16}$/);
    expect(await total(to.slice('/logs?'.length))).toBe(2);
    expect((await service.request('/patterns/99')).status).toBe(404);
  });

  it.each(['xyz', 'ABCDEF0123456789', '0123456789abcde'])('refuses %s as a key', async (key) => {
    const answer = await service.request(`/api/logs?pattern=${key}`);
    expect(await answer.json()).toMatchObject({ status: 400, errors: [{ field: 'pattern' }] });
  });
});
