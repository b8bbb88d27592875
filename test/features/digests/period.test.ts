/** Days and ISO weeks as the names of digests. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dayAfter, readPeriod, shifted, weekOf } from '../../../src/features/digests/period.ts';

describe('no period has the name', () => {
  it.each([
    '2026-11-31',
    '2026-02-29',
    '2026-13-01',
    '2026-1-1',
    '2026-W00',
    '2026-W54',
    '2025-W53',
    '2026-w48',
    'today',
    '',
  ])('%j', (name) => {
    expect(() => readPeriod(name)).toThrow('A digest has the name of a day');
  });
});

// The years of ISO 8601 whose first and last days belong to a week of another year.
it.each([
  ['2026-11-23', '2026-W48'],
  ['2026-11-29', '2026-W48'],
  ['2027-01-01', '2026-W53'],
  ['2024-12-30', '2025-W01'],
  ['2021-01-03', '2020-W53'],
  ['2023-01-01', '2022-W52'],
])('%s is in the week %s', (day, week) => {
  expect(weekOf(day)).toBe(week);
});

it('every day is in its week, which has seven days, and follows the week before', () => {
  fc.assert(
    fc.property(fc.integer({ min: -20_000, max: 60_000 }), (n) => {
      const day = dayAfter('2000-01-01', n);
      const week = readPeriod(weekOf(day));
      expect(week.from <= day && day <= week.to).toBe(true);
      expect(dayAfter(week.from, 6)).toBe(week.to);
      expect(shifted(shifted(week, -1), 1)).toEqual(week);
      expect(dayAfter(shifted(week, -1).to)).toBe(week.from);
    }),
  );
});
