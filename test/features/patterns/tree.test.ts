/** Groups of patterns: what is joined, what is not, and the same groups in any order. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { groupPatterns, treeLimits } from '../../../src/features/patterns/tree.ts';

type Pattern = { service: string; text: string };
const of = (...texts: string[]): Pattern[] => texts.map((text) => ({ service: 's', text }));
const grouped = (patterns: Pattern[]) =>
  groupPatterns(patterns).map(({ words, patterns }) => [words.join(' '), patterns.length]);

describe('patterns are one group', () => {
  it.each([
    [
      'that differ in a word after the second',
      of('order paid by ana', 'order paid by bob'),
      [['order paid by <*>', 2]],
    ],
    ['also where the leading words vary', of('<*> x<*> is ana', '<*> y<*> is ana'), [['<*> <*> is ana', 2]]],
  ])('%s', (_what, patterns, expected) => {
    expect(grouped(patterns)).toEqual(expected);
  });

  it.each([
    ['of another service', [...of('order paid by ana'), { service: 't', text: 'order paid by bob' }]],
    ['with more words', of('order paid by ana', 'order paid by ana twice')],
    ['with another second word', of('order paid by ana', 'order sent by ana')],
    ['with fewer than half of their words the same', of('a b c d e', 'a b x y z')],
  ])('but not %s', (_what, patterns) => {
    expect(groupPatterns(patterns).map(({ patterns }) => patterns.length)).toEqual(patterns.map(() => 1));
  });
});

it('groups have at most as many patterns as a filter has keys, and lose none', () => {
  const many = of(...Array.from({ length: 120 }, (_, i) => `order paid by user${i.toString(36)}x`));
  const sizes = groupPatterns(many).map(({ patterns }) => patterns.length);
  expect(sizes).toEqual([treeLimits.group_patterns_max, treeLimits.group_patterns_max, 20]);
});

it('groups are the same in any order', () => {
  const word = fc.constantFrom('a', 'b', 'c', '<*>', 'd<*>');
  const patterns = fc.uniqueArray(
    fc.record({
      service: fc.constantFrom('', 's'),
      text: fc.array(word, { minLength: 1, maxLength: 5 }).map((words) => words.join(' ')),
    }),
    { selector: ({ service, text }) => `${service} ${text}`, maxLength: 60 },
  );
  const sets = (of: Pattern[]) =>
    groupPatterns(of)
      .map(({ words, patterns }) =>
        [words.join(' '), ...patterns.map(({ service, text }) => `${service} ${text}`).toSorted()].join('\n'),
      )
      .toSorted();
  fc.assert(
    fc.property(
      patterns.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
      ([all, shuffled]) => {
        expect(sets(shuffled)).toEqual(sets(all));
      },
    ),
  );
});

it('5,000 patterns that have nothing in common are grouped in bounded time', () => {
  const letters = (n: number) => [...String(n)].map((digit) => 'ghijklmnop'[Number(digit)]).join('');
  const patterns = of(
    ...Array.from(
      { length: 5_000 },
      (_, i) => `a b ${Array.from({ length: 100 }, (_, j) => letters(i * 100 + j)).join(' ')}`,
    ),
  );
  const started = performance.now();
  expect(groupPatterns(patterns)).toHaveLength(5_000);
  expect(performance.now() - started).toBeLessThan(5_000);
});
