/** The exit status of a run says what happened in it: whoever reads it, such as .ci/run, never takes a red run for a green one. */
import { rm, writeFile } from 'node:fs/promises';
import { describe, expect, inject, it } from 'vitest';
import { root, run } from '../support/command.ts';
import { green, red, unsteady } from './cases.ts';

const vitest = `${root}node_modules/.bin/vitest`;
const args = ['run', '--config', 'test/exit-status/vitest.config.ts'];
const suite = (env: Record<string, string>, ...more: string[]) =>
  run(vitest, [...args, ...more], { env: { TEST_DATABASE_URL: inject('serverUrl'), ...env } });

describe('the suite ends with 1 after', () => {
  it.each(Object.keys(red))('%s', { timeout: 300_000 }, async (name) => {
    const { status, stdout, stderr } = await suite({ EXIT_STATUS_CASE: name });
    expect(status, stdout + stderr).toBe(1);
  });

  it('a failed test, with a server of its own', { timeout: 300_000 }, async () => {
    const { status } = await suite({ EXIT_STATUS_CASE: 'a failed test', TEST_DATABASE_URL: '' });
    expect(status).toBe(1);
  });

  it('no test file', { timeout: 300_000 }, async () => {
    const { status } = await suite({ EXIT_STATUS_FILE: 'test/exit-status/nothing.ts' });
    expect(status).toBe(1);
  });
});

describe('a test that fails once', () => {
  const twice = '--retry=1';

  it.each(Object.keys(unsteady))('fails the suite: %s', { timeout: 300_000 }, async (name) => {
    expect((await suite({ EXIT_STATUS_CASE: name })).status).toBe(1);
  });

  it('is named where it gets a second attempt, as in .ci/run', { timeout: 300_000 }, async () => {
    const { status, stdout, stderr } = await suite({ EXIT_STATUS_CASE: 'one test that fails once' }, twice);
    expect(status, stdout + stderr).toBe(0);
    expect(stderr).toMatch(
      /^PASSED ONLY AT THE SECOND ATTEMPT: node: test\/exit-status\/case\.ts: passes at .* only 0: the first attempt/m,
    );
    expect(stdout).toMatch(/^1 passed, 0 failed, 0 skipped$/m);
  });

  it.each(['three tests that fail once', 'a failed test'])(
    'fails the suite also then: %s',
    { timeout: 300_000 },
    async (name) => {
      expect((await suite({ EXIT_STATUS_CASE: name }, twice)).status).toBe(1);
    },
  );
});

describe('the suite ends with 0 after', () => {
  it.each(Object.keys(green))('%s', { timeout: 300_000 }, async (name) => {
    const { status, stdout, stderr } = await suite({ EXIT_STATUS_CASE: name });
    expect(status, stdout + stderr).toBe(0);
    expect(stdout).toMatch(/^1 passed, 0 failed, [01] skipped$/m);
  });
});

describe('npm run check ends with non-zero after', () => {
  const wrong: Record<string, string> = {
    'a type error': "export const n: number = 'text';\n",
    'a lint error': 'export const n: any = 1;\n',
    'a lint warning': "import { join } from 'node:path';\n\nexport const n = 1;\n",
  };

  it.each(Object.entries(wrong))('%s', { timeout: 300_000 }, async (name, text) => {
    const file = `${root}test/exit-status/wrong-${name.replaceAll(' ', '-')}.ts`;
    await writeFile(file, text);
    const { status } = await run('npm', ['run', 'check']).finally(() => rm(file));
    expect(status).not.toBe(0);
  });
});

describe('.ci/checked', () => {
  const checked = (script: string) => run(`${root}.ci/checked`, ['bash', '-c', script]);
  const closing = 'echo "2 passed, 0 failed, 1 skipped"';

  it('returns the status of the command, which a pipe does not hide', async () => {
    expect(await checked(`${closing}; exit 3`)).toMatchObject({ status: 3 });
  });

  it.each([
    ['a closing line with a failure', 'echo "2 passed, 1 failed, 0 skipped"'],
    ["a failed test in vitest's summary", `echo "      Tests  1 failed | 2 passed (3)"; ${closing}`],
    ["a failed file in vitest's summary", `echo " Test Files  1 failed (1)"; ${closing}`],
    ["a failure in vitest's summary, in colours", `printf ' Test Files  \\033[31m1 failed\\033[0m (1)\\n'; ${closing}`],
    ["an unhandled error in vitest's summary", `echo "     Errors  1 error"; ${closing}`],
    ['no closing line', 'echo "Tests  3 passed (3)"'],
    ['no test', 'echo "0 passed, 0 failed, 4 skipped"'],
  ])('fails when the status is 0 and the output has %s', async (_what, script) => {
    expect(await checked(script)).toMatchObject({ status: 1 });
  });

  it('passes a green run, and prints the closing line last', async () => {
    const { status, stdout } = await checked(`${closing}; echo "  (1) a reason"`);
    expect([status, stdout.trimEnd().split('\n').at(-1)]).toEqual([0, '2 passed, 0 failed, 1 skipped']);
  });
});
