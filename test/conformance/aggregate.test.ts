/** GET /api/logs/aggregate: every number is a recount of the entries up to its cursor, and its filter selects these entries. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Answer, AnswerRow } from '../../src/api/aggregate-answer.ts';
import type { Entry } from '../../src/log/schema.ts';
import { startService } from '../support/harness.ts';
import { hourOfWeek, type Interval, matching, measured, startOf } from '../support/recount.ts';
import { get, type Listing, seed } from './oracle.ts';

const service = await startService();

const hour_ms = 3_600_000;
const begin = Date.parse('2026-02-20T00:00:00Z');
const event = fc.record({
  event_type: fc.constantFrom('CREATE', 'UPDATE', 'UPDATE', 'DELETE', '__proto__'),
  entity_type: fc.constantFrom('order', 'customer'),
  entity_id: fc.option(fc.constantFrom('1', '2', '3')),
  user_id: fc.option(fc.constantFrom('ana', 'bo', 'cy', 'di', 'other')),
  service: fc.option(fc.constantFrom('shop', 'till')),
  ip_address: fc.option(fc.constantFrom('10.0.0.1', '10.0.0.2', '2001:db8::1')),
  metadata: fc.option(
    fc.constantFrom({ amount: 2.5 }, { amount: '4' }, { amount: 'x' }, { amount: -1e3 }, { amount: null }),
  ),
  timestamp: fc.integer({ min: 0, max: 20 * 24 }).map((hours) => new Date(begin + hours * hour_ms + 1).toISOString()),
});
const events = fc.sample(event, { numRuns: 600, seed });
const entries: Entry[] = [];
for (const half of [events.slice(0, 400), events.slice(400)]) {
  entries.push(...(await service.write(half)));
  // The second half is above the cursor of the derived rows on some targets, and below it on others.
  await service.scheduled();
}

const groupKeys = ['event_type', 'entity_type', 'service', 'user_id', 'entity_id', 'ip_address'] as const;
const question = fc.record({
  group_by: fc.uniqueArray(fc.constantFrom(...groupKeys), { maxLength: 2 }),
  interval: fc.constantFrom('', '', 'hour', 'day', 'week', 'month', 'hour_of_week'),
  measure: fc.constantFrom('count', 'count', 'count', 'users', 'entities', 'addresses', 'sum:metadata.amount'),
  limit: fc.constantFrom(1, 2, 3, 50),
  filter: fc.constantFrom(
    '',
    'event_type=UPDATE&event_type=DELETE',
    'user_id!=ana',
    'service!=shop&entity_type=order',
    'without=user_id',
    'ip_address=10.0.0.1',
    'last_id=350',
  ),
  period: fc.constantFrom(
    '',
    'start_date=2026-02-23&end_date=2026-03-04',
    'start_date=2026-02-23T05:30Z&end_date=2026-03-04T11:10Z',
  ),
  compare: fc.boolean(),
});
type Question = typeof question extends fc.Arbitrary<infer Q> ? Q : never;

function addressOf({ group_by, interval, measure, limit, filter, period, compare }: Question): string {
  const asked = new URLSearchParams([filter, period].filter((part) => part !== '').join('&'));
  for (const key of group_by) asked.append('group_by', key);
  asked.set('measure', measure);
  asked.set('limit', String(limit));
  if (interval !== '') asked.set('interval', interval);
  if (compare && period !== '' && interval === '') asked.set('compare', 'previous');
  return `/api/logs/aggregate?${asked}`;
}

/** The beginning of the interval of a time, as the answer writes it. */
const intervalOf = (interval: string, ms: number): string | number =>
  interval === 'hour_of_week' ? hourOfWeek(ms) : new Date(startOf(interval as Interval, ms)).toISOString();

/** The groups of the entries with their values, the largest first. */
function grouped(found: Entry[], { group_by, measure }: Question): { keys: string[]; value: number; found: Entry[] }[] {
  const groups = new Map<string, Entry[]>();
  for (const entry of found) {
    const key = JSON.stringify(group_by.map((name) => entry[name] ?? ''));
    groups.set(key, [...(groups.get(key) ?? []), entry]);
  }
  return [...groups]
    .map(([key, found]) => ({ keys: JSON.parse(key) as string[], value: measured(found, measure), found }))
    .sort((a, b) => b.value - a.value);
}

