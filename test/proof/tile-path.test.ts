/** Paths of tiles (C2SP tlog-tiles): a tile has one, and nothing else is one. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readTilePath, writeTileNumber } from '../../src/features/proof/tile-path.ts';

describe('a path of a tile', () => {
  it.each([
    ['0/000', { level: 0, n: 0, count: 256 }],
    ['0/x001/x234/067', { level: 0, n: 1_234_067, count: 256 }],
    ['5/001.p/1', { level: 5, n: 1, count: 1 }],
    ['entries/x001/000.p/255', { level: null, n: 1_000, count: 255 }],
  ])('%s is read', (path, tile) => {
    expect(readTilePath(path)).toEqual(tile);
  });

  it('is read as it is written', () => {
    const level = fc.oneof(fc.nat(5), fc.constant(null));
    const count = fc.integer({ min: 1, max: 256 });
    fc.assert(
      fc.property(level, fc.oneof(fc.nat(), fc.nat(2_000), fc.maxSafeNat()), count, (level, n, count) => {
        const path = `${level ?? 'entries'}/${writeTileNumber(n)}${count === 256 ? '' : `.p/${count}`}`;
        expect(readTilePath(path)).toEqual({ level, n, count });
      }),
    );
  });

  it.each([
    '',
    '0',
    '0/',
    '/0/000',
    '0/0',
    '0/00',
    '0/0000',
    '0/x000/000',
    '0/x000/x001/000',
    '0/001/000',
    '0/x001',
    '0/x001/x000',
    '0/X001/000',
    '0/000/',
    '0/000 ',
    '0/000\n',
    ' 0/000',
    '0/-01',
    '0/+01',
    '0/1e3',
    '0/٠٠٠',
    '00/000',
    '01/000',
    '6/000',
    '63/000',
    '64/000',
    '-1/000',
    'x/000',
    'Entries/000',
    'entries',
    '0/000.p',
    '0/000.p/',
    '0/000.p/0',
    '0/000.p/01',
    '0/000.p/256',
    '0/000.p/999',
    '0/000.p/1000',
    '0/000.p/1/1',
    '0/000.p/1.p/1',
    '0/000.P/1',
    '0/x009/x007/x199/x254/x740/992',
    `0/${'x999/'.repeat(100)}999`,
  ])('%j is none', (path) => {
    expect(readTilePath(path)).toBeNull();
  });

  it('is no text but those that are written', () => {
    const part = fc.constantFrom(
      '0',
      '1',
      '9',
      '00',
      '000',
      '001',
      '256',
      'x',
      '/',
      '.p/',
      'entries',
      'x001',
      '-',
      '.',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const path = parts.join('');
        const tile = readTilePath(path);
        if (!tile) return;
        const written = `${tile.level ?? 'entries'}/${writeTileNumber(tile.n)}`;
        expect(path).toBe(tile.count === 256 ? written : `${written}.p/${tile.count}`);
      }),
      { numRuns: 2_000 },
    );
  });
});
