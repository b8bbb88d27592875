/** Sign-in by the form and sign-out: what a session allows, which requests are refused, and when a session ends. */
import { createHash } from 'node:crypto';
import { HtmlValidate } from 'html-validate';
import { describe, expect, it } from 'vitest';
import { credentials, eventually, freshPostgres, hashes, json, startService } from '../support/harness.ts';
import { proxyTo } from '../support/proxy.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';
import { ask as askOf, event, expectProblem, expectRefusal } from './ask.ts';
import { cookieOf, forPort, opens, postForm, signIn, signOut } from './sign-in.ts';

const service = await startService({ env: { CORS_ORIGINS: 'https://desk.example.com' } });
await service.write(event);
/** The cookie's name without TLS. */
const name = `edgetrail-${new URL(service.url).port}`;
const right = { user: 'guest', password: 'guest-password' };
const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
const get = (path: string, headers: Record<string, string> = html) =>
  fetch(service.url + path, { headers, redirect: 'manual' });
const ask = (route: string, headers: Record<string, string>, authorization: string | null = null) =>
  askOf(service, route, authorization, headers);

/** Origin and Sec-Fetch-Site headers of requests that do not come from a page of the service. */
const strangers: Record<string, Record<string, string>> = {
  'a page of another site': { origin: 'https://evil.example' },
  'an opaque origin': { origin: 'null' },
  'another port': { origin: 'http://127.0.0.1:1' },
  'a host that begins with ours': { origin: `${service.url}.evil.example` },
  'another origin of the same site': { 'sec-fetch-site': 'same-site', origin: service.url },
  'another site with our origin': { 'sec-fetch-site': 'cross-site', origin: service.url },
  'a page of an origin in CORS_ORIGINS': { origin: 'https://desk.example.com', 'sec-fetch-site': 'cross-site' },
  'the address bar': { 'sec-fetch-site': 'none', origin: '' },
};

const valid = new HtmlValidate({ extends: ['html-validate:recommended'], rules: { 'doctype-style': 'off' } });
async function expectValid(markup: string): Promise<void> {
  const { results } = await valid.validateString(markup);
  expect(results.flatMap(({ messages }) => messages.map(({ ruleId, message }) => `${ruleId}: ${message}`))).toEqual([]);
}

