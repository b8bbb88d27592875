/** The comparison behind the fault runs: each thing that it claims is seen when it is not so. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { atEnd } from '../support/at-end.ts';
import { compare, type Ledger, leaksOf } from './ledger.ts';

const rows = [1, 2, 3].map((id) => ({ id, entity_type: 'fault', entity_id: `w0/${id}` }));
const [first, second, third] = rows as [(typeof rows)[0], (typeof rows)[0], (typeof rows)[0]];
let exported: object[] = rows;
let total_logs = 0;
const server = createServer(({ url }, answer) => {
  if (url === '/api/logs/stats') return answer.end(JSON.stringify({ total_logs }));
  return answer.end(exported.map((row) => `${JSON.stringify(row)}\n`).join(''));
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
atEnd(() => new Promise((resolve) => server.close(resolve)));

const ledger = (more: Partial<Ledger> = {}): Ledger => ({
  acknowledged: new Map(rows.map(({ id, entity_id }) => [entity_id, id])),
  refused: new Set(),
  unknown: new Set(),
  statuses: { 201: 3 },
  leaks: [],
  latencies: [],
  acknowledged_at: 0,
  ...more,
});

async function failed(log: { id: number }[], more: Partial<Ledger> = {}, ids = [1, 2, 3], counted?: number) {
  exported = log;
  total_logs = counted ?? new Set(log.map(({ id }) => id)).size;
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { claims } = await compare(url, ledger(more), { sse: { ids, n_connected: 1 } });
  return Object.keys(claims).filter((claim) => !claims[claim]);
}

it('a log as it was acknowledged fails no claim', async () => {
  expect(await failed(rows)).toEqual([]);
});

it.each<[string, { id: number }[], Partial<Ledger>, number[], string[]]>([
  ['a lost event', [first, { ...second, entity_id: 'other' }, third], {}, [1, 2, 3], ['every acknowledged event is']],
  ['an event with another id', [{ ...first, id: 2 }, { ...second, id: 1 }, third], {}, [1, 2, 3], ['every ack']],
  ['an event stored twice', [...rows, { ...first, id: 4 }], {}, [1, 2, 3, 4], ['no event is there twice']],
  ['an id that was given twice', [...rows, third], {}, [1, 2, 3], ['no event is there twice']],
  ['a missing id', [...rows, { id: 5 }], {}, [1, 2, 3, 4, 5], ['no id is missing']],
  ['a refused event that is stored', rows, { refused: new Set(['w0/2']) }, [1, 2, 3], ['nothing is stored of']],
  ['a 500', rows, { statuses: { 500: 1 } }, [1, 2, 3], ['no answer was a 500']],
  ['a leak', rows, { leaks: ['503 relation "activity_logs"'] }, [1, 2, 3], ['no answer was a 500']],
  ['a follower with a gap', rows, {}, [1, 3], ['the follower by sse']],
  ['a follower with an event twice', rows, {}, [1, 2, 2, 3], ['the follower by sse']],
  ['a follower without the newest event', rows, {}, [1, 2], ['the follower by sse']],
])('%s is seen', async (_what, log, more, ids, claims) => {
  expect(await failed(log, more, ids)).toEqual(claims.map((claim) => expect.stringContaining(claim)));
});

it('statistics without an event are seen', async () => {
  expect(await failed(rows, {}, [1, 2, 3], 2)).toEqual(['the statistics count each event']);
});

it('words of a database in a refusal are seen, and its sentences are none', () => {
  expect(leaksOf(503, 'connect ECONNREFUSED 127.0.0.1:5432')).toHaveLength(1);
  expect(leaksOf(503, 'could not extend file: relation "activity_logs"')).toHaveLength(1);
  expect(leaksOf(503, 'Failed query: select "id" from x')).toHaveLength(1);
  expect(leaksOf(400, '<p>Choose</p><select name="period">')).toEqual([]);
  expect(leaksOf(503, '{"detail":"The database cannot be reached. Try again.","stored":"nothing"}')).toEqual([]);
});
