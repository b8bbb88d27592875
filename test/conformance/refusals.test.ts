/** Refusals of unknown paths, methods and content types, and the security headers of every response. */
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { describe, expect, it } from 'vitest';
import { credentials, json, startService } from '../support/harness.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';
import { type Answer, ask as askOf, event, expectProblem } from './ask.ts';

const service = await startService();
const ask = (route: string) => askOf(service, route, credentials.admin);

describe('an unknown path or method', () => {
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
    expectProblem(await ask(`GET ${path}`), 404);
  });

  it('a path traversal that the client does not normalise is 404', async () => {
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
  ])('%s %s is 405 with the allowed methods', async (method, path, allow) => {
    const answer = await ask(`${method} ${path}`);
    expectProblem(answer, 405);
    expect(answer.headers.get('allow')).toBe(allow);
  });
});

describe('other refusals are problem responses', () => {
  const post = async (init: RequestInit): Promise<Answer> => {
    const answer = await service.request('/api/logs', { ...json(event), ...init });
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  };

  it('413: a body above the limit', async () => {
    expectProblem(await post({ body: JSON.stringify({ ...event, description: 'x'.repeat(2_000_000) }) }), 413);
  });

  it('415: a content type that is not JSON, with the accepted types', async () => {
    const answer = await post({ headers: { 'content-type': 'text/plain' } });
    expectProblem(answer, 415);
    expect(answer.headers.get('accept-post')).toContain('application/json');
  });

  it('422: an invalid event', async () => {
    expectProblem(await post({ body: '{}' }), 422);
  });

  it('426: the WebSocket path without a handshake', async () => {
    const answer = await service.request('/ws/logs');
    expectProblem({ status: answer.status, headers: answer.headers, text: await answer.text() }, 426);
  });

  notOn(reasons.edge).it('426: the Upgrade header names websocket', async () => {
    expect((await service.request('/ws/logs')).headers.get('upgrade')).toBe('websocket');
  });

  it('a browser gets an HTML page with the same status', async () => {
    const answer = await service.request('/logs?limit=-1', { headers: { accept: 'text/html,*/*' } });
    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toMatch(/^text\/html/);
    expect(await answer.text()).toContain('limit');
  });

  it('the query is escaped in the HTML page', async () => {
    const answer = await service.request('/logs?%3Cscript%3Ealert(1)%3C/script%3E=1', {
      headers: { accept: 'text/html' },
    });
    expect(await answer.text()).not.toContain('<script>alert');
  });
});

it.each<[what: string, path: string, init?: RequestInit]>([
  ['a refusal', '/api/logs?limit=-1'],
  ['an answer', '/api/logs'],
  ['the answer to a write', '/api/logs', json({ event_type: 'A', entity_type: 'order' })],
  ['the answer to a refused write', '/api/logs', json({})],
  ['the page', '/logs'],
  ['nothing', '/nothing'],
])('%s has the strict Content-Security-Policy and is not cached', async (_what, path, init) => {
  const { headers } = await service.request(path, init);
  const policy = headers.get('content-security-policy') ?? '';
  expect(policy).toContain("script-src 'self'");
  expect(policy).toContain("style-src 'self'");
  expect(policy).not.toMatch(/unsafe|\*|data:.*script/);
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('cache-control')).toMatch(/^(no-store|private, no-cache)$/);
});
