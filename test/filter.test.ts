/** What a filter finds, against an oracle in plain JavaScript: the same on both databases, for every reader of the log. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../src/schema.ts';
import { databases, startService, type TestService } from './harness.ts';

type Listing = { logs: Entry[]; total: number; total_is_exact: boolean; limit: number; offset: number };
type Scalar = string | number | boolean | null;

const characters = ['a', 'A', 'b', 'B', '%', '_', '\\', "'", '"', ' ', '中', '🧾', '*', '.', '(', '0'];
const snippet = (maxLength: number) =>
  fc.array(fc.constantFrom(...characters), { maxLength }).map((chars) => chars.join(''));

/** Moments around midnight and around a second, so that every kind of bound has something on both of its sides. */
const moments = [
  '2024-02-28T12:00:00.000Z',
  '2024-02-28T23:59:59.999Z',
  '2024-02-29T00:00:00.000Z',
  '2024-02-29T00:00:00.001Z',
  '2024-02-29T12:30:14.999Z',
  '2024-02-29T12:30:15.000Z',
  '2024-02-29T12:30:15.001Z',
  '2024-02-29T23:59:59.999Z',
  '2024-03-01T00:00:00.000Z',
  '2024-03-01T00:30:00.000Z',
  '2024-03-02T00:00:00.000Z',
  '1969-12-31T23:59:59.999Z',
];

const values = {
  event_type: ['A', 'a', 'B', '%', 'A%', '中🧾', "'"],
  entity_type: ['x', 'y', '_', 'null'],
  entity_id: ['1', '01', '1 ', 'a_b', 'a\\b', '%'],
  user_id: ['u', 'U', '"', 'null', '🧾'],
  service: ['s', 't%'],
  trace_id: ['4bf92f', 'T'],
  session_id: ['s', '\\'],
} as const;
type Column = keyof typeof values;
const columns = Object.keys(values) as Column[];

const scalars: Scalar[] = ['x', 'X', '1', 1, 1.5, -2, 0, 'true', true, false, null, 'null', '%', "'", '"', '\\', '中'];
const scalar = fc.constantFrom(...scalars);
const keys = ['a', 'b', "k'", 'q"', 'back\\slash', '中', '__proto__', '%'];
const key = fc.constantFrom(...keys);
const metadata = fc.option(
  fc.dictionary(
    key,
    fc.oneof(
      { weight: 4, arbitrary: scalar },
      {
        weight: 2,
        arbitrary: fc.dictionary(key, fc.oneof(scalar, fc.dictionary(key, scalar, { maxKeys: 1 })), { maxKeys: 2 }),
      },
      { weight: 1, arbitrary: fc.array(scalar, { maxLength: 2 }) },
    ),
    { maxKeys: 3 },
  ),
);

const nullable = (column: Column) => fc.option(fc.constantFrom(...values[column]));
const event = fc.record({
  event_type: fc.constantFrom(...values.event_type),
  entity_type: fc.constantFrom(...values.entity_type),
  entity_id: nullable('entity_id'),
  user_id: nullable('user_id'),
  service: nullable('service'),
  trace_id: nullable('trace_id'),
  session_id: nullable('session_id'),
  description: fc.option(snippet(6)),
  metadata,
  timestamp: fc.constantFrom(...moments),
});

/** A time as it may be asked for, the first moment it means and the last. */
const times: [text: string, first: string, last: string][] = [
  ['2024-02-28', '2024-02-28T00:00:00.000Z', '2024-02-28T23:59:59.999Z'],
  ['2024-02-29', '2024-02-29T00:00:00.000Z', '2024-02-29T23:59:59.999Z'],
  ['2024-03-01', '2024-03-01T00:00:00.000Z', '2024-03-01T23:59:59.999Z'],
  ['2024-02-29T00:00', '2024-02-29T00:00:00.000Z', '2024-02-29T00:00:00.000Z'],
  ['2024-02-29T12:30:15', '2024-02-29T12:30:15.000Z', '2024-02-29T12:30:15.000Z'],
  ['2024-02-29 12:30:15.001', '2024-02-29T12:30:15.001Z', '2024-02-29T12:30:15.001Z'],
  ['2024-02-29T12:30:15Z', '2024-02-29T12:30:15.000Z', '2024-02-29T12:30:15.000Z'],
  ['2024-03-01T01:30:00+01:00', '2024-03-01T00:30:00.000Z', '2024-03-01T00:30:00.000Z'],
  ['2024-02-29T19:00:00-0500', '2024-03-01T00:00:00.000Z', '2024-03-01T00:00:00.000Z'],
  ['1969-12-31', '1969-12-31T00:00:00.000Z', '1969-12-31T23:59:59.999Z'],
  ['0001-01-01', '0001-01-01T00:00:00.000Z', '0001-01-01T23:59:59.999Z'],
  ['2024-12-31', '2024-12-31T00:00:00.000Z', '2024-12-31T23:59:59.999Z'],
];
const timeOf = new Map(times.map(([text, first, last]) => [text, { first, last }]));

