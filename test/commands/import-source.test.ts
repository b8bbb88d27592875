/** The inputs of `npm run import`: pipes, stdin, gzip, and paths relative to the folder in which it was typed. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { typedFolder } from '../../src/commands/import-source.ts';
import { root, run, runFile } from '../support/command.ts';
import { startService } from '../support/harness.ts';

const folder = await mkdtemp(join(tmpdir(), 'edgetrail-source-'));
afterAll(() => rm(folder, { recursive: true, force: true }));
const service = await startService('postgres');
const env = { EDGETRAIL_URL: service.url, EDGETRAIL_TOKEN: 'writer-secret-0001', FOLDER: folder };

/** Two hundred events of about 1 kB, more than a pipe holds, that no other test has. */
let tests = 0;
const events = (n = 200) => {
  tests += 1;
  const at = `${2_000 + tests}-01-01T00:00:00Z`;
  return Array.from(
    { length: n },
    (_, i) =>
      `${JSON.stringify({ event_type: 'A', entity_type: 'b', entity_id: i, user_agent: 'x'.repeat(900), timestamp: at })}\n`,
  ).join('');
};
const imported = (n: number) => ({ status: 0, stdout: expect.stringContaining(`imported ${n} events from 1 file`) });
const command = `"${process.execPath}" --import tsx "${root}src/commands/import.ts"`;

describe('npm run import reads', () => {
  it.each([
    ['stdin as -', '-', (text: string) => text],
    ['stdin as /dev/stdin', '/dev/stdin', (text: string) => text],
    [
      'stdin of two gzip members',
      '-',
      (text: string) => Buffer.concat([gzipSync(text.slice(0, 5_000)), gzipSync(text.slice(5_000))]),
    ],
    ['CSV on stdin', '-', (text: string) => `event_type;entity_type\n${'A;b\n'.repeat(text.split('\n').length - 1)}`],
  ])('%s', async (_what, path, inputOf) => {
    expect(await runFile('src/commands/import.ts', [path], { env, input: inputOf(events()) })).toMatchObject(
      imported(200),
    );
  });

  it.each([
    ['a process substitution', '$COMMAND <(cat "$FOLDER/shell.ndjson")'],
    ['a fifo', 'mkfifo "$FOLDER/fifo"; cat "$FOLDER/shell.ndjson" > "$FOLDER/fifo" & $COMMAND "$FOLDER/fifo"'],
    ['a compressed file by its content', 'gzip -c "$FOLDER/shell.ndjson" > "$FOLDER/z"; $COMMAND "$FOLDER/z"'],
    ['a process substitution through npm', 'npm run --silent import -- <(cat "$FOLDER/shell.ndjson")'],
  ])('%s', async (_what, line) => {
    await writeFile(join(folder, 'shell.ndjson'), events());
    const ended = await run('bash', ['-c', line.replaceAll('$COMMAND', command)], { env });
    expect(ended).toMatchObject(imported(200));
  });

  it.each([
    ['in a folder of the package', `cd "${root}src" && npm run --silent import -- "$RELATIVE"`],
    ['with npm --prefix', `cd "$FOLDER/sub" && npm --prefix "${root}" run --silent import -- here.ndjson`],
    ['without npm', `cd "$FOLDER/sub" && ${command} here.ndjson`],
    [
      'without npm, inside another script',
      `export npm_lifecycle_event=other INIT_CWD=/; cd "$FOLDER/sub" && ${command} here.ndjson`,
    ],
  ])('a relative path typed %s', async (_what, line) => {
    await mkdir(join(folder, 'sub'), { recursive: true });
    await writeFile(join(folder, 'sub', 'here.ndjson'), events(3));
    const relative = join(
      ...`${root}src`
        .split('/')
        .filter(Boolean)
        .map(() => '..'),
      folder,
      'sub',
      'here.ndjson',
    );
    // tsx is found from the folder of the package only.
    const loader = { NODE_PATH: `${root}node_modules` };
    const text = line.replaceAll('--import tsx', `--import "file://${root}node_modules/tsx/dist/esm/index.mjs"`);
    const ended = await run('bash', ['-c', text], { env: { ...env, ...loader, RELATIVE: relative } });
    expect(ended).toMatchObject(imported(3));
  });

  it('a path in the folder of the caller only when npm runs the script import', () => {
    expect(typedFolder({ npm_lifecycle_event: 'import', INIT_CWD: '/typed' }, '/package')).toBe('/typed');
    expect(typedFolder({ npm_lifecycle_event: 'import' }, '/package')).toBe('/package');
    expect(typedFolder({ npm_lifecycle_event: 'test', INIT_CWD: '/typed' }, '/package')).toBe('/package');
  });
});

// Several processes one after the other in each test.
describe('a pipe that is imported again', { timeout: 300_000 }, () => {
  it('adds only what is missing of the events that have a timestamp', async () => {
    const text = events(50);
    const bad = `${text}{"event_type":"A"}\n`;
    const first = await runFile('src/commands/import.ts', ['-'], { env, input: bad });
    expect(first).toMatchObject({ status: 1, stderr: expect.stringContaining('50 events before it are stored') });
    const second = await runFile('src/commands/import.ts', ['-'], { env, input: text + events(1) });
    expect(second).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('imported 1 event from 1 file (50 were'),
    });
  });

  it('is a new event without a timestamp, unless its source is named', async () => {
    const input = '{"event_type":"TICK","entity_type":"b"}\n';
    const stored = async (...options: string[]) =>
      (await runFile('src/commands/import.ts', [...options, '-'], { env, input })).stdout.split(' from')[0];
    expect(await stored()).toBe('imported 1 event');
    expect(await stored()).toBe('imported 1 event');
    expect(await stored('--source', 'ticks')).toBe('imported 1 event');
    expect(await stored('--source', 'ticks')).toBe('imported 0 events');
    expect(await stored('--source', 'ticks', '--no-uids')).toBe('imported 1 event');
  });
});
