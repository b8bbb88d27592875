/** Sends a request to any route with any credentials, and checks that a refusal is an RFC 9457 problem. */
import { expect } from 'vitest';
import WebSocket from 'ws';
import type { TestService } from '../support/harness.ts';

/** The body of every POST that `ask` sends. */
export const event = { event_type: 'CREATE', entity_type: 'order', entity_id: 'refused' };

export type Answer = { status: number; headers: Headers; text: string };

/** Requests a route. A stream is closed after its headers; the route of the WebSocket gets a real handshake. */
export async function ask(
  service: TestService,
  route: string,
  authorization: string | null,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const [method = 'GET', path = ''] = route.split(' ');
  const sent = { ...headers, ...(authorization !== null && { authorization }) };
  if (route === 'GET /ws/logs') return handshake(service.url.replace('http', 'ws') + path, sent);
  const abort = new AbortController();
  const answer = await fetch(service.url + path, {
    redirect: 'manual',
    signal: abort.signal,
    method,
    headers: { ...(method === 'POST' && { 'content-type': 'application/json' }), ...sent },
    ...(method === 'POST' && { body: JSON.stringify(event) }),
  });
  const endless = answer.headers.get('content-type')?.startsWith('text/event-stream');
  const text = endless ? '' : await answer.text();
  abort.abort();
  return { status: answer.status, headers: answer.headers, text };
}

async function handshake(url: string, headers: Record<string, string>): Promise<Answer> {
  const socket = new WebSocket(url, { headers });
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

/** Parts of a stack trace, of SQL or of a database's own messages: no response may contain them. */
const internals =
  /\bat .*[/(].*:\d+|node_modules|\.ts\b|select |insert |append_logs|activity_logs|SQLSTATE|syntax error|violates|Error:|pglite|postgres/i;

/** Claims that a response is a problem in the form of RFC 9457 and contains no internals. */
export function expectProblem({ status, headers, text }: Answer, expected: number): void {
  expect(status, text).toBe(expected);
  expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const problem = JSON.parse(text) as Record<string, unknown>;
  expect(problem).toMatchObject({ status: expected, title: expect.stringMatching(/\S/), detail: expect.any(String) });
  expect(Object.keys(problem).every((key) => ['type', 'title', 'status', 'detail', 'errors'].includes(key))).toBe(true);
  expect(problem.detail).toMatch(/\S/);
  expect(text).not.toMatch(internals);
  if (expected === 401) expect(headers.get('www-authenticate')).toMatch(/^Basic realm=.*Bearer realm=/);
}

/** Claims a refusal. A refused handshake may have no body: a browser does not show it, the reason is in a header. */
export function expectRefusal(route: string, answer: Answer, expected: number): void {
  if (route !== 'GET /ws/logs' || answer.text !== '') expectProblem(answer, expected);
  expect(answer.status).toBe(expected);
  if (expected === 401) expect(answer.headers.get('www-authenticate')).toMatch(/^Basic realm=.*Bearer realm=/);
}
