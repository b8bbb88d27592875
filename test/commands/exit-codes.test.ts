/** Every command and benchmark exits with 0 only when it has done what it was asked for. */
import { mkdtemp, open, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type CommandOptions, type Ended, root, run, runFile } from '../support/command.ts';
import { startService } from '../support/harness.ts';
import { freePort } from '../support/postgres-server.ts';

const folder = await mkdtemp(join(tmpdir(), 'edgetrail-exit-'));
afterAll(() => rm(folder, { recursive: true, force: true }));
const service = await startService('postgres');
const closedPort = await freePort();

const env = { EDGETRAIL_URL: service.url, EDGETRAIL_TOKEN: 'writer-secret-0001' };
const unreachable = { ...env, EDGETRAIL_URL: `http://127.0.0.1:${closedPort}` };
const refused = { ...env, EDGETRAIL_TOKEN: 'another-secret-0001' };
const event = '{"event_type":"A","entity_type":"b"}\n';
const database = `postgres://nobody:nothing@127.0.0.1:${closedPort}/none`;
const bad = join(folder, 'bad.ndjson');
await writeFile(bad, `${event}{"event_type":"A"}\n`);
await writeFile(join(folder, 'adapter.mjs'), 'export default 7;\n');

type Case = [what: string, command: string, args: string[], options: CommandOptions, words: string];

const failures: Case[] = [
  ['import without a file', 'import', [], { env }, 'usage'],
  ['import with an unknown option', 'import', ['--adaptor', 'x', bad], { env }, "Unknown option '--adaptor'"],
  ['import of a missing file', 'import', [join(folder, 'none.csv')], { env }, 'ENOENT'],
  ['import of a folder', 'import', [folder], { env }, 'is a folder'],
  ['import of an invalid event', 'import', [bad], { env }, 'line 2: entity_type: is required (nothing is stored)'],
  ['import to an unreachable service', 'import', ['-'], { env: unreachable, input: event }, 'cannot be reached'],
  ['import with a wrong token', 'import', ['-'], { env: refused, input: event }, 'the service refuses'],
  ['import with an unknown setting', 'import', ['-'], { env: { EDGETRAIL_TOKENS: 'x' } }, 'EDGETRAIL_TOKENS'],
  ['import with a missing adapter', 'import', ['--adapter', 'none.ts', bad], { env }, 'none.ts'],
  ['import with a wrong adapter', 'import', ['--adapter', join(folder, 'adapter.mjs'), bad], { env }, 'must be a func'],
  ['demo with a wrong number', 'demo', ['--seconds', 'soon'], { env }, 'usage'],
  ['demo for an unreachable service', 'demo', [], { env: unreachable }, 'cannot be reached'],
  ['demo with a wrong token', 'demo', [], { env: refused }, 'The service refuses'],
  ['hash-password without a password', 'hash-password', [], { input: '\n' }, 'No password was given'],
  ['hash-password without input', 'hash-password', [], {}, 'No password was given'],
  ['migrate of an unreachable database', 'migrate', [], { env: { DATABASE_URL: database } }, 'could not be migrated'],
  ['migrate with a wrong setting', 'migrate', [], { env: { DATABASE_URL: 'mysql://x' } }, 'DATABASE_URL'],
];

describe('a command exits with 1 after', { timeout: 300_000 }, () => {
  it.concurrent.each(failures)('%s', async (_what, command, args, options, words) => {
    const ended = await runFile(`src/commands/${command}.ts`, args, options);
    expect(ended).toMatchObject({ status: 1, stderr: expect.stringContaining(words) });
  });
});

const interrupt: CommandOptions['meanwhile'] = (child) => child.stdout.once('data', () => child.kill('SIGINT'));
/** Nothing is read from the pipe, and its other end is closed before the command can write to it. */
const closeOutput: CommandOptions['meanwhile'] = (child) => child.stdout.destroy();

