/** The readers that derive rows from the log: those that count, the one of first sights, and those of the features. */
import { type Derivation, runReaders } from '../log/reader.ts';
import { rollup } from '../log/rollup-rows.ts';
import { seen } from '../log/seen.ts';
import type { Store } from '../log/store.ts';
import { userDays } from '../log/user-days.ts';
import type { Feature, Report } from '../parts.ts';

/** All of them, in the order in which they step. */
export const derivationsOf = (features: readonly Feature[]): Derivation[] => [
  rollup,
  userDays,
  seen,
  ...features.flatMap(({ derivations = [] }) => derivations),
];

/** Runs them all until the signal fires. */
export const runDerivations = (
  features: readonly Feature[],
  store: Pick<Store, 'stepDerivation'>,
  ids_max: number,
  report: Report,
  stopped: AbortSignal,
): Promise<void> =>
  runReaders(
    derivationsOf(features).map((derivation) => ({
      name: derivation.name,
      step: () => store.stepDerivation(derivation, ids_max),
    })),
    report,
    stopped,
  );

/** Steps each until it has caught up. Rejects with the first failure, after the others have caught up. */
export async function catchUp(features: readonly Feature[], store: Pick<Store, 'stepDerivation'>): Promise<void> {
  const failures: unknown[] = [];
  for (const derivation of derivationsOf(features)) {
    try {
      while ((await store.stepDerivation(derivation)).remaining > 0);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
