/** Cached reads (Hyperdrive's default) make the service not ready, with a message. */
import { expect, it } from 'vitest';
import { freshPostgres, startService } from '../../support/harness.ts';
import { cachingProxyTo } from './caching-proxy.ts';

const ready = async (DATABASE_URL: string) => {
  const service = await startService({ place: { DATABASE_URL } });
  const answer = await service.request('/readyz');
  return { status: answer.status, text: await answer.text(), service };
};

it('is ready where every question reaches the database', async () => {
  expect(await ready(await freshPostgres())).toMatchObject({ status: 200 });
});

it('is not where answers come from a cache', async () => {
  const { status, text, service } = await ready(await cachingProxyTo(await freshPostgres()));
  expect(text).toContain('Hyperdrive');
  expect(status).toBe(503);
  // The cache is a real one: what was written is not read.
  const total = async () => (await (await service.request('/api/logs')).json()).total;
  expect(await total()).toBe(0);
  await service.write([{ event_type: 'A', entity_type: 'b' }]);
  expect(await total()).toBe(0);
});
