/** notOn(reason): skips a test with a reason. The run fails on a skip without a reason. */
import * as vitest from 'vitest';
import type { Reason } from './reasons.ts';

type Marked = {
  it(claim: string, test: () => Promise<void> | void, ms?: number): void;
  describe(what: string, tests: () => Promise<void> | void, options?: { concurrent: true }): void;
};

/**
 * Returns `it` and `describe` for tests that cannot run where the reason holds. There, one test of that name is skipped
 * with the reason as its note; the tests and their set-up do not run. For a reason of this machine, `missing` is true when
 * the program is not installed.
 */
export function notOn({ on, because }: Reason, missing = false): Marked {
  const target = vitest.inject('target');
  const here = missing || on.some((name) => name === target?.runtime || name === target?.database);
  if (!here)
    return {
      it: (claim, test, ms) => vitest.it(claim, test, ms),
      describe: (what, tests, options) => void vitest.describe(what, options ?? {}, tests),
    };
  const skipped = (what: string) => vitest.it(what, ({ skip }) => skip(because));
  return { it: skipped, describe: skipped };
}
