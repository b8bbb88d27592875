/** Following: where it starts, what keeps it alive, and what becomes of a reader that does not read. */
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import {
  credentials,
  databases,
  eventually,
  type SseMessage,
  sseMessages,
  startService,
  type TestService,
} from './harness.ts';

const n_deaf = 40;

const order = (n: number, more: object = {}) => ({
  event_type: 'CREATE',
  entity_type: 'order',
  entity_id: String(n),
  ...more,
});
const orders = (n: number, more: object = {}) => Array.from({ length: n }, (_, i) => order(i, more));

/** Reads messages of a stream until there are as many as wanted, then hangs up. */
async function take(
  answer: Response,
  n: number,
  wanted: (message: SseMessage) => boolean = ({ data }) => data !== null,
) {
  const taken: SseMessage[] = [];
  for await (const message of sseMessages(answer)) {
    if (wanted(message)) taken.push(message);
    if (taken.length === n) break;
  }
  return taken;
}

const ids = (messages: SseMessage[]) => messages.map(({ id }) => Number(id));

/** An open request whose answer nobody reads. */
function deafReader(service: TestService, path: string, headers: string[] = []): Promise<Socket> {
  const { hostname, port } = new URL(service.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(
        [`GET ${path} HTTP/1.1`, `Host: ${hostname}`, `Authorization: ${credentials.guest}`, ...headers, '', ''].join(
          '\r\n',
        ),
      );
      socket.pause();
      resolve(socket);
    });
    socket.on('error', reject);
  });
}

describe.each(databases)('following on %s', async (database) => {
  const service = await startService(database, { env: { HEARTBEAT_MS: '200', STALL_MS_MAX: '500' } });
  const first = await service.write(orders(30));
  const stream = (path = '', headers: Record<string, string> = {}) =>
    service.request(`/api/logs/stream${path}`, { as: 'guest', headers });

  it('says so at once, before anything happens', async () => {
    const answer = await stream();
    expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(answer.headers.get('x-accel-buffering')).toBe('no');
    const [hello] = await take(answer, 1, () => true);
    expect(hello).toEqual({ id: null, event: null, data: null });
  });

  it('starts now when nothing else is said', async () => {
    const answer = await stream();
    const reading = take(answer, 2);
    const written = await service.write(orders(2));
    expect(ids(await reading)).toEqual(written.map(({ id }) => id));
  });

  it.each([
    ['?after=25', {}, 25],
    ['', { 'last-event-id': '27' }, 27],
    ['?after=3', { 'last-event-id': '28' }, 28],
    ['?after=0', {}, 0],
  ])('starts after %s %o', async (path, headers, after) => {
    const [message] = await take(await stream(path, headers), 1);
    expect(message?.id).toBe(String(after + 1));
    expect(JSON.parse(message?.data ?? '')).toEqual(first[after]);
  });

  it('follows only what the filter matches', async () => {
    const answer = await stream('?entity_id=needle&entity_type!=payment');
    const reading = take(answer, 1);
    await service.write([
      order(1),
      { ...order(2), entity_id: 'needle', entity_type: 'payment' },
      { ...order(3), entity_id: 'needle' },
    ]);
    expect((await reading).map(({ data }) => JSON.parse(data ?? '').entity_id)).toEqual(['needle']);
  });

  it('carries text with line breaks unharmed', async () => {
    const description = 'one\n\nevent: x\ndata: y\r\nid: 9\u2028\ufeff</script>';
    const answer = await stream();
    const reading = take(answer, 1);
    await service.write([order(1, { description })]);
    const [message] = await reading;
    expect(JSON.parse(message?.data ?? '').description).toBe(description);
  });

  it('beats while nothing happens, and brings a follower of a rare filter up to date', async () => {
    const answer = await stream('?entity_id=never');
    const [newest] = (await service.write([order(1)])).map(({ id }) => id);
    const beats = await take(answer, 1, ({ id, data }) => id === String(newest) && data === null);
    expect(beats).toHaveLength(1);
  });

  it('sends sockets the envelope of the old dashboard', async () => {
    const socket = new WebSocket(`${service.url.replace('http', 'ws')}/ws/logs?after=10&entity_type=order`, {
      headers: { authorization: credentials.guest },
    });
    const message = await new Promise<{ type: string; count: number; data: { id: number }[] }>((resolve, reject) => {
      socket.once('message', (text) => resolve(JSON.parse(String(text))));
      socket.once('error', reject);
    });
    socket.terminate();
    expect(message.type).toBe('logs');
    expect(message.count).toBe(message.data.length);
    expect(message.data[0]).toEqual(first[10]);
  });

  it('cuts readers that do not read, and stays small', { timeout: 60_000 }, async () => {
    // Each asks something else, so that what they are owed is not shared.
    const path = (i: number) => `${i % 2 ? '/ws/logs' : '/api/logs/stream'}?entity_id!=never${i}`;
    const handshake = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${btoa('0123456789abcdef')}`,
    ];
    const deaf = await Promise.all(
      Array.from({ length: n_deaf }, (_, i) => deafReader(service, path(i), i % 2 ? handshake : [])),
    );
    const ended = deaf.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    const before = process.memoryUsage().rss;
    const bulk = { description: 'x'.repeat(5_000) };
    const written: number[] = [];
    // 24 MB for each: more than the kernel takes for a reader that never reads, with our own limit on top.
    for (let i = 0; i < 32; i++) written.push(...(await service.write(orders(150, bulk))).map(({ id }) => id));
    expect(process.memoryUsage().rss - before).toBeLessThan((n_deaf * 24 * 1024 * 1024) / 2);
    // Only reading shows a socket that it was closed.
    for (const socket of deaf) socket.resume();
    await Promise.all(ended);
    const resumed = await take(await stream(`?after=${(written[0] ?? 0) - 1}`), written.length);
    expect(ids(resumed)).toEqual(written);
  });

  it('ends streams and sockets when the service goes away', async () => {
    const answer = await stream();
    const reading = take(answer, Number.POSITIVE_INFINITY);
    const socket = new WebSocket(`${service.url.replace('http', 'ws')}/ws/logs`, {
      headers: { authorization: credentials.guest },
    });
    await new Promise((resolve) => socket.once('open', resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await service.stop();
    await reading;
    expect(await closed).toBe(1001);
    await eventually('nothing listens any more', () =>
      fetch(service.url).then(
        () => false,
        () => true,
      ),
    );
  });
});
