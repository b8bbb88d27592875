/** Shutdown: running writes finish, streams end, no client delays it, and no acknowledged event is lost. */
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import type { Entry } from '../../src/log/schema.ts';
import { halfPost } from '../support/half-post.ts';
import { isEntry, json, sseMessages, startService } from '../support/harness.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';
import { follow, followSocket, openUnreadStream, order } from './follow.ts';

notOn(reasons.noShutdown).describe('a service that shuts down', async () => {
  const busy = await startService();
  const blocked = await startService({ env: { SHUTDOWN_MS_MAX: '500' } });

  it('finishes writes, ends streams, closes sockets with 1001 and accepts no more connections', async () => {
    const streamed: string[] = [];
    const stream = await follow(busy);
    const streamEnd = (async () => {
      for await (const message of sseMessages(stream)) if (isEntry(message)) streamed.push(message.data ?? '');
      return 'ended';
    })().catch(() => 'cut');
    const { closed } = await followSocket(busy);
    const half = await halfPost(busy.url, JSON.stringify(order(0, { entity_id: 'half' })));
    const posts = Array.from({ length: 40 }, (_, i) =>
      busy.request('/api/logs', json(order(i))).then(
        async (answer) => ({ status: answer.status, entry: (await answer.json()) as Entry }),
        () => null,
      ),
    );
    // One event is stored: the other requests are running.
    await Promise.race(posts);
    const stopped = busy.stop();
    const answers = (await Promise.all(posts)).filter((answer) => answer !== null);
    expect(await streamEnd).toBe('ended');
    expect(await closed).toBe(1001);
    expect(await half.finish()).toBe(201);
    await stopped;
    await expect(fetch(busy.url)).rejects.toThrow();
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));

    const again = await startService({ place: busy.place });
    const listing = await again.request('/api/logs?limit=1000');
    const { logs, total } = (await listing.json()) as { logs: Entry[]; total: number };
    const acknowledged = [...answers.map(({ entry }) => entry.entity_id), 'half'];
    expect(logs.map(({ entity_id }) => entity_id)).toEqual(expect.arrayContaining(acknowledged));
    expect(new Set(logs.map(({ id }) => id))).toEqual(new Set(Array.from({ length: total }, (_, i) => i + 1)));
    await again.stop();
  });

  it('is not delayed by clients that never finish, never read and never close', async () => {
    await halfPost(blocked.url, JSON.stringify(order(0)));
    const { hostname: host, port } = new URL(blocked.url);
    const follower = await followSocket(blocked);
    follower.socket.pause();
    const sockets = await Promise.all([
      openUnreadStream(blocked, '/api/logs/stream'),
      ...[
        'GET /livez HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n',
        'GET /livez HTTP/1.1\r\nhos',
        '',
      ].map(async (bytes) => {
        const socket = connect({ host, port: Number(port), allowHalfOpen: true });
        socket.on('error', () => {});
        await new Promise((resolve) => socket.write(bytes, resolve));
        return socket;
      }),
    ]);
    const started = Date.now();
    await blocked.stop();
    expect(Date.now() - started).toBeLessThan(15_000);
    for (const socket of sockets) socket.destroy();
    follower.socket.terminate();
  });
});
