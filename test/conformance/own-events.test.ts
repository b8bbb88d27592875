/** The product's own events over HTTP: what is recorded of sign-ins, exports, refusals and tokens, and what is not. */
import { expect, it } from 'vitest';
import type { Entry } from '../../src/log/schema.ts';
import { eventually, startService, target, type Who } from '../support/harness.ts';
import { postForm, signIn, signOut } from './sign-in.ts';

const service = await startService({ env: { OWN_EVENTS: 'on', TRUSTED_PROXIES: '127.0.0.1 ::1' } });
const from = (address: string): Record<string, string> => ({
  [target().runtime === 'workers' ? 'cf-connecting-ip' : 'x-forwarded-for']: address,
});

/** The events that the product wrote of a type, oldest first. They are read with a session, which is recorded already. */
let cookie = '';
async function own(type: string): Promise<Entry[]> {
  const query = `service=edgetrail&event_type=${type}&limit=100`;
  const answer = await service.request(`/api/logs?${query}`, { as: null, headers: { cookie } });
  return ((await answer.json()) as { logs: Entry[] }).logs.reverse();
}
const get = async (path: string, as: Who = 'exporter', headers: Record<string, string> = {}) => {
  const answer = await service.request(path, { as, headers });
  await answer.text();
  return answer.status;
};

it('a sign-in with the form, its failure and the sign-out are events, without what was typed', async () => {
  const wrong = { user: 'guest', password: 'secret-guess' };
  expect((await postForm(service, '/sign-in', wrong, from('203.0.113.1'))).status).toBe(401);
  await postForm(service, '/sign-in', { user: 'hunter2-typed-as-a-name', password: 'x' }, from('203.0.113.1'));
  const ended = await signIn(service, 'guest', from('203.0.113.2'));
  cookie = await signIn(service, 'admin', from('203.0.113.3'));
  expect((await own('SIGN_IN')).map(({ user_id, entity_id, ip_address }) => [user_id, entity_id, ip_address])).toEqual([
    ['guest', 'guest', '203.0.113.2'],
    ['admin', 'admin', '203.0.113.3'],
  ]);
  // The first failure is told of at once; the second within a minute.
  await eventually('the failure is stored', async () => (await own('SIGN_IN_FAILED')).length > 0);
  const failed = await own('SIGN_IN_FAILED');
  expect(failed[0]).toMatchObject({
    entity_type: 'user',
    entity_id: 'guest',
    user_id: null,
    ip_address: '203.0.113.1',
  });
  expect((await signOut(service, ended)).status).toBe(303);
  expect((await own('SIGN_OUT')).map(({ user_id }) => user_id)).toEqual(['guest']);
  const all = await service.request('/api/logs?limit=100', { as: null, headers: { cookie } });
  expect(await all.text()).not.toMatch(/secret-guess|hunter2/);
});

it('an export is one event, with who, the filter, the format and how far, and does not contain itself', async () => {
  await service.write({ event_type: 'CREATE', entity_type: 'order' });
  const answer = await service.request('/api/logs/export?format=ndjson&entity_type=order&entity_type=log', {
    as: 'exporter',
  });
  const lines = (await answer.text()).trim().split('\n');
  expect(lines).toHaveLength(1);
  const [exported, ...others] = await own('EXPORT');
  expect(others).toEqual([]);
  const { id } = JSON.parse(lines[0] ?? '') as Entry;
  expect(exported).toMatchObject({
    user_id: 'audit',
    metadata: { format: 'ndjson', filter: expect.stringContaining('entity_type=order') },
  });
  const { last_id = 0 } = (exported?.metadata ?? {}) as { last_id?: number };
  expect(last_id).toBeGreaterThanOrEqual(id);
  expect(exported?.id).toBeGreaterThan(last_id);
  await service.request('/api/logs/export', { as: 'exporter', method: 'HEAD' });
  expect(await own('EXPORT')).toHaveLength(1);
});

it('a token is recorded once a day, and a right password by Basic once a day and address', async () => {
  for (let i = 0; i < 3; i++) expect(await get('/api/logs?limit=1')).toBe(200);
  for (const address of ['203.0.113.4', '203.0.113.4', '203.0.113.5'])
    expect(await get('/api/logs?limit=1', 'guest', from(address))).toBe(200);
  const byBasic = async () =>
    (await own('SIGN_IN')).filter(({ metadata }) => (metadata as { by?: string })?.by === 'basic');
  await eventually(
    'both are stored',
    async () => (await byBasic()).filter(({ user_id }) => user_id === 'guest').length === 2,
  );
  const tokens = (await own('TOKEN_USED')).filter(({ entity_id }) => entity_id === 'audit');
  expect(tokens).toMatchObject([{ event_uid: expect.stringMatching(/^edgetrail:TOKEN_USED:.*:audit$/) }]);
});

it('reading records nothing', async () => {
  const total = async () => {
    const answer = await service.request('/api/logs/stats', { as: null, headers: { cookie } });
    return ((await answer.json()) as { total_logs: number }).total_logs;
  };
  const before = await total();
  for (const path of ['/api/logs', '/logs', '/api/logs/stats', '/nothing'])
    await (await service.request(path, { as: null, headers: { cookie } })).text();
  expect(await total()).toBe(before);
});

it('a missing right is an event', async () => {
  // The failures above were told of less than a minute ago: it comes with the next.
  const alone = await startService({ env: { OWN_EVENTS: 'refusal' } });
  for (let i = 0; i < 3; i++) expect((await alone.request('/api/logs/export', { as: 'guest' })).status).toBe(403);
  const refused = async () =>
    ((await (await alone.request('/api/logs?limit=10')).json()) as { logs: Entry[] }).logs.map(
      ({ event_type, entity_id, user_id }) => [event_type, entity_id, user_id],
    );
  await eventually('it is stored', async () => (await refused()).length > 0);
  expect(await refused()).toEqual([['REFUSED', 'export', 'guest']]);
});
