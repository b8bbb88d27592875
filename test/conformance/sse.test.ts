/** Following by server-sent events: the start position, the events, and the heartbeat. */
import { expect, it } from 'vitest';
import { startService } from '../support/harness.ts';
import { follow, idsOf, order, orders, take } from './follow.ts';

const service = await startService({ env: { HEARTBEAT_MS: '200' } });
const first = await service.write(orders(30));

it('the response has a first message before any event is written', async () => {
  const answer = await follow(service);
  expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/);
  expect(answer.headers.get('x-accel-buffering')).toBe('no');
  const [comment] = await take(answer, 1, () => true);
  expect(comment).toEqual({ id: null, cursor: null, event: null, data: null });
});

it('a stream without a position starts with the next event', async () => {
  const answer = await follow(service);
  const reading = take(answer, 2);
  const written = await service.write(orders(2));
  expect(idsOf(await reading)).toEqual(written.map(({ id }) => id));
});

it.each([
  ['?after=25', {}, 25],
  ['', { 'last-event-id': '27' }, 27],
  ['?after=3', { 'last-event-id': '28' }, 28],
  ['?after=0', {}, 0],
])('a stream with %s %o starts after the id %i', async (query, headers, after) => {
  const [message] = await take(await follow(service, query, headers), 1);
  expect(message?.id).toBe(String(after + 1));
  expect(JSON.parse(message?.data ?? '')).toEqual(first[after]);
});

it('a stream has no gap between stored and new events', async () => {
  const reading = take(await follow(service, '?after=20&entity_type=order'), 30);
  const more: number[] = [];
  while (more.length < 40) more.push(...(await service.write(orders(2))).map(({ id }) => id));
  const ids = idsOf(await reading);
  expect(ids).toEqual(ids.map((_, i) => 21 + i));
});

it('a stream has only events that match its filter', async () => {
  const reading = take(await follow(service, '?entity_id=needle&entity_type!=payment'), 1);
  await service.write([
    order(1),
    { ...order(2), entity_id: 'needle', entity_type: 'payment' },
    { ...order(3), entity_id: 'needle' },
  ]);
  expect((await reading).map(({ data }) => JSON.parse(data ?? '').entity_id)).toEqual(['needle']);
});

it('text with line breaks arrives unchanged', async () => {
  const description = 'one\n\nevent: x\ndata: y\r\nid: 9\u2028\ufeff</script>';
  const reading = take(await follow(service), 1);
  await service.write([order(1, { description })]);
  const [message] = await reading;
  expect(JSON.parse(message?.data ?? '').description).toBe(description);
});

it('a heartbeat has the newest id, also when no event matches the filter', async () => {
  const answer = await follow(service, '?entity_id=never');
  const [newest] = (await service.write([order(1)])).map(({ id }) => id);
  const beats = await take(answer, 1, ({ id, data }) => id === String(newest) && data === null);
  expect(beats).toHaveLength(1);
});
