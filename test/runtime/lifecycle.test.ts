/** The service as a process, on Node and Bun: start, signals, exit messages, and kill -9. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Entry } from '../../src/log/schema.ts';
import { credentials, eventually, freshPostgres, json } from '../support/harness.ts';
import { copyTemplate } from '../support/pglite-template.ts';
import { spawnService } from '../support/process.ts';
import { proxyTo } from '../support/proxy.ts';

const event = { event_type: 'CREATE', entity_type: 'order' };
const users = { USERS: 'admin:admin:admin-password guest:guest:guest-password' };
const headers = { authorization: credentials.admin, 'content-type': 'application/json' };
const post = (url: string) => fetch(`${url}/api/logs`, { ...json(event), headers });
const url = await freshPostgres();

const folders = await mkdtemp(join(tmpdir(), 'edgetrail-health-'));
afterAll(() => rm(folders, { recursive: true, force: true }));

/** Makes a migrated DATA_DIR and removes it after the file's tests. */
async function dataFolder(): Promise<string> {
  const folder = await mkdtemp(join(folders, 'data-'));
  await copyTemplate(folder);
  return folder;
}

const locksIn = async (folder: string) => (await readdir(folder)).filter((name) => name.startsWith('edgetrail.'));

describe.each(['node', 'bun'] as const)('the process on %s', async (runtime) => {
  const start = (settings: Record<string, string>) => spawnService({ ...users, ...settings }, runtime);
  const proxy = await proxyTo(url);

  it('listens without its database, responds with 503, and becomes ready by itself', async () => {
    await proxy.close();
    const service = start({ DATABASE_URL: proxy.url });
    const address = await service.ready;
    expect(service.output()).toMatch(/waits for its database.*not reached yet/s);
    expect(service.output()).not.toContain('is ready');
    expect((await fetch(`${address}/livez`)).status).toBe(200);
    const refused = await post(address);
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    // Long enough for two attempts: the outage is reported once.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await proxy.open();
    await eventually('the ready message', () => service.output().includes('the database was reached'));
    expect((await post(address)).status).toBe(201);
    expect(service.output().match(/cannot be reached yet/g)).toHaveLength(1);
    service.child.kill('SIGTERM');
    expect(await service.ended).toBe(0);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    '%s immediately ends a service that waits for its database',
    async (signal) => {
      await proxy.close();
      const service = start({ DATABASE_URL: proxy.url });
      await service.ready;
      // One that waited for its database would not end at all.
      service.child.kill(signal);
      expect(await service.ended).toBe(0);
      await proxy.open();
    },
  );

  it('exits with 1 and a message when the database does not exist', async () => {
    const nowhere = new URL(proxy.url);
    nowhere.pathname = '/there_is_no_such_database';
    const service = start({ DATABASE_URL: nowhere.href });
    expect(await service.ended).toBe(1);
    expect(service.output()).toMatch(/"message":"DATABASE_URL: .*there_is_no_such_database/);
    expect(service.output()).not.toMatch(/\n\s+at |"at":/);
    // Also when the server is reached only later.
    await proxy.close();
    const waiting = start({ DATABASE_URL: nowhere.href });
    await waiting.ready;
    await proxy.open();
    expect(await waiting.ended).toBe(1);
    expect(waiting.output()).toMatch(/"message":"DATABASE_URL: .*there_is_no_such_database/);
  });

  it('exits with a message when the port is in use', async () => {
    const first = start({ DATABASE_URL: url });
    const { port } = new URL(await first.ready);
    const second = start({ DATABASE_URL: url, PORT: port });
    expect(await second.ended).toBe(1);
    const lines = second
      .output()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(lines).toEqual([
      expect.objectContaining({ level: 'info', what: expect.stringMatching(/^Edgetrail is starting/) }),
      {
        time: expect.any(String),
        level: 'error',
        what: 'Edgetrail could not start',
        message: `PORT: ${port} is in use on this machine`,
      },
    ]);
    first.child.kill('SIGTERM');
    expect(await first.ended).toBe(0);
  });

  it('ends immediately on a second signal, although a request is running', async () => {
    const service = start({ DATABASE_URL: url });
    const { port } = new URL(await service.ready);
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('error', () => {});
    const head = `POST /api/logs HTTP/1.1\r\nhost: x\r\nauthorization: ${credentials.admin}\r\ncontent-type: application/json`;
    socket.write(`${head}\r\ncontent-length: 100\r\nexpect: 100-continue\r\n\r\n`);
    await once(socket, 'data');
    service.child.kill('SIGTERM');
    await eventually('it accepts no more connections', () =>
      fetch(`http://127.0.0.1:${port}/livez`).then(
        () => false,
        () => true,
      ),
    );
    service.child.kill('SIGTERM');
    expect(await service.ended).toBe(1);
  });

  it('ends on a SIGTERM that npm receives', async () => {
    const { PATH = '', HOME = '' } = process.env;
    const script = runtime === 'node' ? ['start'] : ['run', 'start:bun'];
    const npm = spawn('npm', script, { env: { PATH, HOME, PORT: '0', DATABASE_URL: url, ...users } });
    const ended = once(npm, 'exit');
    let output = '';
    npm.stdout.on('data', (chunk) => {
      output += chunk;
    });
    await eventually('the service is ready', () => output.includes('sign in'));
    const address = /address\s+(http:\S+)/.exec(output)?.[1]?.replace('localhost', '127.0.0.1') ?? '';
    expect((await fetch(`${address}/livez`)).status).toBe(200);
    npm.kill('SIGTERM');
    await ended;
    // The service does not survive npm as an orphan.
    await eventually('the service has ended', () =>
      fetch(`${address}/livez`).then(
        () => false,
        () => true,
      ),
    );
  });

  it('keeps acknowledged events after kill -9, and a restart takes the lock over', async () => {
    const folder = await dataFolder();
    const service = start({ DATA_DIR: folder });
    const address = await service.ready;
    // One process may open a folder: the message of the second names the folder and the first process.
    const second = start({ DATA_DIR: folder });
    expect(await second.ended).toBe(1);
    expect(second.output()).toContain(folder);
    expect(second.output()).toMatch(new RegExp(`\\b${service.child.pid}\\b`));
    expect(second.output()).not.toMatch(/\n\s+at |"at":/);
    const answer = await post(address);
    expect(answer.status).toBe(201);
    const entry = (await answer.json()) as Entry;
    service.child.kill('SIGKILL');
    expect(await service.ended).toBe('SIGKILL');
    expect(await locksIn(folder)).toHaveLength(1);
    const again = start({ DATA_DIR: folder });
    const kept = await fetch(`${await again.ready}/api/logs/${entry.id}`, { headers });
    expect(await kept.json()).toEqual(entry);
    again.child.kill('SIGTERM');
    expect(await again.ended).toBe(0);
    expect(await locksIn(folder)).toEqual([]);
  });
});
