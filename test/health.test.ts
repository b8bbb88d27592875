/** Whether it lives and can work, how it ends, and what a power of nature leaves behind: a kill, a lock, a half-open socket. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, inject, it } from 'vitest';
import WebSocket from 'ws';
import type { Entry } from '../src/schema.ts';
import {
  credentials,
  databases,
  eventually,
  freshDatabase,
  json,
  sqlClient,
  sseMessages,
  startService,
  type TestService,
} from './harness.ts';
import { spawnService } from './process.ts';
import { proxyTo } from './proxy.ts';

const event = { event_type: 'CREATE', entity_type: 'order' };
const users = { USERS: 'admin:admin:admin-password guest:guest:guest-password' };
const headers = { authorization: credentials.admin, 'content-type': 'application/json' };

async function expectNotNow(answer: Response): Promise<void> {
  const text = await answer.text();
  expect(answer.status, text).toBe(503);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(text).not.toMatch(/ECONN|127\.0\.0\.1|select|relation|database "/i);
}

describe.each(databases)('on %s', async (database) => {
  const service = await startService(database);

  it.each(['/livez', '/readyz'])('%s is well', async (path) => {
    const answer = await service.request(path, { as: null });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toContain('no-store');
  });
});

describe('a database that goes away', async () => {
  const place = await freshDatabase('postgres');
  if (!('DATABASE_URL' in place)) throw new Error('not PostgreSQL');
  const proxy = await proxyTo(place.DATABASE_URL);
  const service = await startService('postgres', { place: { DATABASE_URL: proxy.url } });
  await service.write(event);
  const sql = sqlClient(place.DATABASE_URL, 1);
  const isReady = async () => (await service.request('/readyz')).status === 200;

  it('makes the service unready and refuses with 503, and all is well when it is back', async () => {
    await proxy.close();
    expect((await service.request('/livez')).status).toBe(200);
    await expectNotNow(await service.request('/readyz'));
    await expectNotNow(await service.request('/api/logs'));
    await expectNotNow(await service.request('/api/logs/1'));
    await expectNotNow(await service.request('/api/logs/stats'));
    await expectNotNow(await service.request('/api/logs/stream'));
    await expectNotNow(await service.request('/logs'));
    await expectNotNow(await service.request('/api/logs', json({ ...event, entity_id: 'refused' })));
    await proxy.open();
    await eventually('it is ready again', isReady);
    const [entry] = await service.write({ ...event, entity_id: 'after' });
    expect(entry?.id).toBe(2);
  });

  it('answers soon in an outage, however long it lasts, and works soon after', async () => {
    const soon_ms = 3_000;
    const timed = async (path: string) => {
      const asked = Date.now();
      const { status } = await service.request(path);
      expect(Date.now() - asked, `${path} answered ${status}`).toBeLessThan(soon_ms);
      return status;
    };
    await proxy.close();
    // Each failure is one more for a client that waits longer after every failure.
    try {
      for (let i = 0; i < 10; i++) expect(await timed('/readyz')).toBe(503);
    } finally {
      await proxy.open();
    }
    await eventually('it is ready again', async () => (await timed('/readyz')) === 200, soon_ms);
  });

  it('lets a follower go on where it was', async () => {
    const stream = await service.request('/api/logs/stream');
    const messages = sseMessages(stream);
    await messages.next();
    await service.write({ ...event, entity_id: 'before' });
    await proxy.close();
    await expectNotNow(await service.request('/readyz'));
    await proxy.open();
    await eventually('it is ready again', isReady);
    await service.write({ ...event, entity_id: 'after' });
    const followed: unknown[] = [];
    for await (const { data } of messages) {
      if (data) followed.push((JSON.parse(data) as Entry).entity_id);
      if (followed.length === 2) break;
    }
    expect(followed).toEqual(['before', 'after']);
  });

  it('that may not be written to is not ready either', async () => {
    const name = new URL(place.DATABASE_URL).pathname.slice(1);
    const restart = () => sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`;
    await sql.unsafe(`alter database ${name} set default_transaction_read_only = on`);
    await restart();
    await eventually('it has noticed', async () => (await service.request('/readyz')).status === 503);
    await expectNotNow(await service.request('/api/logs', json(event)));
    await sql.unsafe(`alter database ${name} reset default_transaction_read_only`);
    await restart();
    await eventually('it is ready again', isReady);
    expect(await service.write(event)).toHaveLength(1);
  });

  it('whose writers wait for a lock too long refuses with 503 and stores nothing', async () => {
    const count = async () => ((await (await service.request('/api/logs')).json()) as { total: number }).total;
    const before = await count();
    await sql.begin(async (held) => {
      await held`select from log_lock for update`;
      await expectNotNow(await service.request('/api/logs', json(event)));
    });
    expect(await count()).toBe(before);
    expect(await service.write(event)).toHaveLength(1);
  });
});

const folders = await mkdtemp(join(tmpdir(), 'edgetrail-health-'));
afterAll(() => rm(folders, { recursive: true, force: true }));

/** A migrated DATA_DIR; gone after the file's tests. */
async function dataFolder(): Promise<string> {
  const folder = await mkdtemp(join(folders, 'data-'));
  await cp(inject('templateFolder'), folder, { recursive: true });
  return folder;
}

