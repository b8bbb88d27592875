/** Secrets in what is written are replaced before they are stored: the answer names the fields, and nobody reads them. */
import { expect, it } from 'vitest';
import { eventually, json, sqlClient, startService } from '../support/harness.ts';
import { scrape } from '../support/scrape.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';

const service = await startService();
const post = async (body: unknown) => {
  const answer = await service.request('/api/logs', json(body));
  return { status: answer.status, body: await answer.json() };
};
const secret = 'correct-horse-7';
const event = {
  event_type: 'UPDATE',
  entity_type: 'user',
  entity_id: 'ana',
  description: `set password=${secret} for ana`,
  metadata: { password: secret, card: { number: 4111111111111111 }, token_count: 3 },
};
const stored = {
  ...event,
  description: 'set password=[redacted: password] for ana',
  metadata: { password: '[redacted: password]', card: { number: '[redacted: card number]' }, token_count: 3 },
};
const fields = ['description', 'metadata.password', 'metadata.card.number'];

it('of one event: the answer is the stored event with the names of the fields', async () => {
  const { status, body } = await post({ ...event, event_uid: 'one' });
  expect(status).toBe(201);
  expect(body).toMatchObject({ ...stored, redacted: fields });
  const read = await (await service.request(`/api/logs/${body.id}`)).json();
  expect({ ...read, redacted: fields }).toEqual(body);
  // Again: the same event, and the same answer with the mark of a duplicate.
  expect(await post({ ...event, event_uid: 'one' })).toEqual({ status: 200, body: { ...body, duplicate: true } });
});

it('of a batch: the answer names the events by their index', async () => {
  const plain = { event_type: 'CREATE', entity_type: 'order', metadata: { author: 'ana', token_count: 5 } };
  const { body } = await post([plain, event, plain]);
  expect(body.redacted).toEqual([{ index: 1, fields }]);
  expect(body.logs).toMatchObject([plain, stored, plain]);
  expect((await post([plain])).body).not.toHaveProperty('redacted');
});

it('names at most 50 fields of an event', async () => {
  const metadata = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`a${i}_password`, 'x']));
  const { body } = await post({ ...event, description: null, metadata });
  expect(body.redacted).toHaveLength(51);
  expect(body.redacted.at(-1)).toBe('and 10 more');
});

it('nothing that can be read or searched has them', async () => {
  const found = async (query: string) => (await (await service.request(`/api/logs?${query}`)).json()).total as number;
  expect(await found(`search=${secret}`)).toBe(0);
  expect(await found(`metadata.password=${secret}`)).toBe(0);
  const exported = await (await service.request('/api/logs/export?format=json')).text();
  expect(exported).not.toMatch(/correct-horse|4111111111111111/);
  expect(exported).toContain('[redacted: password]');
});

it('the settings name further keys, and keys that are none', async () => {
  const own = await startService({ env: { REDACT_KEYS: 'iban', REDACT_ALLOW: 'password description' } });
  const answer = await own.request('/api/logs', json({ ...event, metadata: { ...event.metadata, IBAN: 'DE89' } }));
  expect(await answer.json()).toMatchObject({
    description: event.description,
    metadata: { password: secret, IBAN: '[redacted: secret]' },
    redacted: ['metadata.card.number', 'metadata.IBAN'],
  });
});

notOn(reasons.alone).it('of SQL writers: they are replaced when the row is moved into the log', async () => {
  const sql = sqlClient('DATABASE_URL' in service.place ? service.place.DATABASE_URL : '');
  await sql`insert into activity_inbox ${sql({ ...event, event_type: 'BY_SQL', metadata: sql.json(event.metadata) })}`;
  await service.scheduled();
  const found = async () => (await (await service.request('/api/logs?event_type=BY_SQL')).json()).logs;
  await eventually('it is in the log', async () => (await found()).length === 1);
  expect(await found()).toMatchObject([{ ...stored, event_type: 'BY_SQL' }]);
});

notOn(reasons.noCounters).it('are counted by kind', async () => {
  const samples = await scrape(service);
  expect(samples.get('edgetrail_redacted_values_total{kind="card number"}')).toBeGreaterThanOrEqual(3);
});