describe('a command fails', { timeout: 300_000 }, () => {
  it('when SIGINT ends it', async () => {
    const waiting = join(folder, 'waiting');
    await run('mkfifo', [waiting]);
    // It opens when the command reads it.
    const interruptReader: CommandOptions['meanwhile'] = async (child) => {
      const writer = await open(waiting, 'w');
      child.once('close', () => void writer.close());
      child.kill('SIGINT');
    };
    const ended = await Promise.all([
      runFile('src/commands/demo.ts', [], { env, meanwhile: interrupt }),
      runFile('src/commands/import.ts', [waiting], { env, meanwhile: interruptReader }),
    ]);
    expect(ended.map(({ status }) => status)).toEqual([130, 130]);
    expect(ended.map(({ stderr }) => stderr.trim())).toEqual([
      'interrupted',
      'interrupted: import it again to add only what is missing',
    ]);
  });

  it.concurrent.each([
    ['import', ['-'], { env, input: event }],
    ['demo', ['--seconds', '60'], { env }],
    ['hash-password', [], { input: 'a long password\n' }],
  ])('when the output of %s goes to a closed pipe', async (command, args, options: CommandOptions) => {
    const ended = await runFile(`src/commands/${command}.ts`, args, { ...options, meanwhile: closeOutput });
    expect(ended).toMatchObject({ status: 1, stderr: expect.stringContaining('The output could not be written') });
  });

  it('when its work never ends and nothing keeps the process alive', async () => {
    const file = join(folder, 'never.ts');
    await writeFile(
      file,
      `import { runAsCommand } from '${root}src/commands/connect.ts';\nrunAsCommand(import.meta.url, () => new Promise(() => {}));\n`,
    );
    expect((await run(process.execPath, ['--import', 'tsx', file])).status).toBe(1);
  });

  it('when it is started through a symbolic link, too', async () => {
    const link = join(folder, 'link');
    await symlink(root, link);
    const ended = await run(process.execPath, ['--import', 'tsx', join(link, 'src/commands/import.ts')]);
    expect(ended).toMatchObject({ status: 1, stderr: expect.stringContaining('usage') });
  });
});

describe('a command exits with 0', { timeout: 300_000 }, () => {
  const successes: [string, string[], CommandOptions, RegExp][] = [
    ['import', ['-'], { env, input: event }, /^imported 1 event /],
    ['demo', ['--seconds', '0'], { env }, /^wrote \d+ events/],
    ['hash-password', [], { input: 'a long password\n' }, /^\$scrypt\$/],
    ['migrate', [], { env: { DATA_DIR: join(folder, 'data') } }, /the tables are up to date/],
  ];
  it.each(successes)('when %s has succeeded', async (command, args, options, words) => {
    const ended: Ended = await runFile(`src/commands/${command}.ts`, args, options);
    expect(ended).toMatchObject({ status: 0, stdout: expect.stringMatching(words) });
  });
});

describe('a benchmark', () => {
  const program = (lines: string) =>
    `import { check, openBenchDatabases } from '${root}bench/databases.ts';
import { openDatabase } from '${root}src/runtime/service.ts';
import { readSettings } from '${root}src/settings.ts';
const databases = await openBenchDatabases();
const database = await openDatabase(readSettings(await databases.postgres.fresh()));
try {
  ${lines}
} finally {
  await database.close();
  await databases.close();
}
`;
  it('exits with 1 when a check fails, with the server of the benchmarks running', async () => {
    const file = join(folder, 'bench.mts');
    const lines = `await check(database, 0);
  console.log('the sound check succeeded');
  await check(database, 5).catch((error) => { console.error(error.message); process.exitCode = 1; });`;
    await writeFile(file, program(lines));
    expect(await run(process.execPath, ['--import', 'tsx', file])).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('the sound check succeeded'),
      stderr: expect.stringContaining('5 events were acknowledged'),
    });
  }, 120_000);
});
