/** Every stored value can be found: keys with dots, long labels, other Unicode forms and cases, other formats of time. */
import { describe, expect, it } from 'vitest';
import { startService } from '../support/harness.ts';

describe('an event is found', async () => {
  const service = await startService();
  const event = (entity_id: string, more: object) => ({ event_type: 'A', entity_type: 'order', entity_id, ...more });
  const emoji = '\u{1F600}';
  await service.write([
    event('dots', { metadata: { 'http.status_code': 500, a: { b: 'nested' }, 'wow!': 1, '': { x: 'y' } } }),
    event('flat', { metadata: { 'a.b': 'flat', 'a.b.c': { 'd.e': 'deep' } } }),
    event('long', { event_type: emoji.repeat(255), user_id: emoji.repeat(200), metadata: { e: emoji.repeat(255) } }),
    event('composed', { description: 'Café' }),
    event('decomposed', { description: 'Cafe\u0301 noir' }),
    event('greek', { description: 'ΣΊΣΥΦΟΣ' }),
    event('final', { description: 'ο Σίσυφος ήρθε' }),
    event('half', { timestamp: '2026-05-01T12:30:45.500Z' }),
    event('basic', { timestamp: '20260601T120000Z' }),
  ]);
  const found = async (query: string) => {
    const response = await service.request(`/api/logs?${query}`);
    expect(response.status, await response.clone().text()).toBe(200);
    const { logs } = (await response.json()) as { logs: { entity_id: string }[] };
    return logs.map(({ entity_id }) => entity_id).toSorted();
  };
  const e = (text: string) => encodeURIComponent(text);

  it.each([
    ['metadata.http.status_code=500', ['dots']],
    ['metadata.a.b=nested', ['dots']],
    ['metadata.a.b=flat', ['flat']],
    ['metadata.a.b.c.d.e=deep', ['flat']],
    [`metadata.${e('"a.b"')}=flat`, ['flat']],
    [`metadata.${e('"a.b"')}=nested`, []],
    [`metadata.${e('"wow!"')}=1`, ['dots']],
    [`metadata.${e('""')}.x=y`, ['dots']],
    ['metadata.http.status_code!=500&entity_id=dots', []],
    [`event_type=${e(emoji.repeat(255))}`, ['long']],
    [`user_id=${e(emoji.repeat(200))}`, ['long']],
    [`metadata.e=${e(emoji.repeat(255))}`, ['long']],
    [`search=${e('café')}`, ['composed', 'decomposed']],
    [`search=${e('cafe\u0301')}`, ['composed', 'decomposed']],
    [`search!=${e('café')}&search=caf`, []],
    ['end_date=2026-05-01T12:30:45Z&start_date=2026-05-01', ['half']],
    ['end_date=2026-05-01T12:30Z&start_date=2026-05-01', ['half']],
    ['end_date=2026-05-01T12:30:45.499Z&start_date=2026-05-01', []],
    ['start_date=2026-06-01T14:00:00+02:00&end_date=2026-06-01T14:00:00+02:00', ['basic']],
    ['start_date=2026-06-01T14:00+0200&end_date=20260601T120000Z', ['basic']],
  ])('by %s', async (query, expected) => {
    expect(await found(query)).toEqual(expected);
  });

  it.each(['σίσυφος', 'ΣΊΣΥΦΟΣ', 'Σίσυφοσ'])('by %s, in upper and lower case', async (text) => {
    expect(await found(`search=${e(text)}`)).toEqual(['final', 'greek']);
  });

  it.each([
    ['more than 100 values', Array.from({ length: 101 }, (_, i) => `metadata.k${i}=1`).join('&'), '100 values'],
    ['paths with many readings', 'metadata.a.b.c.d.e.f.g=1&metadata.h.b.c.d.e.f.g=1', 'quotes'],
    [
      'a filter of 7,000 characters',
      Array.from({ length: 35 }, (_, i) => `user_id=${i}${'x'.repeat(192)}`).join('&'),
      'too long',
    ],
    ['a value of 256 characters', `user_id=${e(emoji.repeat(256))}`, 'at most 255 characters'],
  ])('a filter with %s is refused with the reason', async (_what, query, reason) => {
    const response = await service.request(`/api/logs?${query}`);
    expect(response.status).toBe(400);
    expect(((await response.json()) as { detail: string }).detail).toContain(reason);
  });
});
