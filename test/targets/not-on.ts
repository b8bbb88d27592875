/** notOn(reason): the way in which a test is skipped. The run fails on a skip without a reason. */
import * as vitest from 'vitest';
import type { Reason } from './reasons.ts';

type Marked = {
  it(claim: string, test: () => Promise<void> | void, ms?: number): void;
  describe(what: string, tests: () => Promise<void> | void): void;
};

/**
 * `it` and `describe` for what does not hold where the reason says: there one test of that name is skipped with the
 * reason as its note, and nothing of it is run, not even its set-up. For a reason of this machine `missing` says
 * whether it is so.
 */
export function notOn({ on, because }: Reason, missing = false): Marked {
  const target = vitest.inject('target');
  const here = missing || on.some((name) => name === target?.runtime || name === target?.database);
  if (!here)
    return {
      it: (claim, test, ms) => vitest.it(claim, test, ms),
      describe: (what, tests) => void vitest.describe(what, tests),
    };
  const left = (what: string) => vitest.it(what, ({ skip }) => skip(because));
  return { it: left, describe: left };
}
