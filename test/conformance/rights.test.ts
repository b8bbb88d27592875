/** Authorization: which credentials may use which route, and that all others are refused. */
import { describe, expect, it } from 'vitest';
import { credentials, startService } from '../support/harness.ts';
import { ask as askOf, expectProblem, expectRefusal } from './ask.ts';

const service = await startService();
await service.write({ event_type: 'CREATE', entity_type: 'order' });

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

const needs = {
  'POST /api/logs': 'write',
  'GET /api/logs': 'read',
  'GET /api/logs/1': 'read',
  'GET /api/logs/stats': 'read',
  'GET /api/logs/export': 'export',
  'GET /api/logs/stream': 'read',
  'GET /ws/logs': 'read',
  'GET /api/sinks': 'admin',
  'GET /logs': 'read',
  'GET /logs/live?on=1': 'read',
  'GET /logs/stream': 'read',
} as const;
type Route = keyof typeof needs;

/** Valid Authorization headers and their rights. */
const valid = {
  admin: [credentials.admin, 'read', 'write', 'export', 'admin'],
  guest: [credentials.guest, 'read'],
  'the write token': [credentials.writer, 'write'],
  'the read+export token': [credentials.exporter, 'read', 'export'],
} as const;

/** Invalid credentials that cost a password hash of a quarter of a second. */
const wrong = { 'a wrong password': basic('admin:admin-passwore') };

/** More of them, tried on one route only because of the cost of the hashes. */
const alsoWrong: Record<string, string> = {
  'an unknown user': basic('mallory:admin-password'),
  'an empty password': basic('admin:'),
  "another one's password": basic('guest:admin-password'),
  'a token as Basic': basic('orders:writer-secret-0001'),
  'an empty name': basic(':'),
  'the name in capitals': basic('Admin:admin-password'),
  'a development user': basic('admin:admin123'),
};

/** Invalid credentials that are refused without a hash. */
const malformed: Record<string, string | null> = {
  'no credentials': null,
  'Basic without credentials': 'Basic',
  'Basic without a colon': basic('admin'),
  'Basic that is not base64': 'Basic !!!!',
  'Basic that is not UTF-8': `Basic ${Buffer.from([0xff, 0xfe, 0x3a, 0x61]).toString('base64')}`,
  'the password alone': 'admin-password',
  'two schemes': `${credentials.admin}, ${credentials.writer}`,
  'a bearer token that is unknown': 'Bearer writer-secret-0002',
  'a prefix of a token': 'Bearer writer-secret-000',
  'a token with one more character': 'Bearer writer-secret-00011',
  'a token in capitals': 'Bearer WRITER-SECRET-0001',
  'an empty token': 'Bearer ',
  'the name of a token': 'Bearer orders',
  'another scheme': 'Digest username="admin"',
};

const refusing = (who: string, authorization: string | null) => ({ who, authorization });
const routes = Object.keys(needs) as Route[];

const ask = (route: string, authorization: string | null, headers?: Record<string, string>) =>
  askOf(service, route, authorization, headers);
const total = async () => ((await (await service.request('/api/logs')).json()) as { total: number }).total;

describe.each(routes)('%s', (route) => {
  const everyone = { ...wrong, ...malformed };
  it.each(Object.entries(everyone).map(([who, header]) => refusing(who, header)))(
    'refuses $who',
    async ({ authorization }) => expectRefusal(route, await ask(route, authorization), 401),
  );

  it.each(Object.entries(valid).map(([who, [authorization, ...has]]) => ({ who, authorization, has })))(
    'requires its right of $who',
    async ({ authorization, has }) => {
      const answer = await ask(route, authorization);
      if ((has as string[]).includes(needs[route])) expect([200, 201, 101]).toContain(answer.status);
      else {
        expectRefusal(route, answer, 403);
        const words = answer.text || answer.headers.get('x-problem');
        expect(words, 'the reason').toContain(needs[route]);
      }
    },
  );
});

it.each(Object.entries(alsoWrong))('the list refuses %s', async (_who, authorization) => {
  expectProblem(await ask('GET /api/logs', authorization), 401);
});

it('a refused request stores nothing', async () => {
  const before = await total();
  for (const header of [credentials.guest, credentials.exporter, ...Object.values(malformed)])
    expect((await ask('POST /api/logs', header)).status).toBeGreaterThanOrEqual(401);
  expect(await total()).toBe(before);
});

it.each(['/livez', '/readyz'])('%s needs no credentials', async (path) => {
  expect((await service.request(path, { as: null })).status).toBe(200);
});

it.each([
  ['basic in lower case', credentials.admin.replace('Basic', 'basic')],
  ['BEARER in capitals', credentials.exporter.replace('Bearer', 'BEARER')],
])('the case of the scheme does not matter: %s', async (_what, authorization) => {
  expect((await ask('GET /api/logs', authorization)).status).toBe(200);
});

describe('a page of another site', () => {
  const strangers: Record<string, Record<string, string>> = {
    'another origin': { origin: 'https://evil.example' },
    'an opaque origin': { origin: 'null' },
    'another port': { origin: 'http://127.0.0.1:1' },
    'a host that begins with ours': { origin: `${service.url}.evil.example` },
    'our host in the user part': { origin: `http://${service.url.slice('http://'.length)}@evil.example` },
    'cross-site': { 'sec-fetch-site': 'cross-site' },
    'same-site': { 'sec-fetch-site': 'same-site' },
    'cross-site with our origin': { 'sec-fetch-site': 'cross-site', origin: service.url },
  };
  describe.each(['POST /api/logs', 'GET /ws/logs'])('%s', (route) => {
    it.each(Object.entries(strangers))('refuses %s, even with the right password', async (_who, headers) => {
      const before = await total();
      expectRefusal(route, await ask(route, credentials.admin, headers), 403);
      expect(await total()).toBe(before);
    });

    it.each<[string, Record<string, string>]>([
      ['our page', { origin: service.url, 'sec-fetch-site': 'same-origin' }],
      ['our page in a browser without Sec-Fetch-Site', { origin: service.url }],
      ['a client that is not a browser', {}],
    ])('accepts %s', async (_who, headers) => {
      expect([201, 101]).toContain((await ask(route, credentials.admin, headers)).status);
    });
  });
});
