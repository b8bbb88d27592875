/** Health checks, and upgraded sockets that Node would leave open. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { credentials, eventually, json, sqlClient, startService } from '../support/harness.ts';

const event = { event_type: 'CREATE', entity_type: 'order' };

async function expectUnavailable(answer: Response): Promise<void> {
  const text = await answer.text();
  expect(answer.status, text).toBe(503);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(text).not.toMatch(/ECONN|127\.0\.0\.1|select|relation|database "/i);
}

it('an idle connection is kept for longer than the 60 s of proxies and clients', async () => {
  const service = await startService('pglite');
  const { hostname: host, port } = new URL(service.url);
  const socket = connect({ host, port: Number(port) });
  socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const [answer] = await once(socket, 'data');
  socket.destroy();
  expect(Number(/keep-alive: timeout=(\d+)/i.exec(String(answer))?.[1])).toBeGreaterThan(60);
});

describe('a database', async () => {
  const service = await startService('postgres');
  if (!('DATABASE_URL' in service.place)) throw new Error('not PostgreSQL');
  const { DATABASE_URL } = service.place;
  const sql = sqlClient(DATABASE_URL, 1);
  const isReady = async () => (await service.request('/readyz')).status === 200;

  it.each(['/livez', '/readyz'])('that works: %s responds with 200, without credentials, uncached', async (path) => {
    const answer = await service.request(path, { as: null });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toContain('no-store');
  });

  it('that is read-only is not ready', async () => {
    const name = new URL(DATABASE_URL).pathname.slice(1);
    const restart = () => sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`;
    await sql.unsafe(`alter database ${name} set default_transaction_read_only = on`);
    await restart();
    await eventually('the service is not ready', async () => (await service.request('/readyz')).status === 503);
    await expectUnavailable(await service.request('/api/logs', json(event)));
    await sql.unsafe(`alter database ${name} reset default_transaction_read_only`);
    await restart();
    await eventually('the service is ready again', isReady);
    expect(await service.write(event)).toHaveLength(1);
  });

  it('whose log lock is held too long: the write gets 503 and stores nothing', async () => {
    const count = async () => ((await (await service.request('/api/logs')).json()) as { total: number }).total;
    const before = await count();
    await sql.begin(async (held) => {
      await held`select from log_lock for update`;
      await expectUnavailable(await service.request('/api/logs', json(event)));
    });
    expect(await count()).toBe(before);
    expect(await service.write(event)).toHaveLength(1);
  });
});

/** A half-open client: it does not close its side when the server closes its own. */
async function halfOpenClient(port: number, host: string, bytes: string): Promise<Socket> {
  const socket = connect({ port, host, allowHalfOpen: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(bytes);
  await once(socket, 'data');
  socket.resume();
  return socket;
}

describe('an upgrade that is not to a WebSocket', async () => {
  const service = await startService('postgres');
  const port = Number(new URL(service.url).port);
  const upgrade = 'GET /livez HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n\r\n';

  it('gets a response and is closed, 50 at once', async () => {
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

  it('is closed although the client never closes its own side', async () => {
    const sockets = await Promise.all(Array.from({ length: 50 }, () => halfOpenClient(port, '127.0.0.1', upgrade)));
    // A write to a destroyed socket gets a reset.
    await eventually('every socket is closed', async () => {
      for (const socket of sockets) if (!socket.destroyed) socket.write('x');
      return sockets.every(({ destroyed }) => destroyed);
    });
  });

  it.each([
    ['a client without credentials', '401', ''],
    ['another site', '403', `authorization: ${credentials.admin}\r\norigin: https://evil.example\r\n`],
  ])('a refused handshake of %s is closed, too', async (_who, status, more) => {
    const handshake = `GET /ws/logs HTTP/1.1\r\nhost: x\r\n${more}upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${'A'.repeat(22)}==\r\n\r\n`;
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => {});
    socket.write(handshake);
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toContain(`HTTP/1.1 ${status}`);
    socket.resume();
    await eventually('the socket is closed', () => {
      if (!socket.destroyed) socket.write('x');
      return socket.destroyed;
    });
  });

  it('the service still stops', async () => {
    await service.stop();
  });
});