describe('the form', () => {
  it('is valid HTML, is not cached, and has a name and a password', async () => {
    const answer = await get('/sign-in?to=/logs?user_id=ana');
    const text = await answer.text();
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toContain('no-store');
    expect(cookieOf(answer)).toBeNull();
    await expectValid(text);
    expect(text).toContain('autocomplete="username"');
    expect(text).toContain('autocomplete="current-password"');
    expect(text).toContain('name="to" value="/logs?user_id=ana"');
    expect(text).not.toContain('role="alert"');
  });

  it.each(Object.entries(strangers))('is refused from %s', async (_who, headers) => {
    const answer = await postForm(service, '/sign-in', right, headers);
    expect(answer.status).toBe(403);
    expect(cookieOf(answer)).toBeNull();
  });

  it('is refused without Origin and Sec-Fetch-Site', async () => {
    const body = new URLSearchParams(right);
    const answer = await fetch(`${service.url}/sign-in`, { method: 'POST', body, redirect: 'manual' });
    expect([answer.status, cookieOf(answer)]).toEqual([403, null]);
  });

  it.each(['application/json', 'text/plain', 'multipart/form-data; boundary=x', ''])(
    'is refused with the content type %j',
    async (type) => {
      const answer = await fetch(`${service.url}/sign-in`, {
        method: 'POST',
        headers: { origin: service.url, 'content-type': type },
        body: 'user=guest&password=guest-password',
      });
      expect([answer.status, cookieOf(answer)]).toEqual([415, null]);
    },
  );

  it('is refused when it is larger than a form can be', async () => {
    const answer = await postForm(service, '/sign-in', { ...right, to: 'x'.repeat(10_000) });
    expect([answer.status, cookieOf(answer)]).toEqual([413, null]);
  });

  it.each([
    ['a wrong password', { user: 'admin', password: 'guest-password' }],
    ['an unknown name', { user: 'mallory', password: 'admin-password' }],
    ['a name with a colon', { user: 'admin:admin', password: '-password' }],
    ['a token', { user: 'orders', password: 'writer-secret-0001' }],
    ['no password', { user: 'admin', password: '' }],
    ['no fields', {}],
    ['a hostile name', { user: '"><script>alert(1)</script>', password: 'guest-password' }],
  ])('shows an error for %s, and keeps the name but not the password', async (_what, form: Record<string, string>) => {
    const answer = await postForm(service, '/sign-in', { ...form, to: '/logs?user_id=ana' });
    const text = await answer.text();
    expect(answer.status).toBe(401);
    expect(cookieOf(answer)).toBeNull();
    // With a Basic challenge the browser would open its own dialog.
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer /);
    await expectValid(text);
    expect(text).toMatch(/role="alert">The user name or password is not right\./);
    expect(text).toContain('value="/logs?user_id=ana"');
    if (form.user)
      expect(text).toContain(
        `value="${form.user.replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')}"`,
      );
    if (form.password) expect(text).not.toContain(`"${form.password}"`);
    expect(text).not.toContain('<script>alert');
  });

  it.each(['PUT', 'DELETE', 'PATCH'])('refuses the method %s', async (method) => {
    for (const path of ['/sign-in', '/sign-out']) {
      const answer = await fetch(service.url + path, { method });
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, path === '/sign-in' ? 'GET, POST' : 'POST']);
    }
    expect((await get('/sign-out')).status).toBe(405);
  });

  it.each([
    'https://evil.example/',
    '//evil.example',
    '/\\evil.example',
    '/\t/evil.example',
    '/.//evil.example',
    '/x/..//evil.example',
    '\\\\evil.example',
    'javascript:alert(1)',
    'data:text/html,x',
    'evil.example',
    '/sign-in',
    '/sign-in?to=/sign-in',
    '/sign-out',
    '',
    '/logs\r\nset-cookie: x=1',
  ])('redirects to a page of the service and not to %j', async (to) => {
    const shown = await (await get(`/sign-in?${new URLSearchParams({ to })}`)).text();
    const landing = /name="to" value="([^"]*)"/.exec(shown)?.[1];
    const answer = await postForm(service, '/sign-in', { ...right, to });
    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toBe(landing);
    expect(landing).toMatch(/^\/logs/);
    expect(new URL(landing ?? '', service.url).origin).toBe(service.url);
    expect(cookieOf(answer)?.name).not.toBe('x');
  });

  it.each(['/logs', '/logs?user_id=ana&entity_type=%C3%BC', '/api/logs/export?format=csv', '/logs/55'])(
    'redirects back to %s',
    async (to) => {
      const answer = await postForm(service, '/sign-in', { ...right, to });
      expect([answer.status, answer.headers.get('location')]).toEqual([303, to]);
    },
  );

  it('is a redirect for a user who is signed in', async () => {
    const cookie = await signIn(service, 'guest');
    const answer = await get('/sign-in?to=/logs?limit=5', { ...html, cookie });
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/logs?limit=5']);
  });
});

