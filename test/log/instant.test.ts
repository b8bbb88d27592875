/** Times from and to the database's text, also those that RFC 3339 cannot express. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { earliest_ms, latest_ms, readDatabaseTime, writeDatabaseTime } from '../../src/log/instant.ts';

it.each([
  ['2026-01-02 03:04:05.678+00', '2026-01-02T03:04:05.678Z'],
  ['2026-01-02 03:04:05+00', '2026-01-02T03:04:05.000Z'],
  ['2026-01-02 03:04:05+05:30', '2026-01-01T21:34:05.000Z'],
  ['0001-01-01 00:00:00+00 BC', '0000-01-01T00:00:00.000Z'],
  ['0044-03-15 12:00:00+00 BC', '-000043-03-15T12:00:00.000Z'],
  ['12026-01-02 00:00:00+00', '+012026-01-02T00:00:00.000Z'],
])('the database’s %s is %s', (text, iso) => {
  expect(new Date(readDatabaseTime(text)).toISOString()).toBe(iso);
});

it('infinite times stay infinite, and another text is not a time', () => {
  expect([readDatabaseTime('infinity'), readDatabaseTime('-infinity')]).toEqual([Infinity, -Infinity]);
  expect([writeDatabaseTime(Infinity), writeDatabaseTime(-Infinity)]).toEqual(['infinity', '-infinity']);
  expect(readDatabaseTime('yesterday')).toBeNaN();
});

it('a time written for the database is read back unchanged', () => {
  const ms = fc.integer({ min: -210_866_803_200_000, max: latest_ms + 1e14 });
  fc.assert(
    fc.property(ms, (at) => {
      const text = writeDatabaseTime(at);
      expect(at >= earliest_ms && at <= latest_ms ? Date.parse(text) : readDatabaseTime(text)).toBe(at);
    }),
  );
});
