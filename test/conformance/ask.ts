/** Asking as anybody, and what a refusal looks like wherever it comes from. */
import { expect } from 'vitest';
import WebSocket from 'ws';
import type { TestService } from '../support/harness.ts';

/** What is posted by whoever may not. */
export const event = { event_type: 'CREATE', entity_type: 'order', entity_id: 'refused' };

export type Answer = { status: number; headers: Headers; text: string };

/** Asks a route; a stream is left at its headers, and the socket's handshake is a real one. */
export async function ask(
  service: TestService,
  route: string,
  authorization: string | null,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const [method = 'GET', path = ''] = route.split(' ');
  const sent = { ...headers, ...(authorization !== null && { authorization }) };
  if (route === 'GET /ws/logs') return handshake(service.url.replace('http', 'ws') + path, sent);
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

/** Words of a stack trace, of SQL or of a database's own messages. */
const inside =
  /\bat .*[/(].*:\d+|node_modules|\.ts\b|select |insert |append_logs|activity_logs|SQLSTATE|syntax error|violates|Error:|pglite|postgres/i;

/** A refusal as RFC 9457 has it, that tells nothing of our inside. */
export function expectProblem({ status, headers, text }: Answer, expected: number): void {
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
export function expectRefusal(route: string, answer: Answer, expected: number): void {
  if (route !== 'GET /ws/logs' || answer.text !== '') expectProblem(answer, expected);
  expect(answer.status).toBe(expected);
  if (expected === 401) expect(answer.headers.get('www-authenticate')).toMatch(/^Basic realm=.*Bearer realm=/);
}