describe('the cookie', () => {
  it('of one port does not replace the cookie of another port', async () => {
    const other = await startService();
    const [here, there] = [await signIn(service, 'admin'), await signIn(other, 'admin')];
    expect(here.split('=')[0]).not.toBe(there.split('=')[0]);
    const both = `${here}; ${there}`;
    expect([await opens(service, both), await opens(other, both)]).toEqual([true, true]);
  });

  it('without TLS has no domain, and is HttpOnly', async () => {
    const cookie = cookieOf(await postForm(service, '/sign-in', right));
    expect(cookie).toMatchObject({ name, value: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/) });
    expect(cookie?.attributes).toEqual(['httponly', 'max-age=43200', 'path=/', 'samesite=lax']);
  });

  const needs = {
    'POST /api/logs': 'admin',
    'GET /api/logs': 'guest',
    'GET /api/logs/1': 'guest',
    'GET /api/logs/stats': 'guest',
    'GET /api/logs/export': 'admin',
    'GET /api/logs/stream': 'guest',
    'GET /ws/logs': 'guest',
    'GET /logs': 'guest',
    'GET /logs/live?on=1': 'guest',
    'GET /logs/stream': 'guest',
  };
  it.each(Object.entries(needs))('allows %s for the role %s and above', async (route, role) => {
    const origin = service.url;
    expect([200, 201, 101]).toContain((await ask(route, { cookie: await signIn(service, 'admin'), origin })).status);
    const answer = await ask(route, { cookie: await signIn(service, 'guest'), origin });
    if (role === 'guest') expect([200, 101]).toContain(answer.status);
    else expectRefusal(route, answer, 403);
  });

  it('is new at every sign-in, and the previous cookie is no longer valid', async () => {
    const planted = `${name}=${'A'.repeat(43)}`;
    const first = await signIn(service, 'guest', { cookie: planted });
    expect(first).not.toBe(planted);
    expect(await opens(service, planted)).toBe(false);
    const second = await signIn(service, 'admin', { cookie: first });
    expect(second).not.toBe(first);
    expect(await opens(service, second)).toBe(true);
    expect(await opens(service, first)).toBe(false);
  });

  it('stays valid after a failed sign-in', async () => {
    const cookie = await signIn(service, 'guest');
    await postForm(service, '/sign-in', { user: 'admin', password: 'wrong' }, { cookie });
    expect(await opens(service, cookie)).toBe(true);
  });

  const digest = (secret: string) => createHash('sha256').update(secret).digest('base64url');
  it.each<[string, (secret: string) => string]>([
    ['one character replaced', (secret) => `${name}=${secret.startsWith('A') ? 'B' : 'A'}${secret.slice(1)}`],
    ['one letter in the other case', (secret) => `${name}=${secret.replace(/[a-z]/, (char) => char.toUpperCase())}`],
    ['the last character missing', (secret) => `${name}=${secret.slice(0, -1)}`],
    ['one more character', (secret) => `${name}=${secret}A`],
    ['the digest in the table', (secret) => `${name}=${digest(secret)}`],
    ['an empty value', () => `${name}=`],
    ['SQL', () => `${name}=' or 1=1 --`],
    ['10,000 characters', () => `${name}=${'A'.repeat(10_000)}`],
    ['another name', (secret) => `session=${secret}`],
    ['the name that requires TLS', (secret) => `__Host-${name}=${secret}`],
    ['the name in capitals', (secret) => `${name.toUpperCase()}=${secret}`],
  ])('with %s is refused', async (_what, forge) => {
    const [, secret = ''] = (await signIn(service, 'admin')).split('=');
    const cookie = forge(secret);
    expectProblem(await ask('GET /api/logs', { cookie }), 401);
    expectProblem(await ask('POST /api/logs', { cookie, origin: service.url }), 401);
    expect(await opens(service, `${name}=${secret}`)).toBe(true);
  });

  it('of another log is refused', async () => {
    const other = await startService();
    const [, secret] = (await signIn(other, 'admin')).split('=');
    expect(await opens(service, `${name}=${secret}`)).toBe(false);
    await other.stop();
  });

  it.each(Object.entries(strangers))('may not write for %s', async (_who, headers) => {
    const cookie = await signIn(service, 'admin');
    expectProblem(await ask('POST /api/logs', { cookie, ...headers }), 403);
  });

  it('may not write without Origin and Sec-Fetch-Site', async () => {
    expectProblem(await ask('POST /api/logs', { cookie: await signIn(service, 'admin') }), 403);
  });

  it.each([{ origin: service.url }, { 'sec-fetch-site': 'same-origin' }])('may write with %j', async (headers) => {
    const cookie = await signIn(service, 'admin');
    expect((await ask('POST /api/logs', { cookie, ...headers } as Record<string, string>)).status).toBe(201);
  });

  it.each(['/logs', '/api/logs', '/api/logs/1', '/api/logs/stats'])('makes %s a no-store response', async (path) => {
    const { headers } = await get(path, { cookie: await signIn(service, 'guest') });
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('vary')).toContain('Cookie');
  });

  it('is ignored beside an Authorization header, valid or not', async () => {
    const cookie = await signIn(service, 'admin');
    expectProblem(await ask('GET /api/logs/export', { cookie }, credentials.guest), 403);
    expectProblem(await ask('GET /api/logs', { cookie }, 'Bearer wrong-wrong-wrong-wrong'), 401);
    expect((await ask('POST /api/logs', { cookie }, credentials.admin)).status).toBe(201);
  });
});

