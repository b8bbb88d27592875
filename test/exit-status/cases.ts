/** What happens in the runs whose exit status test/exit-status/exit-status.test.ts expects. */
import { describe, expect, it } from 'vitest';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';

/** What happens in the run's test file. */
export type Case = () => void;

const passes = () => it('passes', () => expect(1).toBe(1));

export const green: Record<string, Case> = {
  'a test that passes': passes,
  'a test that is skipped for a named reason': () => {
    passes();
    notOn(reasons.noHttpx, true).it('is skipped', () => {});
  },
};

export const red: Record<string, Case> = {
  'a failed test': () => it('fails', () => expect(1).toBe(2)),
  'a failed test beside one that passes': () => {
    passes();
    it('fails', () => expect(1).toBe(2));
  },
  'a file that throws at import': () => {
    passes();
    throw new Error('at import');
  },
  'an error that nothing handles': () =>
    it('leaves a rejection', () => {
      Promise.reject(new Error('not handled'));
    }),
  'a file without a test': () => {},
  'a skipped test': () => {
    passes();
    it.skip('is skipped', () => {});
  },
  'a skipped group': () => {
    passes();
    describe.skip('is skipped', passes);
  },
  'a test that is still to be written': () => {
    passes();
    it.todo('is to be written');
  },
  'a skip whose reason is not in the list': () => {
    passes();
    it('is skipped', ({ skip }) => skip('it was late'));
  },
  // biome-ignore lint/suspicious/noFocusedTests: this is the case
  'a test that is marked as only': () => it.only('is the only one', () => {}),
  'a set-up that throws': passes,
  'a tear-down that throws': passes,
};

const failOnce = (n_tests: number) => () => {
  for (let n = 0; n < n_tests; n += 1) {
    let attempts = 0;
    it(`passes at the second attempt only ${n}`, () => {
      attempts += 1;
      expect(attempts, 'the first attempt').toBe(2);
    });
  }
};

/** What fails at a first attempt. */
export const unsteady: Record<string, Case> = {
  'one test that fails once': failOnce(1),
  'three tests that fail once': failOnce(3),
};

/** The case of this run. */
export const current = process.env.EXIT_STATUS_CASE ?? '';
