/** The lock of DATA_DIR on Node and Bun: one owner across processes and pid namespaces, and no wait for a dead owner. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { lockFolder } from '../../src/runtime/data-dir-lock.ts';
import { eventually } from '../support/harness.ts';

const folders = await mkdtemp(join(tmpdir(), 'edgetrail-lock-'));
const children = new Set<ChildProcess>();
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(folders, { recursive: true, force: true });
});

const root = new URL('../..', import.meta.url).pathname;
const holder = `${root}test/support/lock-holder.ts`;
const commands = {
  node: [process.execPath, '--import', 'tsx', holder],
  bun: [`${root}node_modules/.bin/bun`, holder],
} as const;
type Runtime = keyof typeof commands;

/** A process that tries to lock the folder, and its output: `locked` or the reason. */
async function newcomer(runtime: Runtime, folder: string, wrapper: string[] = []) {
  const [command = '', ...args] = [...wrapper, ...commands[runtime], folder];
  const child = spawn(command, args, { cwd: root });
  children.add(child);
  const [outcome] = await once(child.stdout, 'data');
  return { child, outcome: String(outcome).trim() };
}

async function kill({ child }: { child: ChildProcess }): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

const dataFolder = () => mkdtemp(join(folders, 'data-'));

/** A folder with the lock of a process that was killed. */
async function staleFolder(runtime: Runtime = 'bun'): Promise<string> {
  const folder = await dataFolder();
  const owner = await newcomer(runtime, folder);
  expect(owner.outcome).toBe('locked');
  await kill(owner);
  expect(await readdir(folder)).toEqual(['edgetrail.lock.1']);
  return folder;
}

describe.each<[Runtime, Runtime]>([
  ['node', 'bun'],
  ['bun', 'node'],
])('a lock held on %s', (runtime, other) => {
  it(`is refused to ${runtime} and ${other}, by name, until its owner is killed`, async () => {
    const folder = await dataFolder();
    const owner = await newcomer(runtime, folder);
    expect(owner.outcome).toBe('locked');
    for (const second of [runtime, other])
      expect((await newcomer(second, folder)).outcome).toMatch(
        new RegExp(`${folder} is in use by process ${owner.child.pid} on .*DATA_DIR`),
      );
    await kill(owner);
    expect((await newcomer(other, folder)).outcome).toBe('locked');
  });

  it('is refused while its owner is stopped and does not respond', async () => {
    const folder = await dataFolder();
    const owner = await newcomer(runtime, folder);
    owner.child.kill('SIGSTOP');
    expect((await newcomer(other, folder)).outcome).toMatch(/in use by a process that does not respond/);
  });

  it('is free immediately when its killed owner is a zombie', async () => {
    const folder = await dataFolder();
    // `sleep` never reaps the child that the shell started before it.
    const parent = await newcomer(runtime, folder, ['sh', '-c', '"$@" & exec sleep 60', 'sh']);
    expect(parent.outcome).toBe('locked');
    const pid = execFileSync('ps', ['-o', 'pid=', '--ppid', String(parent.child.pid)])
      .toString()
      .trim();
    process.kill(Number(pid), 'SIGKILL');
    const state = () => execFileSync('ps', ['-o', 'stat=', '-p', pid]).toString();
    await eventually('it is a zombie', () => state().startsWith('Z'));
    expect((await newcomer(other, folder)).outcome).toBe('locked');
    expect(state()).toMatch(/^Z/);
  });

  it('is removed by a clean exit', async () => {
    const folder = await dataFolder();
    const { child } = await newcomer(runtime, folder);
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(await readdir(folder)).toEqual([]);
  });

  it('works in a folder whose path is longer than a socket address', async () => {
    const folder = join(await dataFolder(), 'x'.repeat(150));
    expect((await newcomer(runtime, folder)).outcome).toBe('locked');
    expect((await newcomer(other, folder)).outcome).toMatch(/in use by process/);
  });
});

const unshare = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];
const noNamespaces = spawnSync(unshare[0] ?? '', [...unshare.slice(1), 'true']).status !== 0;

describe.skipIf(noNamespaces)('two pid namespaces with one host name (skipped where unshare is not allowed)', () => {
  it.each<[string, string[], string[]]>([
    ['the first in its own namespace', unshare, []],
    ['the second in its own namespace', [], unshare],
    ['each in its own namespace, both as process 1', unshare, unshare],
  ])('%s: the second is refused', async (_where, first, second) => {
    const folder = await dataFolder();
    expect((await newcomer('node', folder, first)).outcome).toBe('locked');
    expect((await newcomer('bun', folder, second)).outcome).toMatch(/in use by process \d+/);
  });
});

describe('exactly one of many concurrent processes gets the lock', () => {
  it('20 processes over the lock of a killed process', async () => {
    const folder = await staleFolder();
    const runtimes = Array.from({ length: 20 }, (_, i): Runtime => (i % 5 === 0 ? 'node' : 'bun'));
    const outcomes = await Promise.all(runtimes.map((runtime) => newcomer(runtime, folder)));
    expect(outcomes.filter(({ outcome }) => outcome === 'locked')).toHaveLength(1);
    expect(outcomes.filter(({ outcome }) => outcome.includes('is in use by'))).toHaveLength(19);
  });

  it.each([
    ['an empty folder', dataFolder],
    ['the lock of a killed process', staleFolder],
  ])('20 calls over %s, 20 times', async (_what, folderOf) => {
    const from = await folderOf();
    for (let round = 0; round < 20; round++) {
      const folder = await dataFolder();
      // `cp -a` copies a socket as a dead socket.
      execFileSync('cp', ['-a', `${from}/.`, folder]);
      const tries = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder)));
      const locks = tries.filter((tried) => tried.status === 'fulfilled');
      expect(locks).toHaveLength(1);
      await locks[0]?.value();
      expect(await readdir(folder)).toEqual([]);
    }
  });
});

it('other files in the folder are neither locks nor deleted', async () => {
  const folder = await dataFolder();
  await cp(holder, join(folder, 'edgetrail.lock'));
  await cp(holder, join(folder, 'edgetrail.lock.note'));
  const unlock = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toThrow(/in use by process/);
  await unlock();
  expect(await readdir(folder)).toEqual(['edgetrail.lock', 'edgetrail.lock.note']);
});