describe('a request without a session', () => {
  it.each([
    ['/logs', '/sign-in'],
    ['/logs?user_id=ana&limit=5', '/sign-in?to=%2Flogs%3Fuser_id%3Dana%26limit%3D5'],
    ['/logs/live?on=1', '/sign-in?to=%2Flogs%2Flive%3Fon%3D1'],
    [`/logs?search=${'x'.repeat(3_000)}`, '/sign-in'],
  ])('is redirected from %s to the form', async (path, to) => {
    for (const headers of [html, { ...html, 'sec-fetch-mode': 'navigate' }, { ...html, cookie: `${name}=old` }]) {
      const answer = await get(path, headers);
      expect([answer.status, answer.headers.get('location')]).toEqual([303, to]);
      expect(answer.headers.get('cache-control')).toContain('no-store');
    }
  });

  const htmx = { accept: 'text/html, text/event-stream', 'hx-request': 'true', 'hx-request-type': 'partial' };
  it.each([
    ['/logs?user_id=ana', { 'hx-current-url': `${service.url}/logs?user_id=an` }, '/sign-in?to=%2Flogs%3Fuser_id%3Dan'],
    ['/logs', { 'hx-current-url': 'https://evil.example//evil' }, '/sign-in'],
    ['/logs', { 'hx-current-url': 'nonsense' }, '/sign-in'],
    ['/logs', {}, '/sign-in'],
  ])(
    'by htmx for a part of %s is redirected to the form, with the current page as the target',
    async (path, headers, to) => {
      const answer = await get(path, { ...htmx, ...headers } as Record<string, string>);
      expect([answer.status, answer.headers.get('hx-redirect'), answer.headers.get('location')]).toEqual([
        401,
        to,
        null,
      ]);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer /);
    },
  );

  it('gets a message in the stream of a page, which would otherwise keep reconnecting; a program gets a 401', async () => {
    const shown = { 'hx-current-url': `${service.url}/logs?user_id=ana` };
    const answer = await get('/logs/stream', { ...htmx, ...shown });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
    const text = await answer.text();
    expect(text).toContain('Signed out.');
    expect(text).toContain('href="/sign-in?to=%2Flogs%3Fuser_id%3Dana"');
    expect((await get('/logs/stream', { accept: 'text/event-stream' })).status).toBe(401);
  });

  it('gets a 401 challenge when a program sends it', async () => {
    for (const path of ['/api/logs', '/api/logs/export', '/api/logs/stream'])
      for (const headers of [{}, html]) expectProblem(await ask(`GET ${path}`, headers as Record<string, string>), 401);
    expectProblem(await ask('GET /logs', {}), 401);
    expectProblem(await ask('GET /logs', { accept: '*/*' }), 401);
  });
});

describe('signing out', () => {
  it.each(Object.entries(strangers))('is refused from %s', async (_who, headers) => {
    const cookie = await signIn(service, 'guest');
    expect((await signOut(service, cookie, headers)).status).toBe(403);
    expect(await opens(service, cookie)).toBe(true);
  });

  it('is refused without Origin and Sec-Fetch-Site', async () => {
    const cookie = await signIn(service, 'guest');
    const answer = await fetch(`${service.url}/sign-out`, { method: 'POST', headers: { cookie }, redirect: 'manual' });
    expect([answer.status, await opens(service, cookie)]).toEqual([403, true]);
  });

  it('ends this session, no other of the same user, and deletes the cookie', async () => {
    const [one, two] = [await signIn(service, 'guest'), await signIn(service, 'guest')];
    const answer = await signOut(service, one);
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/sign-in']);
    expect(cookieOf(answer)).toEqual({
      name,
      value: '',
      attributes: ['httponly', 'max-age=0', 'path=/', 'samesite=lax'],
    });
    expect(await opens(service, one)).toBe(false);
    expect(await opens(service, two)).toBe(true);
  });

  it('succeeds a second time and without a session', async () => {
    const cookie = await signIn(service, 'guest');
    for (const sent of [cookie, cookie, `${name}=nonsense`, ''])
      expect((await signOut(service, sent)).status).toBe(303);
  });
});

describe('behind TLS', async () => {
  const PUBLIC_URL = 'https://log.example.com';
  const tls = await startService({ env: { PUBLIC_URL } });
  const from = { origin: PUBLIC_URL };

  it('the name of the cookie contains a port that is not the default', async () => {
    const other = 'https://log.example.com:9443';
    const service = await startService({ env: { PUBLIC_URL: other } });
    const cookie = cookieOf(await postForm(service, '/sign-in', right, { origin: other }));
    expect(cookie?.name).toBe('__Host-edgetrail-9443');
  });

  it('the cookie has the __Host- prefix, so that no other host can set it', async () => {
    const cookie = cookieOf(await postForm(tls, '/sign-in', right, from));
    expect(cookie?.name).toBe('__Host-edgetrail');
    expect(cookie?.attributes).toEqual(['httponly', 'max-age=43200', 'path=/', 'samesite=lax', 'secure']);
    const secret = cookie?.value ?? '';
    expect(await opens(tls, `__Host-edgetrail=${secret}`)).toBe(true);
    expect(await opens(tls, `edgetrail=${secret}`)).toBe(false);
    const gone = cookieOf(await signOut(tls, `__Host-edgetrail=${secret}`, from));
    expect(gone?.attributes).toContain('secure');
    expect(await opens(tls, `__Host-edgetrail=${secret}`)).toBe(false);
  });

  it('a form sent without TLS gets an error, because the browser would drop the cookie', async () => {
    const answer = await postForm(tls, '/sign-in', right, {
      origin: 'http://log.example.com',
      'sec-fetch-site': 'same-origin',
    });
    expect([answer.status, cookieOf(answer)]).toEqual([403, null]);
    expect(await answer.text()).toMatch(/role="alert">Your browser keeps no session without TLS/);
  });
});

