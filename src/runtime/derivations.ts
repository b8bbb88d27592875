/** The readers that derive rows from the log: those that count, the one of first sights, and those of the features. */
import { type Derivation, type Reader, readerLimits, runReaders } from '../log/reader.ts';
import { rollup } from '../log/rollup-rows.ts';
import { seen } from '../log/seen.ts';
import { userDays } from '../log/user-days.ts';
import type { Feature, ReaderParts } from '../parts.ts';

/** All of them, in the order in which they step. */
export const derivationsOf = (features: readonly Feature[]): Derivation[] => [
  rollup,
  userDays,
  seen,
  ...features.flatMap(({ derivations = [] }) => derivations),
];

/** All that steps through the log: the derivations, and what the features do beside them. */
const readersOf = (features: readonly Feature[], parts: ReaderParts, ids_max?: number): Reader[] => [
  ...derivationsOf(features).map((derivation) => ({
    name: derivation.name,
    step: () => parts.store.stepDerivation(derivation, ids_max),
  })),
  ...features
    .flatMap(({ readers }) => readers?.(parts) ?? [])
    .map(({ name, step }) => ({ name, step: () => step(ids_max ?? readerLimits.step_ids_max) })),
];

/** Runs them all until the signal fires. */
export const runDerivations = (
  features: readonly Feature[],
  parts: ReaderParts,
  ids_max: number,
  stopped: AbortSignal,
): Promise<void> => runReaders(readersOf(features, parts, ids_max), parts.report, stopped);

/** Steps each until it has caught up. Rejects with the first failure, after the others have caught up. */
export async function catchUp(features: readonly Feature[], parts: ReaderParts): Promise<void> {
  const failures: unknown[] = [];
  for (const { step } of readersOf(features, parts)) {
    try {
      while ((await step()).remaining > 0);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
