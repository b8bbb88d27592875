/** CORS in a real browser and during an outage of the database. The tests for every runtime are in conformance/. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openChromium } from '../support/browser.ts';
import { credentials, freshPostgres, startService } from '../support/harness.ts';
import { inChromium } from '../support/in-chromium.ts';
import { proxyTo } from '../support/proxy.ts';

const desk = 'https://desk.example.com';
const event = { event_type: 'CREATE', entity_type: 'order', entity_id: '55' };

describe('without a database', async () => {
  const proxy = await proxyTo(await freshPostgres());
  await proxy.close();
  const service = await startService('postgres', {
    place: { DATABASE_URL: proxy.url },
    env: { CORS_ORIGINS: desk, MIGRATE: 'off' },
  });

  it('a preflight succeeds, and a page can read the 503', async () => {
    const headers = { origin: desk, 'access-control-request-method': 'GET' };
    const preflight = await service.request('/api/logs', { as: null, method: 'OPTIONS', headers });
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, desk]);
    const answer = await service.request('/api/logs', { headers: { origin: desk } });
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([503, desk]);
    expect(answer.headers.get('retry-after')).toBe('2');
  });
});

inChromium.describe('in Chromium', async () => {
  let browser: Browser;
  const sites: Server[] = [];
  const openSite = async () => {
    const site = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end('<!doctype html><title>Another site</title>');
    });
    sites.push(site.listen(0, '127.0.0.1'));
    await once(site, 'listening');
    const address = site.address();
    return typeof address === 'object' && address ? address.port : 0;
  };
  const [ours, theirs] = [await openSite(), await openSite()];
  const named = `http://localhost:${ours}`;
  // Chromium stores Basic credentials per site and does not ask for them for another site. Another port of the
  // service's host is another origin of the same site, so requests of its pages have the stored credentials.
  const sibling = `http://127.0.0.1:${ours}`;
  const unnamed = `http://127.0.0.1:${theirs}`;
  const service = await startService('postgres', { env: { CORS_ORIGINS: `${named} ${sibling}` } });
  await service.write([event, { ...event, entity_id: '56' }]);
  const socketUrl = `${service.url.replace('http', 'ws')}/ws/logs?after=0`;

  beforeAll(async () => {
    browser = await openChromium();
  });
  afterAll(async () => {
    await browser.close();
    for (const site of sites) site.close();
  });

  /** Opens a page of a site in a new browser context, with or without credentials for the service. */
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

  /** The first id that an EventSource with credentials receives. */
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

  it('a page of a named origin reads and writes with its own Authorization header', async () => {
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

  it('a page of a named origin reads the reason for a refusal', async () => {
    const page = await pageOf(named, false);
    const refused = await fetchIn(page, '/api/logs?limit=-1', { headers: { authorization } });
    expect(refused).toMatchObject({ status: 400, text: expect.stringContaining('limit') });
    const nobody = await fetchIn(page, '/api/logs', { headers: { authorization: 'Bearer wrong-wrong-wrong-wrong' } });
    expect(nobody).toMatchObject({ status: 401, text: expect.stringContaining('"status":401') });
  });

  it('a page of a named origin can send a conditional request', async () => {
    const page = await pageOf(named, false);
    const tag = (await service.request('/api/logs')).headers.get('etag') ?? '';
    const again = await fetchIn(page, '/api/logs', { headers: { authorization, 'if-none-match': tag } });
    expect(again).toMatchObject({ status: 304, seen: ['etag'], text: '' });
  });

  it('a page of a named origin reads, writes and follows with the credentials of the browser', async () => {
    const page = await pageOf(sibling, true);
    expect(await fetchIn(page, '/api/logs/1', { credentials: 'include' })).toMatchObject({ status: 200 });
    const headers = { 'content-type': 'application/json' };
    const written = { method: 'POST', headers, body: JSON.stringify(event), credentials: 'include' } as const;
    expect(await fetchIn(page, '/api/logs', written)).toMatchObject({ status: 201 });
    expect(await followIn(page)).toMatch(/^1-/);
    expect(await socketIn(page)).toContain('"type":"logs"');
  });

  it('a page of another origin can neither read, write nor follow, although the user is signed in', async () => {
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