describe('a session ends', async () => {
  it('when it expires, although it is used', async () => {
    const brief = await startService({ env: { SESSION_SECONDS_MAX: '3' } });
    const cookie = await signIn(brief, 'guest');
    expect(await opens(brief, cookie)).toBe(true);
    const opened = Date.now();
    // Each check uses the session.
    await eventually('the session has expired', async () => !(await opens(brief, cookie)), 7_000);
    expect(Date.now() - opened).toBeGreaterThan(1_500);
    expect(await opens(brief, await signIn(brief, 'guest'))).toBe(true);
    await brief.stop();
  });

  it('when the password of its user changes', async () => {
    const before = await startService();
    const [admin, guest] = [await signIn(before, 'admin'), await signIn(before, 'guest')];
    await before.stop();
    const USERS = `admin:admin:${hashes.admin} guest:guest:another-password`;
    const after = await startService({ place: before.place, env: { USERS } });
    expect([await opens(after, forPort(after, admin)), await opens(after, forPort(after, guest))]).toEqual([
      true,
      false,
    ]);
    await after.stop();
  });

  it('when its user is removed, and has the current role of its user', async () => {
    const before = await startService();
    const [admin, guest] = [await signIn(before, 'admin'), await signIn(before, 'guest')];
    await before.stop();
    const after = await startService({ place: before.place, env: { USERS: `admin:guest:${hashes.admin}` } });
    expect(await opens(after, forPort(after, guest))).toBe(false);
    expect(await opens(after, forPort(after, admin))).toBe(true);
    expectProblem(
      await askOf(after, 'POST /api/logs', null, { cookie: forPort(after, admin), origin: after.url }),
      403,
    );
    await after.stop();
  });
});

notOn(reasons.embedded).describe('an unreachable database', async () => {
  const proxy = await proxyTo(await freshPostgres());
  const away = await startService({ place: { DATABASE_URL: proxy.url } });
  const cookie = await signIn(away, 'guest');

  it('is an error in the form, and does not end a session', async () => {
    await proxy.close();
    const answer = await postForm(away, '/sign-in', right);
    const text = await answer.text();
    expect(answer.status, text).toBe(503);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(text).toMatch(/role="alert">The database cannot be reached/);
    expect(text).toContain('value="guest"');
    expect(cookieOf(answer)).toBeNull();
    const page = await fetch(`${away.url}/logs`, { headers: { ...html, cookie }, redirect: 'manual' });
    expect([page.status, page.headers.get('location')]).toEqual([503, null]);
    const out = await signOut(away, cookie);
    expect([out.status, cookieOf(out)], 'the sign-out has failed').toEqual([503, null]);
    await proxy.open();
    await eventually('the database is reachable again', () => opens(away, cookie));
  });
});

notOn(reasons.alone).describe('two instances', async () => {
  const place = { DATABASE_URL: await freshPostgres() };
  const [one, two] = [await startService({ place }), await startService({ place })];

  it('share sessions, and a sign-out ends a session on both', async () => {
    const cookie = await signIn(one, 'guest');
    expect(await opens(two, forPort(two, cookie))).toBe(true);
    await signOut(one, cookie);
    await eventually(
      'the session has ended on the other',
      async () => !(await opens(two, forPort(two, cookie))),
      5_000,
    );
  });

  it('accept a write with the session of the other', async () => {
    const headers = {
      cookie: forPort(two, await signIn(one, 'admin')),
      origin: two.url,
      'content-type': 'application/json',
    };
    expect((await two.request('/api/logs', { ...json(event), as: null, headers })).status).toBe(201);
  });
});
