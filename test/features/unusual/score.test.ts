/** POST /api/unusual/score: each value is judged by those before it alone, nothing is stored, and a bad line is named. */
import { describe, expect, it } from 'vitest';
import { createSeriesScorer } from '../../../src/features/unusual/series.ts';
import { createSurprise } from '../../../src/features/unusual/surprise.ts';
import { startService } from '../../support/harness.ts';

const service = await startService('pglite');

/** Three weeks of a value every half an hour that is high by day and low at night; `change` may disturb it. */
const days = (change: (i: number, value: number) => number = (_i, value) => value) =>
  Array.from({ length: 21 * 48 }, (_, i) => {
    const at = new Date(Date.UTC(2026, 0, 1) + i * 1_800_000).toISOString();
    const value = 50 + 40 * Math.sin((2 * Math.PI * i) / 48) + ((i * 7_919) % 13) / 6;
    return `${at},${change(i, value)}`;
  });

const post = (body: string, type = 'text/csv', as: 'guest' | 'writer' | null = 'guest') =>
  service.request('/api/unusual/score', { method: 'POST', body, headers: { 'content-type': type }, as });
const scored = async (lines: string[], end = '\n') => {
  const answer = await post(lines.join(end));
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { scores: number[] }).scores;
};

describe('a series that is sent', () => {
  it('has one score a line, the highest where it breaks with its days', async () => {
    const scores = await scored(days((i, value) => (i === 700 ? 90 - value : value)));
    expect(scores).toHaveLength(21 * 48);
    expect(scores.slice(100).indexOf(Math.max(...scores.slice(100)))).toBe(600);
  });

  it('has the same first scores whatever follows', async () => {
    const lines = days((i, value) => (i > 500 ? value * 3 : value));
    const whole = await scored(lines);
    for (const n of [1, 2, 77, 504]) expect(await scored(lines.slice(0, n))).toEqual(whole.slice(0, n));
  });

  it('has them with and without a header, with other ends of lines, quotes and blank lines, and in UTC without a zone', async () => {
    const lines = days();
    const whole = await scored(lines);
    expect(await scored(['timestamp,value', ...lines, '', ''])).toEqual(whole);
    expect(await scored(['"timestamp","value"', ...lines], '\r\n')).toEqual(whole);
    expect(await scored(lines.map((line) => line.replace('T', ' ').replace('.000Z', '')))).toEqual(whole);
    expect(await scored(lines.map((line) => line.replace(/^(.*),(.*)$/, '"$1","$2"')))).toEqual(whole);
    expect(await scored([])).toEqual([]);
    expect(await scored(['timestamp,value'])).toEqual([]);
  });

  it('stores nothing', async () => {
    await scored(days());
    const listed = await service.request('/api/logs?limit=1');
    expect(await listed.json()).toMatchObject({ total: 0 });
  });

  it.each([
    ['2026-01-01T00:00:00Z,1\n2026-01-01T00:30:00Z', 'line 2: must be timestamp,value'],
    ['timestamp,value\n\n2026-01-01T00:00:00Z,1,2', 'line 3: must be timestamp,value'],
    ['yesterday,1', 'line 1: the timestamp must be like 2026-11-30T08:00:00Z'],
    ['2026-13-01T00:00:00Z,1', 'line 1: the timestamp must be'],
    ['2026-01-01T00:00:00Z,', 'line 1: the value must be a number'],
    ['2026-01-01T00:00:00Z,1e999', 'line 1: the value must be a number'],
    ['timestamp,value\n2026-01-01T00:00:00Z,1\n2026-01-01T00:00:00Z,one', 'line 3: the value must be a number'],
  ])('%j is a 422: %s', async (body, reason) => {
    const answer = await post(body);
    expect(answer.status).toBe(422);
    expect(await answer.json()).toMatchObject({ detail: expect.stringContaining(reason) });
  });

  it('is refused above 100,000 points, as another type, with another method, and to those who may not read', async () => {
    expect((await post('2026-01-01,1\n'.repeat(100_001).slice(0, 1_000_000))).status).toBe(422);
    expect((await post('\n'.repeat(100_010))).status).toBe(413);
    expect((await post(days().join('\n'), 'application/json')).status).toBe(415);
    expect((await service.request('/api/unusual/score')).status).toBe(405);
    expect((await post('', 'text/csv', 'writer')).status).toBe(403);
    expect((await post('', 'text/csv', null)).status).toBe(401);
  });
});

describe('the score', () => {
  it('is a finite number for any values: constants, jumps, huge ones, times that go back', () => {
    const scorer = createSeriesScorer();
    const values = [0, 0, 0, 1e300, -1e300, 1e-300, 5, 5, 5, 5, Number.MAX_VALUE, 0, -0];
    for (const [i, value] of values.entries())
      expect(scorer.score(i % 3 === 0 ? -i : i * 1e9, value)).toSatisfy(Number.isFinite);
  });

  it('of a symbol is its bits after the two before it, by the counts so far', () => {
    const surprise = createSurprise();
    expect(surprise.bits(7)).toBeCloseTo(Math.log2(15));
    // 7 was seen once, in the context of the start, which is 7 7 as well: a half in each.
    expect(surprise.bits(7)).toBeCloseTo(1);
    expect(surprise.bits(7)).toBeCloseTo(-Math.log2(2 / 3));
    // New everywhere: three contexts escape with 1/4 each.
    expect(surprise.bits(3)).toBeCloseTo(6 + Math.log2(15));
  });
});