/** What a recount of the entries differs in from an answer. */
function expectRecount(answer: Answer, asked: Question, all: Entry[]): void {
  const { group_by, interval, measure, limit, filter, period } = asked;
  const upto = all.filter(({ id }) => id <= answer.cursor);
  const found = matching(upto, [filter, period].filter((part) => part !== '').join('&'));
  expect(answer.total.value).toBe(measured(found, measure));
  const groups = grouped(found, asked);
  const named = answer.groups ?? (group_by.length > 0 ? answer.rows : []);
  if (group_by.length > 0) {
    // Equally large groups may be named in another order than ours.
    expect(named.map(({ value }) => value)).toEqual(groups.slice(0, limit).map(({ value }) => value));
  }
  for (const row of [...answer.rows, ...named]) {
    const isOwn = (entry: Entry) =>
      group_by.every((key) => (entry[key] ?? null) === row[key]) &&
      (row.time === undefined || intervalOf(interval, Date.parse(entry.timestamp)) === row.time) &&
      (row.hour_of_week === undefined || intervalOf(interval, Date.parse(entry.timestamp)) === row.hour_of_week);
    expect([row, row.value]).toEqual([row, measured(found.filter(isOwn), measure)]);
  }
  const isNamed = (entry: Entry) => named.some((row) => group_by.every((key) => (entry[key] ?? null) === row[key]));
  const others = found.filter((entry) => !isNamed(entry));
  if (group_by.length === 0) expect(answer.other).toEqual([]);
  else if (interval === '') {
    expect(answer.other.map(({ value }) => value)).toEqual(others.length > 0 ? [measured(others, measure)] : []);
    expect(answer.other.map(({ groups }) => groups)).toEqual(others.length > 0 ? [groups.length - named.length] : []);
  }
  // Each number is the number of the entries of its filter.
  for (const row of [answer.total, ...answer.rows, ...answer.other, ...(answer.intervals ?? [])]) {
    if (row.filter !== null)
      expect([row.filter, row.value]).toEqual([row.filter, measured(matching(all, row.filter), measure)]);
    else expect(group_by).toHaveLength(2);
    if (row.previous?.filter)
      expect([row, row.previous.value]).toEqual([row, measured(matching(all, row.previous.filter), measure)]);
  }
}

const rowsOf = ({ total, rows, other }: Answer): AnswerRow[] => [total, ...rows, ...other];

describe(`an aggregate (seed ${seed})`, () => {
  it('is a recount of the entries, whatever is asked', async () => {
    for (const asked of fc.sample(question, { numRuns: 25, seed })) {
      const answer = await get<Answer>(service, addressOf(asked));
      expect(answer).toMatchObject({ is_exact: true, cursor: asked.filter === 'last_id=350' ? 350 : 600 });
      expectRecount(answer, asked, entries);
    }
  });

  it('has filters whose lists have exactly the counted events', async () => {
    const counts = question.filter(({ measure }) => measure === 'count');
    for (const asked of fc.sample(counts, { numRuns: 5, seed })) {
      const all = rowsOf(await get<Answer>(service, addressOf(asked)));
      for (const { value, filter, previous } of [all[0], all[1], all.at(-1)].filter((row) => row !== undefined)) {
        for (const part of [{ value, filter }, ...(previous ? [previous] : [])]) {
          if (part.filter === null) continue;
          const listed = await get<Listing>(service, `/api/logs?${part.filter}&limit=1&count=exact`);
          expect([part.filter, listed.total]).toEqual([part.filter, part.value]);
        }
      }
    }
  });

  it('is exact up to its cursor while events are written', async () => {
    let isOver = false;
    const writing = (async () => {
      for (const part of [0, 1, 2, 3, 4, 5].map((i) => fc.sample(event, { numRuns: 40, seed: seed + i })))
        entries.push(...(await service.write(part)));
      isOver = true;
    })();
    const answers: [Question, Answer][] = [];
    for (const asked of fc.sample(question, { numRuns: 10, seed: seed + 1 })) {
      answers.push([asked, await get<Answer>(service, addressOf(asked))]);
      if (isOver) break;
    }
    await writing;
    for (const [asked, answer] of answers) expectRecount(answer, asked, entries);
  });
});

it('an aggregate is also a CSV file', async () => {
  const answer = await service.request(
    '/api/logs/aggregate?group_by=event_type&limit=1&event_type=CREATE&event_type=DELETE&last_id=100&format=csv',
  );
  expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8');
  const lines = (await answer.text()).split('\r\n').map((line) => line.split(',')[0]);
  expect(lines).toEqual(['part', 'group', 'other', 'total', '']);
});

it('an aggregate has a tag of the newest event and the question', async () => {
  const ask = (query: string, tag = '') =>
    service.request(`/api/logs/aggregate?${query}`, { headers: tag === '' ? {} : { 'if-none-match': tag } });
  const tag = (await ask('group_by=user_id')).headers.get('etag') ?? '';
  expect((await ask('group_by=user_id', tag)).status).toBe(304);
  expect((await ask('group_by=service', tag)).status).toBe(200);
});

it.each([
  ['group_by=description', 'group_by'],
  ['group_by=user_id,service,event_type', 'group_by'],
  ['group_by=user_id&group_by=user_id', 'group_by'],
  ['interval=minute', 'interval'],
  ['measure=median', 'measure'],
  ['measure=sum:amount', 'measure'],
  ['limit=0', 'limit'],
  ['limit=1001', 'limit'],
  ['compare=previous', 'compare'],
  ['compare=next', 'compare'],
  ['format=xml', 'format'],
  ['users=ana', 'users'],
  ['without=description', 'without'],
  ['ip_address=10.0.0.0/8', 'ip_address'],
  ['hour_of_week=168', 'hour_of_week'],
])('an aggregate with %s is refused, and the parameter is named', async (query, field) => {
  const answer = await service.request(`/api/logs/aggregate?${query}`);
  expect(answer.status).toBe(400);
  expect(JSON.stringify(await answer.json())).toContain(field);
});

it.each([
  ['guest', 200],
  ['exporter', 200],
  ['writer', 403],
  [null, 401],
] as const)('an aggregate asked for by %s is answered with %i', async (as, status) => {
  expect((await service.request('/api/logs/aggregate', { as })).status).toBe(status);
});
