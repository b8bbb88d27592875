/** The page formats and parses times in the reader's time zone, and an end includes the unit that was given. */
import { describe, expect, it } from 'vitest';
import { startService } from '../support/harness.ts';
import { order } from './sample-events.ts';

const service = await startService('postgres');
const stored = await service.write([
  order(1, { timestamp: '2026-05-01T12:30:45.500Z' }),
  order(2, { timestamp: '2026-05-01T20:00:00Z' }),
  order(3, { timestamp: '2026-05-01T23:00:00Z' }),
  order(4, { timestamp: '2026-04-30T23:30:00Z' }),
]);
const idOf = new Map(stored.map(({ id }, i) => [id, i + 1]));

/** The page after all redirects, and the numbers of the orders on it. */
async function shown(path: string, zone: string): Promise<{ n: number[]; text: string; url: URL }> {
  let at = path;
  for (;;) {
    const headers = { accept: 'text/html', cookie: `edgetrail-zone=${zone}` };
    const response = await service.request(at, { as: 'admin', headers, redirect: 'manual' });
    const to = response.headers.get('location');
    if (to) {
      at = to;
      continue;
    }
    const text = await response.text();
    expect(response.status, text).toBe(200);
    const n = [...text.matchAll(/<li id="e(\d+)"/g)].map(([, id]) => idOf.get(Number(id)) ?? 0);
    return { n: n.toSorted(), text, url: new URL(at, service.url) };
  }
}
const line = (text: string) => `/logs?q=${encodeURIComponent(text)}`;

describe('times are read in the reader’s time zone', () => {
  it.each([
    [line('from:2026-05-02'), 'Asia/Tokyo', [2, 3]],
    [line('to:2026-05-01'), 'Asia/Tokyo', [1, 4]],
    [line('after:2026-05-02T05:00 before:2026-05-02T08:00'), 'Asia/Tokyo', [2]],
    [line('before:2026-05-02'), 'Asia/Tokyo', [1, 4]],
    [line('from:2026-05-02'), 'UTC', []],
    [line('from:2026-05-01T20:00:00Z'), 'Asia/Tokyo', [2, 3]],
    ['/logs?from=2026-05-02&to=', 'Asia/Tokyo', [2, 3]],
    ['/logs?from=2026-05-02T05:00&to=2026-05-02T05:00', 'Asia/Tokyo', [2]],
    ['/logs?start_date=2026-05-01&end_date=2026-05-01', 'Asia/Tokyo', [1, 2, 3]],
  ])('%s in %s', async (path, zone, expected) => {
    expect((await shown(path, zone)).n).toEqual(expected);
  });

  it('bars of one day begin at local midnight', async () => {
    const { text } = await shown('/logs?start_date=2026-04-01&end_date=2026-05-10', 'Asia/Tokyo');
    const titles = [...text.matchAll(/<title>([^<]*): (\d+) event/g)].map(([, at, n]) => [at, n]);
    expect(titles).toEqual([
      ['2026-05-01 00:00', '2'],
      ['2026-05-02 00:00', '2'],
    ]);
  });
});

describe('an end includes the unit that was given', () => {
  it.each([
    ['/logs?to=2026-05-01T12:30:45', [1, 4]],
    ['/logs?to=2026-05-01T12:30', [1, 4]],
    ['/logs?to=2026-05-01T12:30:44', [4]],
    ['/logs?end_date=2026-05-01T12:30:45Z', [1, 4]],
    ['/logs?end_date=2026-05-01T12:30Z', [1, 4]],
    ['/logs?end_date=2026-05-01T12:30:45.499Z', [4]],
    [line('to:2026-05-01T12:30:45'), [1, 4]],
    [line('before:2026-05-01T12:30:45'), [4]],
  ])('%s', async (path, expected) => {
    expect((await shown(path, 'UTC')).n).toEqual(expected);
  });

  it('the API includes it, too', async () => {
    const answer = await service.request('/api/logs?end_date=2026-05-01T12:30:45Z', { as: 'guest' });
    expect(await answer.json()).toMatchObject({ total: 2 });
  });
});

describe('the form of the custom range', () => {
  /** Submits the form with some fields changed. Returns the query of the resulting URL. */
  const submit = async (path: string, zone: string, changed: Record<string, string> = {}) => {
    const { text } = await shown(path, zone);
    const form = /<form id="custom-form"[\s\S]*?<\/form>/.exec(text)?.[0] ?? '';
    const fields = new URLSearchParams();
    for (const [input] of form.matchAll(/<input [^>]*>/g)) {
      const attribute = (name: string) => new RegExp(` ${name}="([^"]*)"`).exec(input)?.[1] ?? '';
      // Browsers send the shortest form: without seconds when they are 0.
      fields.append(attribute('name'), attribute('value').replace(/(T\d\d:\d\d):00$/, '$1'));
    }
    for (const [name, value] of Object.entries(changed)) fields.set(name, value);
    return (await shown(`/logs?${fields}`, zone)).url.searchParams;
  };
  const pinned = '/logs?start_date=2026-05-01T12:30:45.123Z&end_date=2026-05-01T12:30:45.678Z&user_id=ana';

  it.each(['UTC', 'America/New_York'])('an unchanged field keeps its milliseconds (%s)', async (zone) => {
    const query = await submit(pinned, zone);
    expect(Object.fromEntries(query)).toEqual(Object.fromEntries(new URL(pinned, service.url).searchParams));
  });

  it('an unchanged end at a whole minute is kept', async () => {
    const query = await submit('/logs?start_date=2026-05-01T12:30:00Z&end_date=2026-05-01T12:31:00.000Z', 'UTC');
    expect(query.get('end_date')).toBe('2026-05-01T12:31:00.000Z');
  });

  it('changing one bound keeps the other', async () => {
    const query = await submit(pinned, 'UTC', { to: '2026-05-01T12:30:50' });
    expect(Object.fromEntries(query)).toMatchObject({
      start_date: '2026-05-01T12:30:45.123Z',
      end_date: '2026-05-01T12:30:50.999Z',
    });
  });

  it('an empty field removes its bound', async () => {
    expect([...(await submit(pinned, 'UTC', { from: '' })).keys()]).toEqual(['end_date', 'user_id']);
  });
});
