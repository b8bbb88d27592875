/** The path of a metadata filter: its readings, quoted keys, faults. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { metadataStep, pathFault, readingsOf } from '../../src/log/metadata-path.ts';

it.each([
  ['metadata.a', [['a']]],
  ['metadata.a.b', [['a', 'b'], ['a.b']]],
  ['metadata."a.b"', [['a.b']]],
  ['metadata."a.b".c', [['a.b', 'c']]],
  ['metadata."a\\"\\\\b"', [['a"\\b']]],
  ['metadata."".a', [['', 'a']]],
  ['metadata.a".b', [['a"', 'b'], ['a".b']]],
])('%s means %j', (parameter, readings) => {
  expect(pathFault(parameter)).toBeNull();
  expect(readingsOf(parameter)).toEqual(readings);
});

it.each([
  ['metadata.', 'must name a path'],
  ['metadata.a.', 'must name a path'],
  ['metadata..a', 'must name a path'],
  ['metadata."a', 'must name a path'],
  ['metadata."a"b', 'must name a path'],
  ['metadata.a.b.c.d.e.f.g.h.i.j.k', 'at most 10 steps'],
  ['metadata.a.b.c.d.e.f.g.h', 'too many dots'],
])('%s is refused: %s', (parameter, reason) => {
  expect(pathFault(parameter)).toContain(reason);
});

it('every key can be a step of a path', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 4 }), (keys) => {
      const parameter = `metadata.${keys.map(metadataStep).join('.')}`;
      expect(pathFault(parameter)).toBeNull();
      expect(readingsOf(parameter)).toContainEqual(keys);
    }),
  );
});