const get = async <T>(url: string) => (await (await fetch(url, { headers })).json()) as T;

/** A POST of which only the beginning is sent; `finish` sends the rest and gives the answer. */
async function halfPost(url: string, body: string): Promise<{ finish(): Promise<number> }> {
  const post = httpRequest(`${url}/api/logs`, {
    method: 'POST',
    headers: { ...headers, 'content-length': body.length },
  });
  const answered = once(post, 'response').then(([answer]) => {
    answer.resume();
    return answer.statusCode as number;
  });
  answered.catch(() => {});
  post.on('error', () => {});
  post.write(body.slice(0, 10));
  await once(post, 'socket');
  return {
    finish: () => {
      post.end(body.slice(10));
      return answered;
    },
  };
}

describe('SIGTERM', () => {
  it('lets running writes finish, ends the streams, refuses new ones, and ends with 0; nothing is lost', async () => {
    const folder = await dataFolder();
    const service = spawnService({ DATA_DIR: folder, ...users });
    const url = await service.ready;
    const sse = await fetch(`${url}/api/logs/stream`, { headers });
    const streamed: string[] = [];
    const streamEnd = (async () => {
      for await (const { data } of sseMessages(sse)) if (data) streamed.push(data);
      return 'ended';
    })().catch(() => 'cut');
    const socket = new WebSocket(`${url.replace('http', 'ws')}/ws/logs`, { headers });
    await once(socket, 'open');
    const socketEnd = once(socket, 'close').then(([code]) => code as number);
    const half = await halfPost(url, JSON.stringify({ ...event, entity_id: 'half' }));
    const posts = Array.from({ length: 40 }, (_, i) =>
      fetch(`${url}/api/logs`, { method: 'POST', headers, body: JSON.stringify({ ...event, entity_id: i }) }).then(
        async (answer) => ({ status: answer.status, entry: (await answer.json()) as Entry }),
        () => null,
      ),
    );
    // The first has been stored: the others are on their way.
    await Promise.race(posts);
    const asked = Date.now();
    service.child.kill('SIGTERM');
    const answers = await Promise.all(posts);
    expect(await streamEnd).toBe('ended');
    expect(await socketEnd).toBe(1001);
    expect(await half.finish()).toBe(201);
    expect(await service.ended).toBe(0);
    expect(Date.now() - asked).toBeLessThan(10_000);
    const stored = answers.filter((answer) => answer !== null);
    expect(stored.map(({ status }) => status)).toEqual(stored.map(() => 201));
    await expect(access(join(folder, 'edgetrail.lock'))).rejects.toThrow();

    const again = spawnService({ DATA_DIR: folder, ...users });
    const { logs, total } = await get<{ logs: Entry[]; total: number }>(`${await again.ready}/api/logs?limit=1000`);
    expect(logs.map(({ entity_id }) => entity_id)).toEqual(
      expect.arrayContaining([...stored.map(({ entry }) => entry.entity_id), 'half']),
    );
    expect(logs.map(({ id }) => id).toSorted((a, b) => a - b)).toEqual(Array.from({ length: total }, (_, i) => i + 1));
    again.child.kill('SIGTERM');
    expect(await again.ended).toBe(0);
  });

  it('is obeyed within 10 s though clients never finish, never read and never close', async () => {
    const service = spawnService({ DATA_DIR: await dataFolder(), ...users });
    const url = await service.ready;
    await halfPost(url, JSON.stringify(event));
    const { hostname: host, port } = new URL(url);
    const auth = `host: x\r\nauthorization: ${credentials.admin}\r\n`;
    const websocket = `upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${'A'.repeat(22)}==\r\n`;
    const sockets = await Promise.all(
      [
        `GET /api/logs/stream HTTP/1.1\r\n${auth}\r\n`,
        `GET /ws/logs HTTP/1.1\r\n${auth}${websocket}\r\n`,
        `GET /ws/logs HTTP/1.1\r\nhost: x\r\n${websocket}\r\n`,
        `GET /livez HTTP/1.1\r\n${auth}upgrade: h2c\r\nconnection: upgrade\r\n\r\n`,
        'GET /livez HTTP/1.1\r\nhos',
        '',
      ].map((bytes) => stubborn(Number(port), host, bytes)),
    );
    const asked = Date.now();
    service.child.kill('SIGTERM');
    expect(await service.ended).toBe(0);
    expect(Date.now() - asked).toBeLessThan(10_000);
    for (const socket of sockets) socket.destroy();
  });

  it('reaches the service through npm start', async () => {
    const folder = await dataFolder();
    const { PATH = '', HOME = '' } = process.env;
    const npm = spawn('npm', ['start'], { env: { PATH, HOME, PORT: '0', DATA_DIR: folder, ...users } });
    const ended = once(npm, 'exit');
    let said = '';
    npm.stdout.on('data', (chunk) => {
      said += chunk;
    });
    await eventually('npm start serves', () => said.includes('sign in'), 20_000);
    npm.kill('SIGTERM');
    await ended;
    // The lock file is what a service that was merely orphaned would still hold.
    await eventually('the service has gone', () =>
      access(join(folder, 'edgetrail.lock')).then(
        () => false,
        () => true,
      ),
    );
  });

  it('SIGINT does the same', async () => {
    const service = spawnService({ DATA_DIR: await dataFolder(), ...users });
    await service.ready;
    service.child.kill('SIGINT');
    expect(await service.ended).toBe(0);
  });
});

