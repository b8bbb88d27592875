import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { ExitStatus } from './support/exit-status.ts';
import { ConformanceTable } from './support/table.ts';
import { type Target, targetName, targets } from './targets/index.ts';

const root = new URL('..', import.meta.url).pathname;

/** A project for the conformance suite on each target, and one for all that is about Node or about no runtime. */
export const project = (
  name: string,
  include: string,
  more: TestProjectInlineConfiguration['test'] = {},
): TestProjectInlineConfiguration => ({
  root,
  test: {
    name,
    include: [include],
    pool: 'forks',
    setupFiles: ['test/support/end-processes.ts'],
    allowOnly: false,
    // No test measures time by these: they only end what hangs, also on a machine that is busy with other work.
    testTimeout: 90_000,
    hookTimeout: 120_000,
    ...more,
  },
});

/** A target's project; the bundle for Workers is built only when it runs. */
const onTarget = (target: Target, name = targetName(target), include = 'test/conformance/*.test.ts') =>
  project(name, include, {
    provide: { target },
    // The files share the modules: loading them anew for each file was a quarter of the time. Not where PGlite runs in the
    // tests' process: it aborts after many databases, whose memory is freed late.
    isolate: target.runtime === 'node' && target.database === 'pglite',
    globalSetup: [
      ...(target.runtime === 'workers' ? ['test/targets/workers-bundle.ts'] : []),
      ...(target.jit ? ['test/targets/jit-server.ts'] : []),
    ],
    // What a browser shows does not depend on the server's version.
    ...(target.jit && { exclude: ['test/conformance/*-browser.test.ts', 'test/conformance/viewer*.test.ts'] }),
  });

export default defineConfig({
  root,
  test: {
    // Here and not in the projects: it runs once for all of them.
    globalSetup: ['test/support/databases.ts'],
    reporters: ['default', new ConformanceTable(), new ExitStatus()],
    // Also where no CI variable is set: `.only` would leave out the rest of a file.
    allowOnly: false,
    maxWorkers: 2,
    projects: [
      ...targets.map((target) => onTarget(target)),
      // A page needs a moment.
      project('node', 'test/**/*.test.ts', {
        exclude: ['test/conformance/**', 'test/runtime/workers/**'],
        expect: { poll: { timeout: 10_000 } },
      }),
      // What is of Workers alone.
      onTarget({ runtime: 'workers', database: 'postgres' }, 'workers', 'test/runtime/workers/*.test.ts'),
    ],
  },
});
