/** The systemd unit and the Containerfile of deploy/, tested without an init system and without a container engine. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { readSettings, SettingsError, settingRows } from '../../src/settings.ts';
import { eventually, freshDatabase, startService } from '../support/harness.ts';
import { freePort } from '../support/postgres-server.ts';
import { has } from '../support/web-proxies.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';

const root = new URL('../..', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const run = promisify(execFile);
const manifest: { scripts: Record<string, string>; dependencies: Record<string, string> } = JSON.parse(
  read('package.json'),
);
const startCommand = (manifest.scripts.start ?? '').replace(/^exec /, '');
const users = 'ana:admin:a-long-password';

const folder = await mkdtemp(join(tmpdir(), 'edgetrail-deploy-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('edgetrail.service', async () => {
  const unit = read('deploy/edgetrail.service');
  const value = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? '';
  const hasSystemd = await has('systemd-analyze', '--version');
  const file = join(folder, 'edgetrail.service');
  // The path of Node depends on the machine.
  await writeFile(file, unit.replace('/usr/bin/node', process.execPath));

  it('runs the command of npm start', () => {
    expect(value('ExecStart')).toBe(`/usr/bin/${startCommand}`);
    const onBun = /^# ExecStart=\S+ (\S+)$/m.exec(unit)?.[1] ?? '';
    expect(existsSync(new URL(onBun, root))).toBe(true);
  });

  it('has a stop timeout above the shutdown deadline of the service', () => {
    expect(Number(value('TimeoutStopSec')) * 1_000).toBeGreaterThan(Number(settingRows.SHUTDOWN_MS_MAX.fallback));
  });

  notOn(reasons.noSystemd, !hasSystemd).it('is valid for systemd', async () => {
    const { stdout, stderr } = await run('systemd-analyze', ['verify', file]);
    expect(stdout + stderr).toBe('');
  });

  notOn(reasons.noSystemd, !hasSystemd).it('has an exposure of at most 1.5 of 10 in systemd-analyze', async () => {
    await run('systemd-analyze', ['security', '--offline=yes', '--threshold=15', file]);
  });

  it('has settings that refuse to start until a user is named', () => {
    const settings = (text: string) =>
      Object.fromEntries([...text.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name, setting]) => [name, setting]));
    const shipped = read('deploy/edgetrail.env');
    expect(() => readSettings(settings(shipped))).toThrow(SettingsError);
    const changed = settings(shipped.replace(/^USERS=.*/m, `USERS=${users} bob:guest:another-one`));
    expect(readSettings(changed).USERS.map(({ name }) => name)).toEqual(['ana', 'bob']);
  });
});

describe('Containerfile', async () => {
  const text = read('deploy/Containerfile').replaceAll('\\\n', ' ');
  const [modules = '', bun = '', node = ''] = text.split(/^FROM .*$/m).slice(1);
  const copied = (stage: string) =>
    [...stage.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, paths = '']) => paths.split(' '));
  const command = (stage: string, name: string): string[] =>
    JSON.parse(new RegExp(`^${name}[^[]*(\\[.*\\])$`, 'm').exec(stage)?.[1] ?? '[]');
  const bunCommand = new URL('node_modules/.bin/bun', root).pathname;

  it.each([...new Set([...copied(modules), ...copied(bun), ...copied(node)])])('copies existing files: %s', (path) => {
    expect(existsSync(new URL(path, root))).toBe(true);
    expect(read('.dockerignore').split('\n')).toContain(`!${path}`);
  });

  it('runs the command of npm start as process 1 and not as root', () => {
    expect(command(node, 'CMD').join(' ')).toBe(startCommand);
    expect(copied(bun)).toEqual(copied(node));
    for (const stage of [bun, node]) expect(stage).toMatch(/^USER (bun|node)$/m);
  });

  it('has every package that the source imports', async () => {
    const files = await readdir(new URL('src/', root), { recursive: true });
    const imported = files
      .filter((name) => name.endsWith('.ts'))
      .flatMap((name) => [...read(`src/${name}`).matchAll(/^(?!import type).*(?:from|import) '([^'.][^']*)';$/gm)])
      .map(([, name = '']) => /^(@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? '')
      .filter((name) => !/^(node|cloudflare|bun)(:|$)/.test(name) && !builtinModules.includes(name));
    expect([...new Set(imported)].filter((name) => !(name in manifest.dependencies))).toEqual([]);
  });

  const service = await startService('postgres');
  it.each([
    ['node', node, process.execPath],
    ['bun', bun, bunCommand],
  ])('checks the health on %s', async (_runtime, stage, executable) => {
    const [, ...args] = command(stage, 'HEALTHCHECK');
    const health = (port: string) =>
      run(executable, args, { env: { PORT: port } }).then(
        () => 0,
        ({ code }) => code,
      );
    expect([await health(new URL(service.url).port), await health(String(await freePort()))]).toEqual([0, 1]);
  });

  it.each([
    ['node', node, process.execPath],
    ['bun', bun, bunCommand],
  ])(
    'contains everything that the service needs on %s, and the service exits with 0',
    async (runtime, stage, executable) => {
      const app = join(folder, runtime);
      await mkdir(app);
      for (const path of copied(stage)) await cp(new URL(path, root), join(app, path), { recursive: true });
      await symlink(new URL('node_modules', root), join(app, 'node_modules'));
      const [, ...args] = command(stage, 'CMD');
      const port = await freePort();
      const place = await freshDatabase('postgres');
      const settings = { ...place, PORT: String(port), USERS: users, HOST: '127.0.0.1', PATH: process.env.PATH };
      const child = spawn(executable, args, { cwd: app, env: settings, stdio: ['ignore', 'ignore', 'inherit'] });
      const ended = once(child, 'exit');
      try {
        const ask = (path: string) => fetch(`http://127.0.0.1:${port}${path}`).catch(() => null);
        await eventually('the service is ready', async () => (await ask('/readyz'))?.ok === true);
        expect((await ask('/public/style.css'))?.status).toBe(200);
      } finally {
        child.kill('SIGTERM');
      }
      expect(await ended).toEqual([0, null]);
    },
  );
});
