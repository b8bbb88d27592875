/** Paging: by cursor every row appears once, also during writes; by offset the rows are those at that position. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Entry } from '../../src/log/schema.ts';
import { startService, type TestService } from '../support/harness.ts';
import { ids, type Listing, list, matching, newestFirst, queryOf, question, seed, writeSample } from './oracle.ts';

const service = await startService();
const all = await writeSample(service);

/** The targets of a Link header by relation (RFC 8288). */
function linksOf(answer: Response): Record<string, string> {
  const links = (answer.headers.get('link') ?? '').matchAll(/<([^>]*)>; rel="([^"]*)"/g);
  return Object.fromEntries([...links].map(([, target = '', rel = '']) => [rel, target]));
}

/** Follows a link relation from a page to the last one; returns the pages. */
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
    if (pages.length > 2_000) throw new Error('the links never end');
    last = path;
    path = linksOf(answer)[rel];
  }
  return { pages, last };
}

describe(`events of seed ${seed}`, () => {
  it('the pages of the Link header contain every row once, forward and back', async () => {
    await fc.assert(
      fc.asyncProperty(question, fc.integer({ min: 17, max: 130 }), async (parameters, limit) => {
        const expected = ids(matching(all, parameters));
        const forward = await walk(service, `/api/logs?${queryOf(parameters)}&limit=${limit}`, 'next');
        expect(ids(forward.pages.flat())).toEqual(expected);
        expect(forward.pages.slice(0, -1).every(({ length }) => length === limit)).toBe(true);
        const back = await walk(service, forward.last, 'prev');
        expect(ids(back.pages.toReversed().flat())).toEqual(expected);
      }),
      { numRuns: 6 },
    );
  });

  it('the pages by offset contain every row once', async () => {
    const limit = 37;
    const pages = [];
    for (let offset = 0; offset <= all.length; offset += limit)
      pages.push((await list(service, `limit=${limit}&offset=${offset}`)).logs);
    expect(ids(pages.flat())).toEqual(ids(all));
  });

  describe('a page', () => {
    it('links to the first and the next page, with the same filter and limit', async () => {
      const links = linksOf(await service.request('/api/logs?user_id!=u&event_type=A&event_type=%27&limit=3'));
      expect(Object.keys(links).sort()).toEqual(['first', 'next']);
      const next = new URL(links.next ?? '', service.url).searchParams;
      expect(next.getAll('event_type').sort()).toEqual(["'", 'A']);
      expect(next.get('user_id!')).toBe('u');
      expect(next.get('limit')).toBe('3');
      expect(next.get('before')).toMatch(/^\d+-\d+-[0-9a-z]+$/);
    });

    it('with all rows has no link to a next or previous page', async () => {
      expect(Object.keys(linksOf(await service.request('/api/logs?limit=1000')))).toEqual(['first']);
    });
  });
});

describe('many rows of the same millisecond', () => {
  const same = { service: 'crowd', event_type: 'CREATE', entity_type: 'order', timestamp: '2024-05-05T05:05:05.055Z' };
  let expected: number[];
  // In a hook, because the tests above read all events of the log.
  beforeAll(async () => {
    const written = await service.write(
      Array.from({ length: 241 }, (_, n) => ({
        ...same,
        ...(n % 10 === 0 && { timestamp: '2024-05-05T05:05:05.054Z' }),
        ...(n % 10 === 1 && { timestamp: '2024-05-05T05:05:05.056Z' }),
      })),
    );
    expected = ids(written.toSorted(newestFirst));
  });

  it.each([7, 24, 240, 241])('are paged through, %i at a time', async (limit) => {
    const forward = await walk(service, `/api/logs?service=crowd&limit=${limit}`, 'next');
    expect(ids(forward.pages.flat())).toEqual(expected);
    const back = await walk(service, forward.last, 'prev');
    expect(ids(back.pages.toReversed().flat())).toEqual(expected);
  });

  // Writes shift the rows of an offset; a cursor stays at its row.
  it('are each returned once while others write earlier, equal and later times', async () => {
    const seen: number[] = [];
    for (let path: string | undefined = '/api/logs?service=crowd&limit=20'; path; ) {
      const answer = await service.request(path);
      seen.push(...ids(((await answer.json()) as Listing).logs));
      await service.write(['.054', '.055', '.056'].map((ms) => ({ ...same, timestamp: `2024-05-05T05:05:05${ms}Z` })));
      path = linksOf(answer).next;
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((id) => expected.includes(id))).toEqual(expected);
  });
});
