import { statfsSync } from 'node:fs';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { ExitStatus } from './support/exit-status.ts';
import { ConformanceTable } from './support/table.ts';
import { type Target, targetName, targets } from './targets/index.ts';

const root = new URL('..', import.meta.url).pathname;

/**
 * The databases of the tests are in memory where it has room: a disk takes a second for each copy of a template, of which
 * there are hundreds, and nothing that is tested depends on the disk.
 */
const memory = '/dev/shm';
const memory_bytes_min = 6 * 1024 ** 3;
function hasRoom(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize >= memory_bytes_min;
  } catch {
    return false; // Linux alone has this folder.
  }
}
if (!process.env.TMPDIR && hasRoom(memory)) process.env.TMPDIR = memory;

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
    // The files of a project share its modules: loading them anew for each file was a quarter of the suite's time.
    isolate: false,
    // Of the 8 MiB of the main thread. PGlite aborts on deep JSON when V8 has optimized it, as it has after some files:
    // the frames are then larger than those of a new process, and the default of 984 KiB is not enough.
    execArgv: ['--stack-size=3900'],
    setupFiles: ['test/support/end-processes.ts'],
    allowOnly: false,
    // No test measures time by these: they only end what hangs, also on a machine that is busy with other work.
    testTimeout: 180_000,
    hookTimeout: 300_000,
    ...more,
  },
});

/**
 * Files whose claims end before the database, or at the connection to it: the bodies of requests, origins, password
 * hashes, sockets and signals. Another version of the server, JIT or another search_path cannot change them.
 */
const beforeDatabase = [
  'conditions-dead-connection',
  'conditions-readers',
  'cors',
  'input-bodies',
  'rate-limits',
  'refusals*',
  'session-guessing',
  'session-streams',
  'shutdown',
];
/** Files about what a browser shows. */
const browsers = ['*-browser', 'viewer*'];

/** Files about a runtime's sockets: the database behind them makes no difference. */
const sockets = ['shipping-syslog'];

/** Files about what is derived from the log, or read from many of its events. */
const understanding = ['aggregate', 'boards', 'digests', 'patterns', 'proof', 'traces', 'unusual', 'visits'];

/**
 * The conformance files that do not run on a target, because it cannot make a difference to their claims. Of a runtime's
 * two databases, the sign-in page and what ends before the database run on PostgreSQL.
 */
const excludedOn = ({ runtime, database, jit }: Target): string[] => {
  // JIT makes these statements slower or faster, and their answers the same, which is what is claimed.
  if (jit) return [...beforeDatabase, ...browsers, ...sockets, ...understanding, 'own-events', 'redaction', 'rules'];
  if (database !== 'pglite') return [];
  // How Bun reaches far sides, holds slow followers, replaces secrets, runs rules and understands the log is claimed on
  // PostgreSQL, and how the embedded database does on Node.
  const onBun =
    runtime === 'bun' ? ['conditions-readers', 'own-events', 'redaction', 'rules', 'shipping', ...understanding] : [];
  return ['cors', 'input-bodies', 'rate-limits', 'refusals*', 'session-browser', ...sockets, ...onBun];
};

/** A target's project; the bundle for Workers is built only when it runs. */
const onTarget = (target: Target, name = targetName(target), include = 'test/conformance/*.test.ts') =>
  project(name, include, {
    provide: { target },
    globalSetup: [
      ...(target.runtime === 'workers' ? ['test/targets/workers-bundle.ts'] : []),
      ...(target.jit ? ['test/targets/jit-server.ts'] : []),
    ],
    exclude: excludedOn(target).map((name) => `test/conformance/${name}.test.ts`),
  });

export default defineConfig({
  root,
  test: {
    // Here and not in the projects: it runs once for all of them.
    globalSetup: ['test/support/databases.ts'],
    reporters: ['default', new ConformanceTable(), new ExitStatus()],
    // Also where no CI variable is set: `.only` would leave out the rest of a file.
    allowOnly: false,
    // More than the cores of a small machine: about a third of the time of the tests is waiting for deadlines.
    maxWorkers: 3,
    projects: [
      ...targets.map((target) => onTarget(target)),
      // A page needs a moment.
      project('node', 'test/**/*.test.ts', {
        exclude: ['test/conformance/**', 'test/runtime/workers/**'],
        expect: { poll: { timeout: 30_000 } },
      }),
      // What is of Workers alone.
      onTarget({ runtime: 'workers', database: 'postgres' }, 'workers', 'test/runtime/workers/*.test.ts'),
    ],
  },
});
