/** What a filter finds in the list, the stats and the export, compared with an oracle in plain JavaScript. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Entry } from '../../src/log/schema.ts';
import { startService } from '../support/harness.ts';
import { get, ids, list, matching, queryOf, question, seed, writeSample } from './oracle.ts';

const service = await startService();
const all = await writeSample(service);

function counts(entries: Entry[], key: 'event_type' | 'entity_type'): Record<string, number> {
  const by: Record<string, number> = {};
  for (const entry of entries) by[entry[key]] = (by[entry[key]] ?? 0) + 1;
  return by;
}

describe(`events of seed ${seed}`, () => {
  it('the list and the stats agree with the oracle', async () => {
    await fc.assert(
      fc.asyncProperty(question, fc.integer({ min: 1, max: 1_000 }), fc.nat(450), async (parameters, limit, offset) => {
        const query = queryOf(parameters);
        const expected = matching(all, parameters);
        const page = await list(service, `${query}&limit=${limit}&offset=${offset}&count=exact`);
        expect(ids(page.logs)).toEqual(ids(expected.slice(offset, offset + limit)));
        expect(page).toMatchObject({ total: expected.length, total_is_exact: true, limit, offset });
        expect(await get(service, `/api/logs/stats?${query}`)).toEqual({
          total_logs: expected.length,
          recent_24h: 0,
          by_event_type: counts(expected, 'event_type'),
          by_entity_type: counts(expected, 'entity_type'),
        });
      }),
      { numRuns: 100 },
    );
  });

  it('the export agrees with the oracle', async () => {
    await fc.assert(
      fc.asyncProperty(question, async (parameters) => {
        const expected = matching(all, parameters);
        const file = await get<Entry[]>(service, `/api/logs/export?format=json&${queryOf(parameters)}`);
        expect(file).toEqual(expected.toReversed());
      }),
      { numRuns: 25 },
    );
  });

  it('an empty query returns all events, 100 at a time', async () => {
    expect(await list(service, '')).toEqual({
      logs: all.slice(0, 100),
      total: 400,
      total_is_exact: true,
      limit: 100,
      offset: 0,
    });
  });

  it('a blank value is no filter', async () => {
    expect((await list(service, 'event_type=&search=&start_date=&metadata.a=&user_id!=&limit=&before=')).total).toBe(
      400,
    );
  });
});

describe('what a value means', () => {
  const base = { service: 'words', event_type: 'CREATE', entity_type: 'order' };
  const found = async (query: string) =>
    (await list(service, `service=words&${query}`)).logs
      .map(({ entity_id }) => entity_id)
      .sort((a, b) => ((a ?? '') < (b ?? '') ? -1 : 1));
  const days = [
    '2024-01-31T23:59:59.999Z',
    '2024-02-01T00:00:00.000Z',
    '2024-02-01T23:59:59.999Z',
    '2024-02-02T00:00:00.000Z',
  ];
  // In a hook, because the tests above compare with all events of the log.
  beforeAll(async () => {
    await service.write([
      ...days.map((timestamp, i) => ({ ...base, timestamp, entity_id: `day ${i}` })),
      ...[
        ['percent', '100% sure'],
        ['underscore', 'snake_case'],
        ['backslash', 'C:\\temp'],
        ['quote', "it's"],
        ['upper', 'CREME BRULEE'],
        ['accents', 'CRÈME BRÛLÉE ÄÖÜ ΣΊΣΥΦΟΣ ПРИВЕТ'],
        ['wide', '注文🧾'],
      ].map(([entity_id, description]) => ({ ...base, entity_id, description, timestamp: '2020-01-01' })),
      { ...base, entity_id: 'number', metadata: { v: 1 }, timestamp: '2019-01-01' },
      { ...base, entity_id: 'text', metadata: { v: '1' }, timestamp: '2019-01-01' },
      { ...base, entity_id: 'decimal', metadata: { v: 1.25 }, timestamp: '2019-01-01' },
      { ...base, entity_id: 'null', metadata: { v: null }, timestamp: '2019-01-01' },
      { ...base, entity_id: 'nested', metadata: { v: { w: 'x' } }, timestamp: '2019-01-01' },
      { ...base, entity_id: 'none', metadata: {}, timestamp: '2019-01-01' },
    ]);
  });

  it.each([
    ['a date without a time is the whole day', 'start_date=2024-02-01&end_date=2024-02-01', ['day 1', 'day 2']],
    [
      'the earliest of several start dates applies',
      'start_date=2024-02-01&start_date=2024-01-01&end_date=2024-02-01',
      ['day 0', 'day 1', 'day 2'],
    ],
    ['the end is included', 'start_date=2024-02-01&end_date=2024-02-02T00:00:00Z', ['day 1', 'day 2', 'day 3']],
    ['the start is included', 'start_date=2024-02-01T23:59:59.999Z', ['day 2', 'day 3']],
    ['a time without a zone is UTC', 'start_date=2024-02-01T23:59:59.999&end_date=2024-02-01T23:59:59.999', ['day 2']],
    ['a time zone is converted', 'start_date=2024-02-02T01:00:00%2B01:00', ['day 3']],
    ['an end with milliseconds is exact', 'start_date=2024-02-01&end_date=2024-02-01T23:59:59.998Z', ['day 1']],
    ['% is not a wildcard', 'search=%25', ['percent']],
    ['_ is not a wildcard', 'search=_', ['underscore']],
    ['\\ is not an escape', 'search=%5C', ['backslash']],
    ["' is not a quote", "search='", ['quote']],
    ['a substring of a word matches', 'search=nake', ['underscore']],
    ['case is ignored in ASCII', 'search=creme%20Brulee', ['upper']],
    ['case is ignored in Latin letters', `search=${encodeURIComponent('crème brûlée äöü')}`, ['accents']],
    ['case is ignored in Greek letters', `search=${encodeURIComponent('σίσυ')}`, ['accents']],
    ['case is ignored in Cyrillic letters', `search=${encodeURIComponent('Привет')}`, ['accents']],
    ['letters without case match', `search=${encodeURIComponent('文🧾')}`, ['wide']],
    [
      'a number in metadata is found by its digits, and so is a text of these digits',
      'metadata.v=1',
      ['number', 'text'],
    ],
    ['a decimal in metadata matches', 'metadata.v=1.25', ['decimal']],
    ['null in metadata is a value', 'metadata.v=null', ['null']],
    ['a path in metadata matches', 'metadata.v.w=x', ['nested']],
    ['an unknown path matches nothing', 'metadata.v.x=x', []],
    [
      'a negated metadata filter matches rows without the path',
      'metadata.v!=1&start_date=2019-01-01&end_date=2019-01-01',
      ['decimal', 'nested', 'none', 'null'],
    ],
    [
      'several negated values exclude each of them',
      'entity_id!=day%200&entity_id!=day%201&start_date=2024-01-01',
      ['day 2', 'day 3'],
    ],
  ] as const)('%s', async (_claim, query, expected) => {
    expect(await found(query)).toEqual(expected);
  });
});
