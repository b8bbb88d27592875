/** Rate limits over HTTP: wrong passwords by address and name, events by user and token, and what the responses say. */
import { describe, expect, it } from 'vitest';
import { eventually, json, startService, target, type Who } from '../support/harness.ts';
import { expectProblem } from './ask.ts';
import { order } from './follow.ts';
import { opens, postForm, signIn } from './sign-in.ts';

const service = await startService({
  env: {
    TRUSTED_PROXIES: '127.0.0.1 ::1 10.0.0.0/8',
    SIGN_IN_NAME_PER_MINUTE_MAX: '2',
    SIGN_IN_ADDRESS_PER_MINUTE_MAX: '3',
    WRITE_EVENTS_PER_MINUTE_MAX: '1000',
  },
});

/** The header by which a proxy says where a request comes from. */
const from = (address: string): Record<string, string> =>
  target().runtime === 'workers'
    ? { 'cf-connecting-ip': address }
    : { 'x-forwarded-for': `198.51.100.7, ${address}, 10.0.0.1` };

const basic = (name: string, password: string, address: string) =>
  service.request('/api/logs?limit=1', {
    as: null,
    headers: { authorization: `Basic ${btoa(`${name}:${password}`)}`, ...from(address) },
  });
const form = (user: string, password: string, address: string) =>
  postForm(service, '/sign-in', { user, password }, from(address));

async function refusedAs(response: Response, policy: string): Promise<void> {
  const { status, headers } = response;
  expectProblem({ status, headers, text: await response.text() }, 429);
  const wait_s = Number(headers.get('retry-after'));
  expect(wait_s).toBeGreaterThan(0);
  expect(headers.get('ratelimit')).toContain(`"${policy}";r=0;t=${wait_s}`);
}

describe('wrong passwords', () => {
  it('by Basic and by the form count together, and then the right one is refused, too', async () => {
    const first = await basic('guest', 'wrong', '203.0.113.1');
    expect(first.status).toBe(401);
    expect(first.headers.get('ratelimit-policy')).toBe('"sign-in-name";q=2;w=60, "sign-in-address";q=3;w=60');
    expect(first.headers.get('ratelimit')).toMatch(/^"sign-in-name";r=1;t=\d+, "sign-in-address";r=2;t=\d+$/);
    const second = await form('guest', 'wrong', '203.0.113.1');
    expect(second.status).toBe(401);
    expect(second.headers.get('ratelimit')).toMatch(/^"sign-in-name";r=0/);
    await refusedAs(await basic('guest', 'guest-password', '203.0.113.1'), 'sign-in-name');
    const page = await form('guest', 'guest-password', '203.0.113.1');
    expect(page.status).toBe(429);
    expect(Number(page.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await page.text()).toContain('Too many wrong passwords');
  });

  it('of many names exhaust an address', async () => {
    for (const name of ['ana', 'bob', 'eve']) expect((await basic(name, 'wrong', '203.0.113.2')).status).toBe(401);
    await refusedAs(await basic('guest', 'guest-password', '203.0.113.2'), 'sign-in-address');
  });

  it('do not keep the user out elsewhere, nor sessions and tokens at the same address', async () => {
    const cookie = await signIn(service, 'guest', from('203.0.113.3'));
    for (let i = 0; i < 3; i++) await form('guest', 'wrong', '203.0.113.3');
    expect((await form('guest', 'guest-password', '203.0.113.3')).status).toBe(429);
    const headers = { cookie, ...from('203.0.113.3') };
    expect((await service.request('/api/logs?limit=1', { as: null, headers })).status).toBe(200);
    expect((await service.request('/api/logs?limit=1', { as: 'exporter', headers: from('203.0.113.3') })).status).toBe(
      200,
    );
    expect(await opens(service, await signIn(service, 'guest', from('203.0.113.4')))).toBe(true);
    // The password was verified a moment ago. It must not be accepted where wrong ones are not checked any more.
    expect((await basic('guest', 'guest-password', '203.0.113.4')).status).toBe(200);
    await refusedAs(await basic('guest', 'guest-password', '203.0.113.3'), 'sign-in-name');
  });
});

describe('events', () => {
  const write = (as: Who, n: number) =>
    service.request('/api/logs', { as, ...json(Array.from({ length: n }, () => order(1))) });
  const total = async () =>
    ((await (await service.request('/api/logs/stats')).json()) as { total_logs: number }).total_logs;

  it('of a batch count each, and a batch that does not fit is refused as a whole', async () => {
    const stored = await write('writer', 600);
    expect(stored.status).toBe(201);
    expect(stored.headers.get('ratelimit-policy')).toBe('"events";q=1000;qu="events";w=60');
    const left = Number(/^"events";r=(\d+);t=\d+$/.exec(stored.headers.get('ratelimit') ?? '')?.[1]);
    expect(left).toBeGreaterThanOrEqual(400);
    const before = await total();
    const refused = await write('writer', 1_000);
    const { status, headers } = refused;
    expect(status).toBe(429);
    expect(await refused.json()).toMatchObject({ title: 'Too many requests', stored: 'nothing' });
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await total()).toBe(before);
  });

  it('of others are stored meanwhile, and reading is not limited', async () => {
    expect((await write('admin', 1)).status).toBe(201);
    expect((await service.request('/api/logs?limit=1')).headers.get('ratelimit')).toBeNull();
  });

  it('are stored again after Retry-After', async () => {
    const spent = await write('writer', 400);
    expect(spent.status).toBe(201);
    const refused = await write('writer', 100);
    await refused.body?.cancel();
    expect(refused.status).toBe(429);
    // 100 events are six seconds of 1,000 a minute, less what has come since.
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(6);
    await eventually('10 events fit', async () => (await write('writer', 10)).status === 201);
  });
});