/** One parameter with its values and what it means of an entry. */
type Asked = { name: string; values: string[]; holds(entry: Entry): boolean };

const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.array(arbitrary, { minLength: 1, maxLength: 3 });

/** `name=a&name=b` is any of them, `name!=a&name!=b` none of them: an entry without a value is none of them either. */
const anyOrNone = (
  name: string,
  values: string[],
  negated: boolean,
  is: (entry: Entry, value: string) => boolean,
): Asked => ({
  name: negated ? `${name}!` : name,
  values,
  holds: (entry) => values.some((value) => is(entry, value)) !== negated,
});

const exactly = fc
  .constantFrom(...columns)
  .chain((column) =>
    fc
      .tuple(some(fc.constantFrom<string>(...values[column], 'nobody')), fc.boolean())
      .map(([asked, negated]) => anyOrNone(column, asked, negated, (entry, value) => entry[column] === value)),
  );

const searching = fc
  .tuple(some(snippet(3).filter((text) => text !== '')), fc.boolean())
  .map(([texts, negated]) =>
    anyOrNone('search', texts, negated, ({ description }, text) =>
      (description ?? '').toLowerCase().includes(text.toLowerCase()),
    ),
  );

function at(value: unknown, [step, ...rest]: string[]): unknown {
  if (step === undefined) return value;
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, step))
    return undefined;
  return at((value as Record<string, unknown>)[step], rest);
}

const inMetadata = fc
  .tuple(fc.array(key, { minLength: 1, maxLength: 3 }), some(scalar.map(String)), fc.boolean())
  .map(([path, texts, negated]) =>
    anyOrNone(`metadata.${path.join('.')}`, texts, negated, (entry, text) => {
      const found = at(entry.metadata, path);
      const meant = /^(true|false|null|-?\d+(\.\d+)?)$/.test(text) ? JSON.parse(text) : text;
      return found === text || found === meant;
    }),
  );

const between = fc
  .tuple(some(fc.constantFrom(...timeOf.keys())), fc.constantFrom('start_date', 'end_date'))
  .map(([texts, name]): Asked => {
    const meant = texts.map((text) => timeOf.get(text) ?? { first: '', last: '' });
    return {
      name,
      values: texts,
      // Any of several bounds: the widest.
      holds: ({ timestamp }) =>
        name === 'start_date'
          ? meant.some(({ first }) => timestamp >= first)
          : meant.some(({ last }) => timestamp <= last),
    };
  });

/** Several parameters, each once: all of them must hold. */
const question = fc.uniqueArray(fc.oneof(exactly, exactly, searching, inMetadata, between), {
  maxLength: 3,
  selector: ({ name }) => name,
});

const queryOf = (asked: Asked[]) =>
  new URLSearchParams(asked.flatMap(({ name, values }) => values.map((value) => [name, value])));

const newestFirst = (a: Entry, b: Entry) =>
  a.timestamp === b.timestamp ? b.id - a.id : a.timestamp < b.timestamp ? 1 : -1;

function counts(entries: Entry[], key: 'event_type' | 'entity_type'): Record<string, number> {
  const by: Record<string, number> = {};
  for (const entry of entries) by[entry[key]] = (by[entry[key]] ?? 0) + 1;
  return by;
}

async function get<T>(service: TestService, path: string): Promise<T> {
  const answer = await service.request(path);
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}

const list = (service: TestService, query: URLSearchParams | string) => get<Listing>(service, `/api/logs?${query}`);

/** The targets of a Link header by their relation (RFC 8288). */
function linksOf(answer: Response): Record<string, string> {
  const links = (answer.headers.get('link') ?? '').matchAll(/<([^>]*)>; rel="([^"]*)"/g);
  return Object.fromEntries([...links].map(([, target = '', rel = '']) => [rel, target]));
}

