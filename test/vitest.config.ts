import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { ConformanceTable } from './table.ts';
import { targetName, targets } from './targets/index.ts';

const root = new URL('..', import.meta.url).pathname;

/** A project for the conformance suite on each target, and one for all that is about Node or about no runtime. */
const project = (
  name: string,
  include: string,
  provide: NonNullable<TestProjectInlineConfiguration['test']>['provide'] = {},
): TestProjectInlineConfiguration => ({
  root,
  test: { name, include: [include], provide, pool: 'forks', testTimeout: 30_000, hookTimeout: 60_000 },
});

export default defineConfig({
  root,
  test: {
    // Here and not in the projects: it runs once for all of them.
    globalSetup: ['test/databases.ts'],
    reporters: ['default', new ConformanceTable()],
    maxWorkers: 2,
    projects: [
      ...targets.map((target) => project(targetName(target), 'test/conformance/*.test.ts', { target })),
      project('node', 'test/*.test.ts'),
    ],
  },
});
