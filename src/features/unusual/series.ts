/**
 * How unusual each value of a series is, from the values before it alone: its distance from the usual one at this time of
 * day, and how surprising the last three distances and the last three levels are as sequences.
 */
import { expectedAt, inUnits, learnAt, newProfile } from './profile.ts';
import { createSurprise, n_symbols } from './surprise.ts';

const day_ms = 86_400_000;
const slots = 48;
/** What a value changes of the usual one at its time of day, and of the usual deviation. */
const rates = { learn_usual: 0.15, learn_variance: 1 / 2_000 };
/** The slow median moves towards each value by a part of the mean distance from it, which is a slow mean itself. */
const learn_median = 0.05;
const learn_distance = 1 / 500;
/** The part of the newest value in the smoothed score. */
const newest = 2 / 3;
const surprise_weight = 0.5;
/** A score counts only above the largest one before it, which fades by a factor of e in so many values. */
const fade = Math.exp(-1 / 300);

/** A deviation as one of n_symbols: the whole number nearest to it, and on a logarithmic scale above 3. */
function symbolOf(z: number): number {
  const size = Math.abs(z);
  return (n_symbols >> 1) + Math.sign(z) * Math.round(size < 3 ? size : 2 + Math.log2(size / 1.5));
}

export type SeriesScorer = {
  /** The score of the next value; 0 where a larger score is not long past. */
  score(at_ms: number, value: number): number;
};

export function createSeriesScorer(): SeriesScorer {
  const profile = newProfile(slots);
  const ofResidual = createSurprise();
  const ofLevel = createSurprise();
  let n = 0;
  let median = 0;
  let distance = 0;
  let smoothed = 0;
  let largest = 0;

  return {
    score(at_ms, value) {
      const slot = Math.floor((((at_ms % day_ms) + day_ms) % day_ms) / (day_ms / slots));
      n += 1;
      if (n === 1) median = value;
      const usual = n === 1 ? value : expectedAt(profile, slot);
      const z = inUnits(value - usual, Math.sqrt(profile.variance));
      learnAt(profile, slot, value, rates);

      const above = value - median;
      const level = inUnits(above, 2 * distance);
      distance += (Math.abs(above) - distance) * Math.max(1 / n, learn_distance);
      // The first values give its place; then it takes small steps.
      median += n < 50 ? above / n : Math.sign(above) * distance * learn_median;

      const now = Math.abs(z) + surprise_weight * (ofResidual.bits(symbolOf(z)) + ofLevel.bits(symbolOf(level)));
      smoothed = n === 1 ? now : smoothed + newest * (now - smoothed);
      largest *= fade;
      if (smoothed <= largest) return 0;
      largest = smoothed;
      return smoothed;
    },
  };
}
