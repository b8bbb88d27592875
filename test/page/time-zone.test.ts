/** Local times of time zones, including clock changes. */
import { expect, it } from 'vitest';
import { fromWallClock, wallClock } from '../../src/page/time-zone.ts';

const moment = (clock: string, zone: string, which?: 'first' | 'last') =>
  new Date(fromWallClock(Date.parse(`${clock}Z`), zone, which)).toISOString().slice(0, 16);

it.each([
  ['2026-05-02T05:00', 'Asia/Tokyo', 'first', '2026-05-01T20:00'],
  ['2026-10-25T02:30', 'Europe/Berlin', 'first', '2026-10-25T00:30'],
  ['2026-10-25T02:30', 'Europe/Berlin', 'last', '2026-10-25T01:30'],
  ['2026-03-29T02:30', 'Europe/Berlin', 'first', '2026-03-29T01:30'],
  // Chile changes its clocks at midnight: the day begins at 01:00.
  ['2026-09-06T00:00', 'America/Santiago', 'first', '2026-09-06T04:00'],
  ['2026-01-01T00:00', 'Pacific/Kiritimati', 'first', '2025-12-31T10:00'],
] as const)('%s in %s (%s) is %s', (clock, zone, which, expected) => {
  expect(moment(clock, zone, which)).toBe(expected);
});

it('the earliest and the latest date can be formatted and parsed', () => {
  for (const zone of ['UTC', 'Asia/Tokyo', 'America/New_York'])
    for (const clock of ['0001-01-01T00:00', '9999-12-31T23:59'])
      expect(() => moment(clock, zone, 'last')).not.toThrow();
  expect(wallClock(Date.parse('2026-05-01T20:00Z'), 'Asia/Tokyo')).toBe('2026-05-02T05:00:00.000');
});
