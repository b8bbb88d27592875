/** The reporter that sets the exit status of a run and prints the last line, which .ci/run reads. */
import type { Reporter, TestCase, TestModule, TestSpecification, Vitest } from 'vitest/node';
import { reasons } from '../targets/reasons.ts';

const named = new Set<string>(Object.values(reasons).map(({ because }) => because));

/** The reason why a test was skipped; null without a reason, or with one that is not in test/targets/reasons.ts. */
export function reasonOf(test: TestCase): string | null {
  const result = test.result();
  const note = result.state === 'skipped' ? result.note : undefined;
  return note && named.has(note) ? note : null;
}

/** Counts the tests of a run. A file that fails without a failed test, such as one that throws at import, counts as one. */
export function countOf(modules: readonly TestModule[]): { passed: number; failed: number; skipped: TestCase[] } {
  const count = { passed: 0, failed: 0, skipped: [] as TestCase[] };
  for (const module of modules) {
    const tests = [...module.children.allTests()];
    const failed = tests.filter((test) => test.result().state === 'failed').length;
    const passed = tests.filter((test) => test.result().state === 'passed').length;
    const ended = module.state() === 'passed' || module.state() === 'skipped';
    count.passed += passed;
    count.failed += ended || failed > 0 ? failed : 1;
    count.skipped.push(...tests.filter((test) => ['skipped', 'pending'].includes(test.result().state)));
  }
  return count;
}

/** The tests that passed only at a second attempt, which .ci/run alone gives them. */
const unsteadyOf = (modules: readonly TestModule[]): TestCase[] =>
  modules.flatMap((module) => [...module.children.allTests()].filter((test) => test.diagnostic()?.flaky));

/** So many of them are the machine's fault, if anybody's; with more the run fails. */
export const unsteady_max = 2;

/**
 * Fails a run that vitest alone would let pass: one that skipped a test without a reason from test/targets/reasons.ts,
 * one whose tear-down failed and one with more than `unsteady_max` tests that needed a second attempt. Each of those is
 * named with what failed first: it is a fault to be mended.
 */
export class ExitStatus implements Reporter {
  /** True when the run selects tests by name or by line: the others are skipped on purpose. */
  #narrowed = false;

  onInit(vitest: Vitest): void {
    // vitest only prints an error of a tear-down; it does not pass it to reporters.
    const print = vitest.logger.error.bind(vitest.logger);
    vitest.logger.error = (...parts: unknown[]) => {
      if (parts[0] === 'error during close') process.exitCode = 1;
      print(...parts);
    };
  }

  onTestRunStart(specifications: readonly TestSpecification[]): void {
    this.#narrowed = specifications.some(
      ({ project, testLines }) => testLines?.length || project.vitest.config.testNamePattern,
    );
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const { passed, failed, skipped } = countOf(modules);
    const unexplained = this.#narrowed ? [] : skipped.filter((test) => !reasonOf(test));
    for (const test of unexplained)
      console.error(`SKIPPED without a reason of test/targets/reasons.ts: ${test.module.moduleId}: ${test.fullName}`);
    const unsteady = unsteadyOf(modules);
    for (const test of unsteady)
      console.error(
        `PASSED ONLY AT THE SECOND ATTEMPT: ${test.project.name}: ${test.module.relativeModuleId}: ${test.fullName}: ${test.result().errors?.[0]?.message}`,
      );
    const n_unsteady = unsteady.length > unsteady_max ? unsteady.length : 0;
    if (unexplained.length + n_unsteady > 0) process.exitCode = 1;
    const n_failed = failed + errors.length + unexplained.length + n_unsteady;
    console.log(`\n${passed} passed, ${n_failed} failed, ${skipped.length - unexplained.length} skipped`);
  }
}
