/** Following by WebSocket: the same events as by SSE, in the envelope of the old dashboard. */
import { describe, expect, it } from 'vitest';
import { eventually, startService } from '../support/harness.ts';
import { followSocket, order, orders } from './follow.ts';

const service = await startService({ env: { HEARTBEAT_MS: '200' } });
const first = await service.write(orders(30));

it('sends the envelope of the old dashboard', async () => {
  const { socket, messages } = await followSocket(service, '?after=10&entity_type=order');
  await eventually('a message came', () => messages.length > 0);
  socket.terminate();
  const [message] = messages;
  expect(message?.type).toBe('logs');
  expect(message?.count).toBe(message?.data.length);
  expect(message?.data[0]).toEqual(first[10]);
});

describe('starts', () => {
  it('with the next event when no position is given', async () => {
    const { socket, ids } = await followSocket(service);
    const written = await service.write(orders(2));
    await eventually('both came', () => ids().length >= 2);
    expect(ids()).toEqual(written.map(({ id }) => id));
    socket.terminate();
  });

  it('after an id, and has no gap between stored and new events', async () => {
    const { socket, ids } = await followSocket(service, '?after=20');
    for (let i = 0; i < 20; i++) await service.write(orders(2));
    await eventually('all came', () => ids().length >= 50);
    expect(ids()).toEqual(ids().map((_, i) => 21 + i));
    socket.terminate();
  });

  it('after the last id of another socket', async () => {
    const before = await followSocket(service, '?after=5');
    await eventually('some came', () => before.ids().length > 0);
    before.socket.terminate();
    const last = before.ids().at(-1) ?? 0;
    const [entry] = await service.write(order(1));
    const { socket, ids } = await followSocket(service, `?after=${last}`);
    await eventually('the newest came', () => ids().at(-1) === entry?.id);
    expect(ids()[0]).toBe(last + 1);
    socket.terminate();
  });
});

it('a socket gets only events that match its filter', async () => {
  const { socket, messages } = await followSocket(service, '?entity_id=needle&entity_type!=payment');
  await service.write([
    order(1),
    { ...order(2), entity_id: 'needle', entity_type: 'payment' },
    { ...order(3), entity_id: 'needle' },
  ]);
  await eventually('one came', () => messages.length > 0);
  expect(messages.flatMap(({ data }) => data.map(({ entity_id }) => entity_id))).toEqual(['needle']);
  socket.terminate();
});

it('any text arrives unchanged', async () => {
  const { socket, messages } = await followSocket(service);
  const description = 'one\n\ndata: y\r\n\u2028\ufeff</script>🧾\u0001';
  await service.write(order(1, { description }));
  await eventually('it came', () => messages.length > 0);
  expect(messages[0]?.data[0]?.description).toBe(description);
  socket.terminate();
});

it('messages of a client are ignored', async () => {
  const { socket, ids, closed } = await followSocket(service);
  for (const words of ['hello', '{"type":"subscribe"}', Buffer.from([0, 255])]) socket.send(words);
  const [entry] = await service.write(order(1));
  await eventually('the socket still gets events', () => ids().at(-1) === entry?.id);
  socket.close(1000);
  await closed;
});

it('a client that sends a too large message is disconnected', async () => {
  const { socket, closed } = await followSocket(service);
  socket.send('x'.repeat(8 * 1024 * 1024));
  expect([1006, 1009]).toContain(await closed);
  expect((await service.request('/readyz')).status).toBe(200);
});
