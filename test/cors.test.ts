/** Pages of other sites: those that the operator named may ask and read, on the wire and in a browser; no others. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket as WireSocket } from 'ws';
import { hasChromium, openChromium } from './browser.ts';
import { credentials, freshPostgres, json, startService } from './harness.ts';
import { proxyTo } from './proxy.ts';

const desk = 'https://desk.example.com';
const other = 'http://localhost:8123';
const evil = 'https://evil.example';
const event = { event_type: 'CREATE', entity_type: 'order', entity_id: '55' };

const corsHeaders = (headers: Headers) => [...headers].filter(([name]) => name.startsWith('access-control-'));

describe('on the wire', async () => {
  const service = await startService('pglite', { env: { CORS_ORIGINS: `${desk} ${other}` } });
  await service.write(event);
  const ask = (path: string, origin: string, init: Parameters<typeof service.request>[1] = {}) =>
    service.request(path, { ...init, headers: { ...init.headers, origin, 'sec-fetch-site': 'cross-site' } });
  const preflight = (path: string, origin: string, headers: Record<string, string> = {}) =>
    ask(path, origin, {
      as: null,
      method: 'OPTIONS',
      headers: {
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
        ...headers,
      },
    });
  const programs = ['/api/logs', '/api/logs/1', '/api/logs/stats', '/api/logs/export', '/api/logs/stream', '/ws/logs'];

  it.each(programs)('a preflight to %s is answered to a named origin, without credentials', async (path) => {
    for (const origin of [desk, other]) {
      const answer = await preflight(path, origin);
      expect([answer.status, await answer.text()]).toEqual([204, '']);
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        'access-control-allow-origin': origin,
        'access-control-allow-credentials': 'true',
        'access-control-allow-methods': 'GET, POST',
        'access-control-allow-headers': 'authorization, content-type, last-event-id, if-none-match',
        'access-control-max-age': '7200',
        vary: 'Origin',
      });
    }
  });

  const strangers: Record<string, string> = {
    'another site': evil,
    'an opaque origin': 'null',
    'a name that begins alike': `${desk}.evil.example`,
    'a name that ends alike': 'https://evil-desk.example.com',
    'the same name without TLS': desk.replace('https', 'http'),
    'the same name at another port': `${desk}:8443`,
    'the name in capitals': desk.toUpperCase(),
    'two at once': `${desk}, ${evil}`,
    any: '*',
  };
  it.each(Object.entries(strangers))('%s gets no word of it, and cannot write', async (_who, origin) => {
    for (const path of programs) {
      const refused = await preflight(path, origin);
      expect([refused.status, corsHeaders(refused.headers), refused.headers.get('vary')]).toEqual([405, [], 'Origin']);
    }
    for (const path of ['/api/logs', '/api/logs?limit=-1', '/livez', '/nothing']) {
      const answer = await ask(path, origin);
      expect(corsHeaders(answer.headers)).toEqual([]);
      expect(answer.headers.get('vary')).toMatch(/^Origin\b/);
    }
    const written = await ask('/api/logs', origin, json(event));
    expect([written.status, corsHeaders(written.headers)]).toEqual([403, []]);
  });

  it.each<[string, number, string, Parameters<typeof service.request>[1]]>([
    ['the list', 200, '/api/logs', {}],
    ['an event', 200, '/api/logs/1', {}],
    ['the counts', 200, '/api/logs/stats', {}],
    ['the export', 200, '/api/logs/export', {}],
    ['the list, unchanged', 304, '/api/logs', { headers: { 'if-none-match': '*' } }],
    ['a write', 201, '/api/logs', json(event)],
    ['nobody', 401, '/api/logs', { as: null }],
    ['a wrong token', 401, '/api/logs', { as: null, headers: { authorization: 'Bearer wrong-wrong-wrong-wrong' } }],
    ['who may not', 403, '/api/logs/export', { as: 'guest' }],
    ['a bad question', 400, '/api/logs?limit=-1', {}],
    ['an event that is none', 422, '/api/logs', json({})],
    ['a body that is no JSON', 415, '/api/logs', { method: 'POST', body: 'x' }],
    ['what is not there', 404, '/api/logs/999999', {}],
    ['an address that is not there', 404, '/api/nothing', {}],
    ['a method that is not there', 405, '/api/logs/1', { method: 'DELETE' }],
    ['a socket without a handshake', 426, '/ws/logs', {}],
  ])('a named origin can read what it is answered: %s, %i', async (_what, status, path, init) => {
    const answer = await ask(path, desk, init);
    expect([answer.status, await answer.text()]).toEqual([status, expect.any(String)]);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'access-control-allow-origin': desk,
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'link, etag, location, retry-after',
    });
    expect(answer.headers.get('vary')).toMatch(/^Origin\b/);
  });

  it('a named origin may read the live stream', async () => {
    const leave = new AbortController();
    const answer = await ask('/api/logs/stream?after=0', desk, { signal: leave.signal });
    expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(answer.headers.get('access-control-allow-origin')).toBe(desk);
    leave.abort();
  });

  it.each([
    [desk, 'open'],
    [evil, 403],
  ])('a socket of %s: %s', async (origin, becomes) => {
    const socket = new WireSocket(`${service.url.replace('http', 'ws')}/ws/logs?after=0`, {
      headers: { authorization: credentials.admin, origin, 'sec-fetch-site': 'cross-site' },
    });
    socket.on('error', () => {});
    const became = await Promise.race([
      once(socket, 'message').then(([data]) => (String(data).includes('"order"') ? 'open' : String(data))),
      once(socket, 'unexpected-response').then(([, response]) => response.statusCode),
    ]);
    expect(became).toBe(becomes);
    socket.terminate();
  });

  it('the pages are not for other sites, nor is what is public', async () => {
    for (const path of ['/logs', '/logs/live?on=1', '/readyz', '/public/style.css'])
      expect(corsHeaders((await ask(path, desk)).headers), path).toEqual([]);
    expect((await preflight('/logs', desk)).status).toBe(405);
  });

  it('OPTIONS that is no preflight is a method that is not there', async () => {
    expect((await ask('/api/logs', desk, { method: 'OPTIONS' })).status).toBe(405);
  });
});

it('without named origins nobody hears of CORS', async () => {
  const service = await startService('pglite');
  for (const method of ['GET', 'OPTIONS']) {
    const headers = { origin: desk, 'access-control-request-method': 'POST' };
    const answer = await service.request('/api/logs', { method, headers });
    expect(corsHeaders(answer.headers)).toEqual([]);
    expect(answer.headers.get('vary') ?? '').not.toContain('Origin');
  }
});

describe('while there is no database', async () => {
  const proxy = await proxyTo(await freshPostgres());
  await proxy.close();
  const service = await startService('postgres', {
    place: { DATABASE_URL: proxy.url },
    env: { CORS_ORIGINS: desk, MIGRATE: 'off' },
  });

  it('a preflight is answered, and a page can read that it must wait', async () => {
    const headers = { origin: desk, 'access-control-request-method': 'GET' };
    const preflight = await service.request('/api/logs', { as: null, method: 'OPTIONS', headers });
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, desk]);
    const answer = await service.request('/api/logs', { headers: { origin: desk } });
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([503, desk]);
    expect(answer.headers.get('retry-after')).toBe('2');
  });
});

describe.runIf(hasChromium())('in Chromium', async () => {
  let browser: Browser;
  const sites: Server[] = [];
  const openSite = async () => {
    const site = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end('<!doctype html><title>A site of somebody else</title>');
    });
    sites.push(site.listen(0, '127.0.0.1'));
    await once(site, 'listening');
    const address = site.address();
    return typeof address === 'object' && address ? address.port : 0;
  };
  const [ours, theirs] = [await openSite(), await openSite()];
  const named = `http://localhost:${ours}`;
  // Chromium keeps Basic credentials for each site apart, and asks for none on behalf of another. Another port of the
  // service's host is another origin of the same site, so its pages come with what the visitor gave the service.
  const sibling = `http://127.0.0.1:${ours}`;
  const unnamed = `http://127.0.0.1:${theirs}`;
  const service = await startService('pglite', { env: { CORS_ORIGINS: `${named} ${sibling}` } });
  await service.write([event, { ...event, entity_id: '56' }]);
  const socketUrl = `${service.url.replace('http', 'ws')}/ws/logs?after=0`;

  beforeAll(async () => {
    browser = await openChromium();
  });
  afterAll(async () => {
    await browser.close();
    for (const site of sites) site.close();
  });

  /** A page of a site in a browser of its own, where somebody is signed in to the service, or nobody. */
  async function pageOf(origin: string, signedIn: boolean): Promise<Page> {
    const context = await browser.newContext(
      signedIn ? { httpCredentials: { username: 'admin', password: 'admin-password', origin: service.url } } : {},
    );
    const page = await context.newPage();
    if (signedIn) await page.goto(`${service.url}/api/logs/1`);
    await page.goto(origin);
    return page;
  }

  type Asked = { method?: string; headers?: Record<string, string>; body?: string; credentials?: RequestCredentials };
  const fetchIn = (page: Page, path: string, init: Asked) =>
    page.evaluate(
      async ([url, options]) => {
        try {
          const answer = await fetch(url, options);
          const seen = ['etag', 'link', 'location', 'retry-after'].filter((name) => answer.headers.has(name));
          return { status: answer.status, seen, text: await answer.text() };
        } catch (error) {
          return { status: 0, seen: [], text: String(error) };
        }
      },
      [service.url + path, init] as const,
    );

  /** The first id that an EventSource with credentials brings. */
  const followIn = (page: Page) =>
    page.evaluate(
      (url) =>
        new Promise<string>((resolve) => {
          const source = new EventSource(url, { withCredentials: true });
          source.onmessage = ({ lastEventId }) => {
            source.close();
            resolve(lastEventId);
          };
          source.onerror = () => {
            source.close();
            resolve('refused');
          };
        }),
      `${service.url}/api/logs/stream?after=0`,
    );

  const socketIn = (page: Page) =>
    page.evaluate(
      (url) =>
        new Promise<string>((resolve) => {
          const socket = new WebSocket(url);
          socket.onmessage = ({ data }) => {
            socket.close();
            resolve(data);
          };
          socket.onclose = () => resolve('refused');
        }),
      socketUrl,
    );

  const authorization = credentials.admin;

  it('a page of a named origin reads and writes with a header of its own', async () => {
    const page = await pageOf(named, false);
    const list = await fetchIn(page, '/api/logs?limit=1', { headers: { authorization } });
    expect(list).toMatchObject({ status: 200, seen: ['etag', 'link'], text: expect.stringContaining('"order"') });
    const written = await fetchIn(page, '/api/logs', {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify(event),
    });
    expect(written).toMatchObject({ status: 201, seen: ['location'] });
  });

  it('it reads why it was refused', async () => {
    const page = await pageOf(named, false);
    const refused = await fetchIn(page, '/api/logs?limit=-1', { headers: { authorization } });
    expect(refused).toMatchObject({ status: 400, text: expect.stringContaining('limit') });
    const nobody = await fetchIn(page, '/api/logs', { headers: { authorization: 'Bearer wrong-wrong-wrong-wrong' } });
    expect(nobody).toMatchObject({ status: 401, text: expect.stringContaining('"status":401') });
  });

  it('it asks whether what it has is unchanged', async () => {
    const page = await pageOf(named, false);
    const tag = (await service.request('/api/logs')).headers.get('etag') ?? '';
    const again = await fetchIn(page, '/api/logs', { headers: { authorization, 'if-none-match': tag } });
    expect(again).toMatchObject({ status: 304, seen: ['etag'], text: '' });
  });

  it('it reads, writes and follows with the credentials that the browser has', async () => {
    const page = await pageOf(sibling, true);
    expect(await fetchIn(page, '/api/logs/1', { credentials: 'include' })).toMatchObject({ status: 200 });
    const headers = { 'content-type': 'application/json' };
    const written = { method: 'POST', headers, body: JSON.stringify(event), credentials: 'include' } as const;
    expect(await fetchIn(page, '/api/logs', written)).toMatchObject({ status: 201 });
    expect(await followIn(page)).toBe('1');
    expect(await socketIn(page)).toContain('"type":"logs"');
  });

  it('a page of another origin reads nothing, writes nothing and follows nothing, whoever is signed in', async () => {
    const count = async () => ((await (await service.request('/api/logs')).json()) as { total: number }).total;
    const before = await count();
    const page = await pageOf(unnamed, true);
    const nothing = { status: 0, seen: [], text: expect.stringContaining('Failed to fetch') };
    expect(await fetchIn(page, '/api/logs', { credentials: 'include' })).toEqual(nothing);
    expect(await fetchIn(page, '/api/logs', { headers: { authorization } })).toEqual(nothing);
    const body = JSON.stringify(event);
    const plain = { method: 'POST', headers: { 'content-type': 'text/plain' }, body, credentials: 'include' } as const;
    expect(await fetchIn(page, '/api/logs', plain)).toEqual(nothing);
    expect(await followIn(page)).toBe('refused');
    expect(await socketIn(page)).toBe('refused');
    expect(await count()).toBe(before);
  });
});