/** A client that does not close its side when the other has closed its own. */
async function stubborn(port: number, host: string, bytes: string): Promise<Socket> {
  const socket = connect({ port, host, allowHalfOpen: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  if (bytes) await new Promise((resolve) => socket.write(bytes, resolve));
  // All but the two that ask nothing whole get an answer: only then has the service met them.
  if (bytes.endsWith('\r\n\r\n')) await once(socket, 'data');
  socket.resume();
  return socket;
}

describe('a process that is killed', () => {
  it('keeps what it has acknowledged', async () => {
    const folder = await dataFolder();
    const service = spawnService({ DATA_DIR: folder, ...users });
    const url = await service.ready;
    const answer = await fetch(`${url}/api/logs`, { method: 'POST', headers, body: JSON.stringify(event) });
    expect(answer.status).toBe(201);
    const entry = (await answer.json()) as Entry;
    service.child.kill('SIGKILL');
    expect(await service.ended).toBe('SIGKILL');
    // Its lock is still there, and nobody's.
    await access(join(folder, 'edgetrail.lock'));
    const again = spawnService({ DATA_DIR: folder, ...users });
    expect(await get<Entry>(`${await again.ready}/api/logs/${entry.id}`)).toEqual(entry);
  });
});

describe('a DATA_DIR', () => {
  it('belongs to one process: a second ends with 1 and names the folder and the first', async () => {
    const folder = await dataFolder();
    const first = spawnService({ DATA_DIR: folder, ...users });
    const url = await first.ready;
    const started = Date.now();
    const second = spawnService({ DATA_DIR: folder, ...users });
    expect(await second.ended).toBe(1);
    expect(Date.now() - started).toBeLessThan(8_000);
    expect(second.output()).toContain(folder);
    expect(second.output()).toMatch(new RegExp(`\\b${first.child.pid}\\b`));
    expect(second.output()).not.toMatch(/\n\s+at /);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect(JSON.parse(await readFile(join(folder, 'edgetrail.lock'), 'utf8'))).toMatchObject({ pid: first.child.pid });
  });

  it.each<[string, () => string]>([
    ['of a process that is gone', () => JSON.stringify({ pid: 2 ** 22 - 1, host: hostname(), started: '1' })],
    [
      'of a process whose number another has now',
      () => JSON.stringify({ pid: process.pid, host: hostname(), started: '1' }),
    ],
    ['that was written by half', () => '{"pid":'],
    ['that is empty', () => ''],
  ])('with a lock %s is taken over', async (_whose, lock) => {
    const folder = await dataFolder();
    await writeFile(join(folder, 'edgetrail.lock'), lock());
    const service = await startService('pglite', { place: { DATA_DIR: folder } });
    expect(await service.write(event)).toHaveLength(1);
    expect(JSON.parse(await readFile(join(folder, 'edgetrail.lock'), 'utf8'))).toMatchObject({ pid: process.pid });
    await service.stop();
    await expect(access(join(folder, 'edgetrail.lock'))).rejects.toThrow();
  });

  it('of another machine that lives is left alone', async () => {
    const folder = await dataFolder();
    await writeFile(join(folder, 'edgetrail.lock'), JSON.stringify({ pid: 1, host: 'another-machine', started: '1' }));
    await expect(startService('pglite', { place: { DATA_DIR: folder } })).rejects.toThrow(/another-machine/);
  });
});

describe('an upgrade that is not to a WebSocket', async () => {
  const service: TestService = await startService('pglite');
  const port = Number(new URL(service.url).port);
  const upgrade = 'GET /livez HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n\r\n';

  it('is answered and closed, fifty times', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const socket = connect(port, '127.0.0.1');
        let text = '';
        socket.on('data', (chunk) => {
          text += chunk;
        });
        socket.write(upgrade);
        await once(socket, 'close');
        return text;
      }),
    );
    for (const text of answers) expect(text).toMatch(/^HTTP\/1\.1 \d{3} /);
    expect((await service.request('/livez')).status).toBe(200);
  });

  it('does not keep a socket of a client that never closes its own side', async () => {
    const sockets = await Promise.all(Array.from({ length: 50 }, () => stubborn(port, '127.0.0.1', upgrade)));
    // A socket that the service has given up resets what is written to it; one that it keeps takes it.
    await eventually('every socket is gone', async () => {
      for (const socket of sockets) if (!socket.destroyed) socket.write('x');
      return sockets.every(({ destroyed }) => destroyed);
    });
  });

  it.each([
    ['no one', '401', ''],
    ['another site', '403', `authorization: ${credentials.admin}\r\norigin: https://evil.example\r\n`],
  ])('nor does a refused handshake of %s', async (_who, status, more) => {
    const handshake = `GET /ws/logs HTTP/1.1\r\nhost: x\r\n${more}upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${'A'.repeat(22)}==\r\n\r\n`;
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => {});
    socket.write(handshake);
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toContain(`HTTP/1.1 ${status}`);
    socket.resume();
    await eventually('the socket is gone', () => {
      if (!socket.destroyed) socket.write('x');
      return socket.destroyed;
    });
  });

  it('the service still stops at once', async () => {
    const asked = Date.now();
    await service.stop();
    expect(Date.now() - asked).toBeLessThan(3_000);
  });
});
