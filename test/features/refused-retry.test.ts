/** Refused events that are sent once more to a far side that says later whether it keeps them. */
import { expect, it } from 'vitest';
import { eventually, json, startService } from '../support/harness.ts';
import { splunk } from '../support/sinks/splunk.ts';

const secret = 'a-secret-that-nobody-sees';
process.env.RETRY_SECRET = secret;
const service = await startService('postgres', { env: { OUTBOUND_ALLOW: '127.0.0.0/8' } });
const post = (path: string) => service.request(path, { method: 'POST' });
const sink = async () =>
  (await (await service.request('/api/sinks/hec')).json()) as { cursor: number; refused_events: number };

it('with acknowledgement waits for it: the event is kept, is there once, and is no longer among the refused', async () => {
  const far = await splunk(secret, true);
  const [first, second] = await service.write([
    { event_type: 'CREATE', entity_type: 'order' },
    { event_type: 'UPDATE', entity_type: 'order' },
  ]);
  far.isPoison = (id) => id === second?.id;
  const spec = { kind: 'splunk', url: far.url, token: 'env:RETRY_SECRET', ack: true, filter: 'entity_type=order' };
  await service.request('/api/sinks/hec', { ...json(spec), method: 'PUT' });
  await eventually('one is refused', async () => (await sink()).refused_events === 1);
  await eventually('the other is kept', async () => (await sink()).cursor >= (second?.id ?? 0));
  delete far.isPoison;
  const retried = await (await post('/api/sinks/hec/refused/retry')).json();
  expect(retried).toMatchObject({ kept: 1, refused: 0, not_now: 0, refused_events: 0 });
  expect([far.indexed, far.faults]).toEqual([[first?.id, second?.id], []]);
  await far.close();
});
