/** Pings of WebSockets: who does not answer is cut off, but not by a process that was too busy to read the answer. */
import { it } from 'vitest';
import { followSocket, order } from '../conformance/follow.ts';
import { eventually, startService } from '../support/harness.ts';

it('a process that was busy for longer than the interval of the pings does not cut off who has answered', async () => {
  const ping_ms = 50;
  const service = await startService('postgres', { env: { HEARTBEAT_MS: String(ping_ms) } });
  const { socket, ids } = await followSocket(service);
  for (let round = 0; round < 20; round += 1) {
    // The service and this client are one process: neither reads anything meanwhile.
    for (const until = performance.now() + 2 * ping_ms; performance.now() < until; );
    await new Promise((resolve) => setImmediate(resolve));
  }
  const [entry] = await service.write(order(1));
  await eventually('the socket has the event', () => ids().at(-1) === entry?.id);
  socket.terminate();
});
