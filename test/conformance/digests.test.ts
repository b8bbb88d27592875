/** Digests: what a day brought, each number a link to exactly its events, as JSON and as a page. */
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../src/log/schema.ts';
import { eventually, startService } from '../support/harness.ts';
import { invalidIn } from '../viewer/browser-page.ts';

const service = await startService();
const today = new Date().toISOString().slice(0, 10);
const event = (event_type: string, user_id: string, more: object = {}) => ({
  event_type,
  entity_type: 'order',
  user_id,
  service: 'shop',
  ...more,
});
await service.write([
  ...Array.from({ length: 5 }, (_, i) => event('CREATE', 'ana', { entity_id: `${i}` })),
  event('DELETE', 'bo'),
  event('UPDATE', 'ana', { timestamp: '2024-02-29T12:00:00Z' }),
]);
const read = async <T>(path: string): Promise<T> => (await service.request(path)).json() as Promise<T>;
await eventually(
  'the events of today are counted',
  async () => (await read<{ events: number }>(`/api/digests/${today}`)).events === 7,
);

describe('a digest', () => {
  it.each(['yesterday', '2026-02-30', '2026-W60'])('of %s is not found', async (name) => {
    expect((await service.request(`/api/digests/${name}`)).status).toBe(404);
    expect((await service.request(`/digests/${name}`)).status).toBe(404);
  });

  it('is for those who may read', async () => {
    for (const path of ['/api/digests', `/api/digests/${today}`, '/digests', `/digests/${today}`])
      expect([path, (await service.request(path, { as: null })).status]).toEqual([path, 401]);
    expect((await service.request(`/api/digests/${today}`, { as: 'guest' })).status).toBe(200);
    expect((await service.request(`/api/digests/${today}`, { method: 'DELETE' })).status).toBe(405);
  });

  it('counts what was stored on its day', async () => {
    expect(await read(`/api/digests/${today}`)).toMatchObject({
      name: today,
      is_final: false,
      events: 7,
      first_id: 1,
      last_id: 7,
      is_dense: true,
      usual: null,
      event_types: { distinct: 3, values: [{ value: 'CREATE', n: 5, before: 0 }, { n: 1 }, { n: 1 }] },
      users: {
        distinct: 2,
        values: [
          { value: 'ana', n: 6 },
          { value: 'bo', n: 1 },
        ],
      },
      deletes: [{ value: 'DELETE', n: 1 }],
      new: { services: { total: 1, values: [{ value: 'shop', n: 7 }] } },
      late: { values: [{ value: '2024-02-29', n: 1 }] },
    });
    expect(await read('/api/digests')).toEqual({ days: [{ day: today, n: 7 }] });
  });

  it('without events says so', async () => {
    expect(await read('/api/digests/1999-12-31')).toMatchObject({ events: 0, first_id: null, is_final: true });
    expect(await (await service.request('/digests/1999-12-31')).text()).toContain('No event was stored.');
  });

  it('is not sent again while nothing is new', async () => {
    const etag = (await service.request(`/api/digests/${today}`)).headers.get('etag') ?? '';
    const again = await service.request(`/api/digests/${today}`, { headers: { 'if-none-match': etag } });
    expect(again.status).toBe(304);
  });

  it('has a page whose numbers are links to exactly their events', async () => {
    for (const path of ['/digests', `/digests/${today}`]) {
      const markup = await (await service.request(path)).text();
      expect([path, await invalidIn(markup)]).toEqual([path, []]);
    }
    const markup = await (await service.request(`/digests/${today}`)).text();
    const links = [...markup.matchAll(/<a href="\/logs\?([^"]*first_id[^"]*)">([\d,]+)<\/a>/g)];
    expect(links.length).toBeGreaterThan(10);
    for (const [, query = '', n] of links) {
      const { total } = await read<{ total: number; logs: Entry[] }>(`/api/logs?${query.replaceAll('&amp;', '&')}`);
      expect([query, String(total)]).toEqual([query, n]);
    }
  });
});