/** Follows a relation from a page to its end; returns the pages. */
async function walk(
  service: TestService,
  from: string,
  rel: 'next' | 'prev',
): Promise<{ pages: Entry[][]; last: string }> {
  const pages: Entry[][] = [];
  let last = from;
  for (let path: string | undefined = from; path; ) {
    const answer = await service.request(path);
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    pages.push(((await answer.json()) as Listing).logs);
    if (pages.length > 2_000) throw new Error('the pages do not end');
    last = path;
    path = linksOf(answer)[rel];
  }
  return { pages, last };
}

const seed = Math.floor(Math.random() * 2 ** 31);

describe.each(databases)(`on %s, events of seed ${seed}`, async (database) => {
  const service = await startService(database);
  const all = await service.write(fc.sample(event, { numRuns: 400, seed }));
  all.sort(newestFirst);
  const ids = (entries: Entry[]) => entries.map(({ id }) => id);

  it('a question finds what it should, in the order of the list, and counts it', async () => {
    await fc.assert(
      fc.asyncProperty(question, fc.integer({ min: 1, max: 1_000 }), fc.nat(450), async (asked, limit, offset) => {
        const query = queryOf(asked);
        const expected = all.filter((entry) => asked.every(({ holds }) => holds(entry)));
        const page = await list(service, `${query}&limit=${limit}&offset=${offset}`);
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

  it('the export asks the same questions', async () => {
    await fc.assert(
      fc.asyncProperty(question, async (asked) => {
        const expected = all.filter((entry) => asked.every(({ holds }) => holds(entry)));
        const file = await get<Entry[]>(service, `/api/logs/export?format=json&${queryOf(asked)}`);
        expect(file).toEqual(expected.toReversed());
      }),
      { numRuns: 25 },
    );
  });

  it('the pages of the Link header hold every row once, forward and back', async () => {
    await fc.assert(
      fc.asyncProperty(question, fc.integer({ min: 7, max: 130 }), async (asked, limit) => {
        const expected = ids(all.filter((entry) => asked.every(({ holds }) => holds(entry))));
        const forward = await walk(service, `/api/logs?${queryOf(asked)}&limit=${limit}`, 'next');
        expect(ids(forward.pages.flat())).toEqual(expected);
        expect(forward.pages.slice(0, -1).every(({ length }) => length === limit)).toBe(true);
        const back = await walk(service, forward.last, 'prev');
        expect(ids(back.pages.toReversed().flat())).toEqual(expected);
      }),
      { numRuns: 8 },
    );
  });

  it('the pages by offset hold every row once', async () => {
    const limit = 37;
    const pages = [];
    for (let offset = 0; offset <= all.length; offset += limit)
      pages.push((await list(service, `limit=${limit}&offset=${offset}`)).logs);
    expect(ids(pages.flat())).toEqual(ids(all));
  });

  it('nothing asked is everything, a hundred at a time', async () => {
    expect(await list(service, '')).toEqual({
      logs: all.slice(0, 100),
      total: 400,
      total_is_exact: true,
      limit: 100,
      offset: 0,
    });
  });

  it('a blank value is not asked', async () => {
    expect((await list(service, 'event_type=&search=&start_date=&metadata.a=&user_id!=&limit=&before=')).total).toBe(
      400,
    );
  });

  describe('a page', () => {
    it('links to the first and the older ones, with the same filter and limit', async () => {
      const links = linksOf(await service.request('/api/logs?user_id!=u&event_type=A&event_type=%27&limit=3'));
      expect(Object.keys(links).sort()).toEqual(['first', 'next']);
      const next = new URL(links.next ?? '', service.url).searchParams;
      expect(next.getAll('event_type').sort()).toEqual(["'", 'A']);
      expect(next.get('user_id!')).toBe('u');
      expect(next.get('limit')).toBe('3');
      expect(next.get('before')).toMatch(/^\d+-\d+$/);
    });

    it('that holds everything links to no other', async () => {
      expect(Object.keys(linksOf(await service.request('/api/logs?limit=1000')))).toEqual(['first']);
    });
  });
});

describe.each(databases)('on %s', async (database) => {
  const service = await startService(database);
  await crowdInOneMillisecond(service);
  await whatAValueMeans(service);
});

async function crowdInOneMillisecond(service: TestService): Promise<void> {
  const crowd = { service: 'crowd', event_type: 'CREATE', entity_type: 'order', timestamp: '2024-05-05T05:05:05.055Z' };
  const before = await service.write(
    Array.from({ length: 241 }, (_, n) => ({
      ...crowd,
      ...(n % 10 === 0 && { timestamp: '2024-05-05T05:05:05.054Z' }),
      ...(n % 10 === 1 && { timestamp: '2024-05-05T05:05:05.056Z' }),
    })),
  );
  const expected = before.toSorted(newestFirst).map(({ id }) => id);

  describe('a crowd in one millisecond', () => {
    it.each([3, 10, 24, 240, 241])('is paged through, %i at a time', async (limit) => {
      const forward = await walk(service, `/api/logs?service=crowd&limit=${limit}`, 'next');
      expect(forward.pages.flat().map(({ id }) => id)).toEqual(expected);
      const back = await walk(service, forward.last, 'prev');
      expect(
        back.pages
          .toReversed()
          .flat()
          .map(({ id }) => id),
      ).toEqual(expected);
    });

    // By offset the rows would move under the reader; a cursor stays where it is.
    it('is paged through once while others write before, into and after it', async () => {
      const seen: number[] = [];
      for (let path: string | undefined = '/api/logs?service=crowd&limit=20'; path; ) {
        const answer = await service.request(path);
        seen.push(...((await answer.json()) as Listing).logs.map(({ id }) => id));
        await service.write(
          ['.054', '.055', '.056'].map((ms) => ({ ...crowd, timestamp: `2024-05-05T05:05:05${ms}Z` })),
        );
        path = linksOf(answer).next;
      }
      expect(new Set(seen).size).toBe(seen.length);
      expect(seen.filter((id) => expected.includes(id))).toEqual(expected);
    });
  });
}

async function whatAValueMeans(service: TestService): Promise<void> {
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

  describe('what a value means', () => {
    it.each([
      ['a date alone is its whole day', 'start_date=2024-02-01&end_date=2024-02-01', ['day 1', 'day 2']],
      [
        'of several starts the earliest',
        'start_date=2024-02-01&start_date=2024-01-01&end_date=2024-02-01',
        ['day 0', 'day 1', 'day 2'],
      ],
      ['the end is included', 'start_date=2024-02-01&end_date=2024-02-02T00:00:00Z', ['day 1', 'day 2', 'day 3']],
      ['the start is included', 'start_date=2024-02-01T23:59:59.999Z', ['day 2', 'day 3']],
      ['no zone means UTC', 'start_date=2024-02-01T23:59:59.999&end_date=2024-02-01T23:59:59.999', ['day 2']],
      ['a zone is heeded', 'start_date=2024-02-02T01:00:00%2B01:00', ['day 3']],
      ['to an end with milliseconds', 'start_date=2024-02-01&end_date=2024-02-01T23:59:59.998Z', ['day 1']],
      ['% is itself', 'search=%25', ['percent']],
      ['_ is itself', 'search=_', ['underscore']],
      ['\\ is itself', 'search=%5C', ['backslash']],
      ["' is itself", "search='", ['quote']],
      ['a substring, not a word', 'search=nake', ['underscore']],
      ['no case in ASCII', 'search=creme%20Brulee', ['upper']],
      ['no case in Latin letters', `search=${encodeURIComponent('crème brûlée äöü')}`, ['accents']],
      ['no case in Greek letters', `search=${encodeURIComponent('σίσυ')}`, ['accents']],
      ['no case in Cyrillic letters', `search=${encodeURIComponent('Привет')}`, ['accents']],
      ['letters without case', `search=${encodeURIComponent('文🧾')}`, ['wide']],
      ['a number in metadata is found by its digits, as the text is', 'metadata.v=1', ['number', 'text']],
      ['a decimal', 'metadata.v=1.25', ['decimal']],
      ['null in metadata is a value', 'metadata.v=null', ['null']],
      ['a path', 'metadata.v.w=x', ['nested']],
      ['a path that is not', 'metadata.v.x=x', []],
      [
        'not, in metadata',
        'metadata.v!=1&start_date=2019-01-01&end_date=2019-01-01',
        ['decimal', 'nested', 'none', 'null'],
      ],
      ['not, of several', 'entity_id!=day%200&entity_id!=day%201&start_date=2024-01-01', ['day 2', 'day 3']],
    ] as const)('%s', async (_claim, query, expected) => {
      expect(await found(query)).toEqual(expected);
    });
  });
}
