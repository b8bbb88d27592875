/** What a value usually is at its time, and how far it may be from that: moving means, as plain JSON. */

const deviations_max = 50;

export type Profile = {
  /** The usual value of each slot of time; null of those that had none yet. */
  usual: (number | null)[];
  /** The usual value at the last time, which stands for slots that had none. */
  expected: number;
  variance: number;
  n: number;
};

export const newProfile = (slots: number): Profile => ({
  usual: new Array<number | null>(slots).fill(null),
  expected: 0,
  variance: 0,
  n: 0,
});

const within = (z: number) => Math.max(-deviations_max, Math.min(deviations_max, z));
/** A distance in units of a deviation. Where there was no deviation yet, any distance is as far as can be. */
export const inUnits = (distance: number, unit: number) =>
  within(distance === 0 ? 0 : unit > 0 ? distance / unit : Math.sign(distance) * deviations_max);

export const expectedAt = ({ usual, expected }: Profile, slot: number): number => usual[slot] ?? expected;

/** What a value changes of the usual one at its time, and of the usual deviation. */
export type Rates = { learn_usual: number; learn_variance: number };

/** Learns a value at its time. */
export function learnAt(profile: Profile, slot: number, value: number, { learn_usual, learn_variance }: Rates): void {
  if (profile.n === 0) profile.expected = value;
  const usual = expectedAt(profile, slot);
  const residual = value - usual;
  profile.n += 1;
  profile.variance += (residual * residual - profile.variance) * Math.max(1 / profile.n, learn_variance);
  profile.expected = usual + learn_usual * residual;
  profile.usual[slot] = profile.expected;
}
