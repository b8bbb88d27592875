/** Who may do what, and how it is said that somebody may not. None of it depends on the database: one is enough. */
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { createAuth, hashPassword, type Scrypt, type ScryptHash, writeScryptHash } from '../src/auth.ts';
import { Problem } from '../src/problem.ts';
import { scrypt } from '../src/runtime/scrypt.ts';
import { readSettings, SettingsError } from '../src/settings.ts';
import { credentials, json, startService } from './harness.ts';

const service = await startService('pglite');
await service.write({ event_type: 'CREATE', entity_type: 'order' });

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
const event = { event_type: 'CREATE', entity_type: 'order', entity_id: 'refused' };

const needs = {
  'POST /api/logs': 'write',
  'GET /api/logs': 'read',
  'GET /api/logs/1': 'read',
  'GET /api/logs/stats': 'read',
  'GET /api/logs/export': 'export',
  'GET /api/logs/stream': 'read',
  'GET /ws/logs': 'read',
  'GET /logs': 'read',
  'GET /logs/live?on=1': 'read',
  'GET /logs/stream': 'read',
} as const;
type Route = keyof typeof needs;

/** Authorization headers that prove somebody, and what that one may do. */
const proven = {
  admin: [credentials.admin, 'read', 'write', 'export'],
  guest: [credentials.guest, 'read'],
  'the write token': [credentials.writer, 'write'],
  'the read+export token': [credentials.exporter, 'read', 'export'],
} as const;

/** Authorization headers that prove nobody, with a password that is hashed before that is known. */
const unproven: Record<string, string | null> = {
  'a wrong password': basic('admin:admin-passwore'),
  'an unknown user': basic('mallory:admin-password'),
};

/** More of them: a hash each, so they are tried at one door only. */
const alsoUnproven: Record<string, string> = {
  'an empty password': basic('admin:'),
  "another one's password": basic('guest:admin-password'),
  'a token as Basic': basic('orders:writer-secret-0001'),
  'an empty name': basic(':'),
  'the name in capitals': basic('Admin:admin-password'),
  'a development user': basic('admin:admin123'),
};

/** What proves nobody without a hash. */
const malformed: Record<string, string | null> = {
  nobody: null,
  'Basic without credentials': 'Basic',
  'Basic without a colon': basic('admin'),
  'Basic that is not base64': 'Basic !!!!',
  'Basic that is not UTF-8': `Basic ${Buffer.from([0xff, 0xfe, 0x3a, 0x61]).toString('base64')}`,
  'the password alone': 'admin-password',
  'two schemes': `${credentials.admin}, ${credentials.writer}`,
  'a bearer token that is unknown': 'Bearer writer-secret-0002',
  'a prefix of a token': 'Bearer writer-secret-000',
  'a token and more': 'Bearer writer-secret-00011',
  'a token in capitals': 'Bearer WRITER-SECRET-0001',
  'an empty token': 'Bearer ',
  'a token by its name': 'Bearer orders',
  'another scheme': 'Digest username="admin"',
};

const refusing = (who: string, authorization: string | null) => ({ who, authorization });
const routes = Object.keys(needs) as Route[];

type Answer = { status: number; headers: Headers; text: string };

/** Asks a route; a stream is left at its headers, and the socket's handshake is a real one. */
async function ask(route: string, authorization: string | null, headers: Record<string, string> = {}): Promise<Answer> {
  const [method = 'GET', path = ''] = route.split(' ');
  const sent = { ...headers, ...(authorization !== null && { authorization }) };
  if (route === 'GET /ws/logs') return handshake(path, sent);
  const leave = new AbortController();
  const answer = await fetch(service.url + path, {
    redirect: 'manual',
    signal: leave.signal,
    method,
    headers: { ...(method === 'POST' && { 'content-type': 'application/json' }), ...sent },
    ...(method === 'POST' && { body: JSON.stringify(event) }),
  });
  const endless = answer.headers.get('content-type')?.startsWith('text/event-stream');
  const text = endless ? '' : await answer.text();
  leave.abort();
  return { status: answer.status, headers: answer.headers, text };
}

async function handshake(path: string, headers: Record<string, string>): Promise<Answer> {
  const socket = new WebSocket(service.url.replace('http', 'ws') + path, { headers });
  socket.on('error', () => {});
  return new Promise((resolve) => {
    socket.on('open', () => {
      socket.terminate();
      resolve({ status: 101, headers: new Headers(), text: '' });
    });
    socket.on('unexpected-response', (_request, response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('close', () => {
        const headers = Object.entries(response.headers).map(([name, value]): [string, string] => [name, `${value}`]);
        resolve({ status: response.statusCode ?? 0, headers: new Headers(headers), text: `${Buffer.concat(chunks)}` });
      });
    });
  });
}

