/** The scoring of the Numenta Anomaly Benchmark: worked by hand, and its two fixed points. */
import { describe, expect, it } from 'vitest';
import { profiles, scoreOf } from '../../bench/evaluate/nab-score.ts';

const sigmoid = (x: number) => 2 / (1 + Math.exp(5 * x)) - 1;
const series = (n: number, detected: Record<number, number>, windows: [number, number][]) => ({
  scores: Array.from({ length: n }, (_, i) => detected[i] ?? 0),
  windows,
});

describe('the scoring', () => {
  it('gives 100 to whoever detects the first point of each window and nothing else, 0 to whoever detects nothing', () => {
    const windows: [number, number][] = [
      [40, 59],
      [80, 89],
    ];
    expect(scoreOf([series(100, { 40: 1, 80: 1 }, windows)], profiles.standard).score).toBeCloseTo(100);
    expect(scoreOf([series(100, {}, windows)], profiles.standard).score).toBeCloseTo(0);
    expect(scoreOf([series(100, {}, windows)], profiles['low FN'], 1).score).toBeCloseTo(0);
  });

  it('counts the first detection in a window by its place, and those outside by how far after a window they are', () => {
    const windows: [number, number][] = [[40, 59]];
    const worth = sigmoid(-(59 - 45 + 1) / 20) / sigmoid(-1);
    const late = sigmoid((65 - 59) / 19);
    // 70 and 90 are past three widths or before any window where there is none: the full cost.
    const before = -1;
    const detected = { 30: 1, 45: 1, 50: 1, 65: 1 };
    expect(scoreOf([series(100, detected, windows)], profiles.standard, 1).score).toBeCloseTo(
      (100 * (worth + 0.11 * (late + before) + 1)) / 2,
    );
  });

  it('does not count the first 15 %, and chooses one threshold for all series', () => {
    const windows: [number, number][] = [[40, 59]];
    const corpus = [series(100, { 3: 9, 40: 2, 70: 1 }, windows), series(100, { 5: 9, 30: 1 }, [])];
    const { score, threshold } = scoreOf(corpus, profiles.standard);
    expect(score).toBeCloseTo(100);
    expect(threshold).toBe(2);
  });
});
