/** Cached reads (Hyperdrive's default) make the service not ready, with a message. */
import { expect, it } from 'vitest';
import { freshPostgres, startService } from '../../support/harness.ts';
import { cachingProxyTo } from './caching-proxy.ts';

const ready = async (DATABASE_URL: string) => {
  const service = await startService({ place: { DATABASE_URL } });
  const answer = await service.request('/readyz');
  return { status: answer.status, text: await answer.text(), service };
};

it('is ready when every query reaches the database', async () => {
  expect(await ready(await freshPostgres())).toMatchObject({ status: 200 });
});

it('is not ready when a cache answers queries', async () => {
  const { status, text, service } = await ready(await cachingProxyTo(await freshPostgres()));
  expect(text).toContain('Hyperdrive');
  expect(status).toBe(503);
  // The cache is effective: a read does not return the written event.
  const total = async () => (await (await service.request('/api/logs')).json()).total;
  expect(await total()).toBe(0);
  await service.write([{ event_type: 'A', entity_type: 'b' }]);
  expect(await total()).toBe(0);
});
