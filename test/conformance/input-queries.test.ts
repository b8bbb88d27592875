/** Invalid queries are refused with the name of the parameter. Unusual valid queries get a response. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { refused, startWithOneEvent } from './input.ts';
import { badQueries, goodQueries, readers } from './input-query-tables.ts';

const now = Date.now();
const { service } = await startWithOneEvent();

describe('GET /api/logs', () => {
  it.each(badQueries)('?%s is refused', async (query, names) => {
    const text = await refused(await service.request(`/api/logs?${query}`), 400);
    expect((JSON.parse(text) as { errors: unknown }).errors).toContainEqual({
      field: expect.stringContaining(names),
      reason: expect.stringMatching(/\S/),
    });
  });

  it.each(goodQueries)('?%s gets a response', async (query) => {
    const answer = await service.request(`/api/logs?${query}&count=exact`);
    expect(answer.status, await answer.clone().text()).toBe(200);
    expect(await answer.json()).toMatchObject({ total: expect.any(Number), total_is_exact: true });
  });

  // The largest and smallest times: a cursor may contain any time that a Date can represent.
  it.each(['before', 'after'])(
    '?%s=<the largest time>-1 gets a response or a refusal with the name of the parameter',
    async (name) => {
      for (const ms of [8.64e15, -8.64e15, 253_402_300_800_000, -62_135_596_800_001]) {
        const answer = await service.request(`/api/logs?${name}=${ms}-1`);
        if (answer.status !== 200) expect(await refused(answer, 400)).toContain(`"field":"${name}"`);
      }
    },
  );
});

describe.each(readers)('%s', (path) => {
  it.each([
    ['foo=1', 'foo'],
    ['start_date=infinity', 'start_date'],
    ['event_type=%00', 'event_type'],
    ['metadata.=x', 'metadata.'],
    ['end_date!=2026-01-01', 'end_date!'],
    ['__proto__=1', '__proto__'],
  ])('?%s is refused', async (query, names) => {
    expect(await refused(await service.request(`${path}?${query}`), 400)).toContain(names);
  });
});

// A filter that fails in the database must fail before the first byte of a stream or a file.
it.each(readers.flatMap((path) => goodQueries.filter((q) => /date|metadata|search/.test(q)).map((q) => [path, q])))(
  '%s?%s gets a complete response',
  async (path, query) => {
    const abort = new AbortController();
    const answer = await service.request(`${path}?${query}`, { signal: abort.signal });
    expect(answer.status).toBe(200);
    if (!path?.endsWith('stream')) await answer.text();
    abort.abort();
  },
);

it.each(['xml', 'CSV', 'constructor', '__proto__', 'csv%00', '../csv'])('format=%s is refused', async (format) => {
  expect(await refused(await service.request(`/api/logs/export?format=${format}`), 400)).toContain('format');
});

describe.each(['/api/logs/stream', '/logs/stream'])('an invalid position in %s', (path) => {
  it.each(['-1', 'abc', '999999999999999999999', '9007199254740991', '2', '1.0', '1e0', '0x1', ' ', '1;2'])(
    '%j is refused with the name of the header or parameter',
    async (position) => {
      const header = await service.request(path, { headers: { 'last-event-id': position } });
      // White space alone is no header value: HTTP drops it.
      if (position.trim() !== '') expect(await refused(header, 400)).toContain('Last-Event-ID');
      else await header.body?.cancel();
      expect(await refused(await service.request(`${path}?after=${encodeURIComponent(position)}`), 400)).toContain(
        'after',
      );
    },
  );
});

it.each(['', '2', 'true', '01'])('/logs/live?on=%s is refused', async (on) => {
  expect(await refused(await service.request(`/logs/live?on=${on}`), 400)).toContain('on');
});

describe('a generated query', () => {
  const wide = fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) });
  const words = fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 60 }), wide, fc.constant(''));
  const times = fc.oneof(
    fc.date({ min: new Date('0001-01-01'), max: new Date(now), noInvalidDate: true }).map((date) => date.toISOString()),
    words,
  );

  it('gets a response or a refusal', async () => {
    const names = fc.oneof(
      fc.constantFrom('event_type', 'user_id!', 'search', 'search!', 'start_date', 'end_date', 'limit', 'offset'),
      fc.constantFrom('before', 'after', 'metadata.a', 'metadata.a.b!', 'metadata.'),
      words,
    );
    const values = fc.oneof(
      words,
      times,
      fc.nat().map(String),
      fc.tuple(fc.integer(), fc.nat()).map((pair) => pair.join('-')),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(names, values), { maxLength: 4 }), async (pairs) => {
        const answer = await service.request(`/api/logs?${new URLSearchParams(pairs.map(([n, v]) => [n, v]))}`);
        expect([200, 400], await answer.text()).toContain(answer.status);
      }),
      { numRuns: 200 },
    );
  });
});

it('the service is ready after all requests', async () => {
  expect((await service.request('/readyz')).status).toBe(200);
});