/** Words of a stack trace, of SQL or of a database's own messages. */
const inside =
  /\bat .*[/(].*:\d+|node_modules|\.ts\b|select |insert |append_logs|activity_logs|SQLSTATE|syntax error|violates|Error:|pglite|postgres/i;

function expectProblem({ status, headers, text }: Answer, expected: number): void {
  expect(status, text).toBe(expected);
  expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const problem = JSON.parse(text) as Record<string, unknown>;
  expect(problem).toMatchObject({ status: expected, title: expect.stringMatching(/\S/), detail: expect.any(String) });
  expect(Object.keys(problem).every((key) => ['type', 'title', 'status', 'detail', 'errors'].includes(key))).toBe(true);
  expect(problem.detail).toMatch(/\S/);
  expect(text).not.toMatch(inside);
  if (expected === 401) expect(headers.get('www-authenticate')).toMatch(/^Basic realm=.*Bearer realm=/);
}

/** A refused handshake may say why in a header alone: nobody sees its body. */
function expectRefusal(route: string, answer: Answer, expected: number): void {
  if (route !== 'GET /ws/logs' || answer.text !== '') expectProblem(answer, expected);
  expect(answer.status).toBe(expected);
  if (expected === 401) expect(answer.headers.get('www-authenticate')).toMatch(/^Basic realm=.*Bearer realm=/);
}

const total = async () => ((await (await service.request('/api/logs')).json()) as { total: number }).total;

describe.each(routes)('%s', (route) => {
  const everyone = { ...unproven, ...malformed };
  it.each(Object.entries(everyone).map(([who, header]) => refusing(who, header)))(
    'is closed to $who',
    async ({ authorization }) => expectRefusal(route, await ask(route, authorization), 401),
  );

  it.each(Object.entries(proven).map(([who, [authorization, ...has]]) => ({ who, authorization, has })))(
    'asks $who for the right it needs',
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

it.each(Object.entries(alsoUnproven))('the log is closed to %s', async (_who, authorization) => {
  expectProblem(await ask('GET /api/logs', authorization), 401);
});

it('who is refused stores nothing', async () => {
  const before = await total();
  for (const header of [credentials.guest, credentials.exporter, ...Object.values(malformed)])
    expect((await ask('POST /api/logs', header)).status).toBeGreaterThanOrEqual(401);
  expect(await total()).toBe(before);
});

it.each(['/livez', '/readyz'])('%s asks nobody who they are', async (path) => {
  expect((await service.request(path, { as: null })).status).toBe(200);
});

it.each([
  ['basic in lower case', credentials.admin.replace('Basic', 'basic')],
  ['BEARER in capitals', credentials.exporter.replace('Bearer', 'BEARER')],
])('the name of a scheme has no case: %s', async (_what, authorization) => {
  expect((await ask('GET /api/logs', authorization)).status).toBe(200);
});

describe('a page of another site', () => {
  const strangers: Record<string, Record<string, string>> = {
    'another origin': { origin: 'https://evil.example' },
    'an opaque origin': { origin: 'null' },
    'another port': { origin: 'http://127.0.0.1:1' },
    'a host that only begins like ours': { origin: `${service.url}.evil.example` },
    'ours in the user part': { origin: `http://${service.url.slice('http://'.length)}@evil.example` },
    'cross-site': { 'sec-fetch-site': 'cross-site' },
    'same-site': { 'sec-fetch-site': 'same-site' },
    'cross-site that calls itself ours': { 'sec-fetch-site': 'cross-site', origin: service.url },
  };
  describe.each(['POST /api/logs', 'GET /ws/logs'])('%s', (route) => {
    it.each(Object.entries(strangers))('is closed to %s, even with the right password', async (_who, headers) => {
      const before = await total();
      expectRefusal(route, await ask(route, credentials.admin, headers), 403);
      expect(await total()).toBe(before);
    });

    it.each<[string, Record<string, string>]>([
      ['our own page', { origin: service.url, 'sec-fetch-site': 'same-origin' }],
      ['our own page in a browser without Sec-Fetch', { origin: service.url }],
      ['no page at all', {}],
    ])('is open to %s', async (_who, headers) => {
      expect([201, 101]).toContain((await ask(route, credentials.admin, headers)).status);
    });
  });
});

describe('an address or a method that is not there', () => {
  it.each([
    '/nothing',
    '/api',
    '/api/logs/',
    '/api/logs/abc',
    '/api/logs/-1',
    '/api/logs/1.5',
    '/api/logs/1/2',
    '/api/logs/0',
    '/api/logs/999999',
    '/api/logs/99999999999999999999999999',
    '/api/logs/%00',
    '/api/logs/%ff',
    '/public/nothing.css',
    '/public/..%2fpackage.json',
    '/public/%2e%2e/package.json',
    '/ws/logs/1',
  ])('GET %s is 404', async (path) => {
    expectProblem(await ask(`GET ${path}`, credentials.admin), 404);
  });

  it('a traversal that no client tidies up is 404 too', async () => {
    const raw = httpRequest(service.url, { path: '/public/../package.json', headers: { connection: 'close' } }).end();
    const [answer] = await once(raw, 'response');
    answer.resume();
    expect(answer.statusCode).toBe(404);
  });

  it.each([
    ['PUT', '/api/logs', 'GET, POST'],
    ['DELETE', '/api/logs', 'GET, POST'],
    ['PATCH', '/api/logs', 'GET, POST'],
    ['DELETE', '/api/logs/1', 'GET'],
    ['PUT', '/api/logs/1', 'GET'],
    ['PATCH', '/api/logs/1', 'GET'],
    ['POST', '/api/logs/stats', 'GET'],
    ['POST', '/api/logs/export', 'GET'],
    ['POST', '/api/logs/stream', 'GET'],
    ['POST', '/ws/logs', 'GET'],
    ['POST', '/logs', 'GET'],
    ['DELETE', '/logs', 'GET'],
    ['POST', '/logs/live', 'GET'],
    ['POST', '/logs/stream', 'GET'],
    ['POST', '/livez', 'GET'],
    ['POST', '/readyz', 'GET'],
    ['POST', '/', 'GET'],
  ])('%s %s is 405 and names what is allowed', async (method, path, allow) => {
    const answer = await ask(`${method} ${path}`, credentials.admin);
    expectProblem(answer, 405);
    expect(answer.headers.get('allow')).toBe(allow);
  });
});

describe('other refusals are problems too', () => {
  const post = async (init: RequestInit): Promise<Answer> => {
    const answer = await service.request('/api/logs', { ...json(event), ...init });
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  };

  it('413: a body above the limit', async () => {
    expectProblem(await post({ body: JSON.stringify({ ...event, description: 'x'.repeat(2_000_000) }) }), 413);
  });

  it('415: a content type that is no JSON, and what is accepted', async () => {
    const answer = await post({ headers: { 'content-type': 'text/plain' } });
    expectProblem(answer, 415);
    expect(answer.headers.get('accept-post')).toContain('application/json');
  });

  it('422: an event that is none', async () => {
    expectProblem(await post({ body: '{}' }), 422);
  });

  it('426: a socket address without a handshake', async () => {
    const answer = await service.request('/ws/logs');
    expect(answer.headers.get('upgrade')).toBe('websocket');
    expectProblem({ status: answer.status, headers: answer.headers, text: await answer.text() }, 426);
  });

  it('a browser gets a page that it can read, with the same status', async () => {
    const answer = await service.request('/logs?limit=-1', { headers: { accept: 'text/html,*/*' } });
    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toMatch(/^text\/html/);
    expect(await answer.text()).toContain('limit');
  });

  it('what was asked comes back escaped', async () => {
    const answer = await service.request('/logs?%3Cscript%3Ealert(1)%3C/script%3E=1', {
      headers: { accept: 'text/html' },
    });
    expect(await answer.text()).not.toContain('<script>alert');
  });
});

it.each([
  ['a refusal', '/api/logs?limit=-1'],
  ['an answer', '/api/logs'],
  ['the page', '/logs'],
  ['nothing', '/nothing'],
])('%s carries the strict policy and is not kept by a cache', async (_what, path) => {
  const { headers } = await service.request(path);
  const policy = headers.get('content-security-policy') ?? '';
  expect(policy).toContain("script-src 'self'");
  expect(policy).toContain("style-src 'self'");
  expect(policy).not.toMatch(/unsafe|\*|data:.*script/);
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('cache-control')).toContain('no-store');
});

describe('what guessing costs', () => {
  /** As real, and not as dear: for the tests that are not about the cost. */
  const cheap: Scrypt = (password, salt, _cost, length) => scrypt(password, salt, { ln: 4, r: 8, p: 1 }, length);

  type Call = { ln: number; r: number; p: number; length: number };

  /** The real scrypt, counted. */
  function counting(): { scrypt: Scrypt; calls: Call[] } {
    const calls: Call[] = [];
    return {
      calls,
      scrypt: (password, salt, { ln, r, p }, length) => {
        calls.push({ ln, r, p, length });
        return scrypt(password, salt, { ln, r, p }, length);
      },
    };
  }

  async function costs(authorization: string, hash: ScryptHash): Promise<Call[]> {
    const counter = counting();
    const users = [{ name: 'ana', role: 'admin' as const, password: { hash } }];
    const auth = createAuth({ users, tokens: [], scrypt: counter.scrypt });
    await auth.identify(basic('warm:up')).catch(() => {});
    counter.calls.length = 0;
    await auth.identify(authorization).catch((error) => {
      if (!(error instanceof Problem) || error.status !== 401) throw error;
    });
    return counter.calls;
  }

  it('is the same for a known and an unknown name', async () => {
    const hash = await hashPassword('right', scrypt);
    const known = await costs(basic('ana:wrong'), hash);
    expect(known).toHaveLength(1);
    expect(await costs(basic('bob:wrong'), hash)).toEqual(known);
  });

  it('is the same when a hash was made at another cost, or such a hash is refused at the start', async () => {
    const salt = new Uint8Array(16);
    const cost = { ln: 10, r: 8, p: 1 };
    const hash = { ...cost, salt, key: await scrypt('right', salt, cost, 32) };
    try {
      readSettings({ USERS: `ana:admin:${writeScryptHash(hash)}` });
    } catch (error) {
      expect(error).toBeInstanceOf(SettingsError);
      return;
    }
    expect(await costs(basic('bob:wrong'), hash)).toEqual(await costs(basic('ana:wrong'), hash));
  });

  it('is paid again for every guess, but only once in a while for the right password', async () => {
    const counter = counting();
    const users = [{ name: 'ana', role: 'admin' as const, password: { plain: 'right' } }];
    const auth = createAuth({ users, tokens: [], scrypt: counter.scrypt });
    await auth.identify(basic('ana:right'));
    counter.calls.length = 0;
    for (let i = 0; i < 5; i++) await auth.identify(basic('ana:right'));
    expect(counter.calls).toHaveLength(0);
    for (let i = 0; i < 3; i++) await expect(auth.identify(basic('ana:wrong'))).rejects.toMatchObject({ status: 401 });
    expect(counter.calls).toHaveLength(3);
  });

  it('a password that was right does not open another name, nor does it after a wrong one', async () => {
    const users = [
      { name: 'ana', role: 'admin' as const, password: { plain: 'same-password' } },
      { name: 'bob', role: 'guest' as const, password: { plain: 'another' } },
    ];
    const auth = createAuth({ users, tokens: [], scrypt: cheap });
    await expect(auth.identify(basic('bob:same-password'))).rejects.toMatchObject({ status: 401 });
    expect(await auth.identify(basic('ana:same-password'))).toMatchObject({
      name: 'ana',
      rights: ['read', 'write', 'export'],
    });
    await expect(auth.identify(basic('bob:same-password'))).rejects.toMatchObject({ status: 401 });
    expect(await auth.identify(basic('bob:another'))).toMatchObject({ name: 'bob', rights: ['read'] });
  });

  it.each(['pä:ss:wörd', '密码', ' spaces inside ', ':', 'a'.repeat(1_000)])(
    'the password %j is taken as it is',
    async (password) => {
      const users = [{ name: 'jürgen', role: 'guest' as const, password: { plain: password } }];
      const auth = createAuth({ users, tokens: [], scrypt: cheap });
      expect(await auth.identify(basic(`jürgen:${password}`))).toMatchObject({ name: 'jürgen' });
      await expect(auth.identify(basic(`jürgen:${password}x`))).rejects.toMatchObject({ status: 401 });
    },
  );

  it('a flood of guesses is refused with 503 before it takes the service', async () => {
    let running = 0;
    let most = 0;
    const slow: Scrypt = async (_password, _salt, _cost, length) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return new Uint8Array(length);
    };
    const auth = createAuth({ users: [], tokens: [], scrypt: slow });
    const answers = await Promise.allSettled(
      Array.from({ length: 200 }, (_, i) => auth.identify(basic(`mallory:${i}`))),
    );
    const statuses = answers.map((answer) => (answer.status === 'rejected' ? (answer.reason as Problem).status : 200));
    expect(new Set(statuses)).toEqual(new Set([401, 503]));
    expect(most).toBeLessThanOrEqual(3);
  });
});
