/** The ids of a request in the service's log: what clients and proxies send, and what is refused of it. */
import { Hono } from 'hono';
import { expect, it } from 'vitest';
import { requestIdsOf, traceIdOf } from '../../src/http/request-id.ts';

const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
const parent = '00f067aa0ba902b7';

it.each([
  [`00-${trace}-${parent}-01`, trace],
  [`00-${trace}-${parent}-00`, trace],
  [`cc-${trace}-${parent}-01-what-the-future-holds`, trace],
  [`00-${trace}-${parent}-01-more`, null],
  [`ff-${trace}-${parent}-01`, null],
  [`00-${trace.toUpperCase()}-${parent}-01`, null],
  [`00-${'0'.repeat(32)}-${parent}-01`, null],
  [`00-${trace}-${'0'.repeat(16)}-01`, null],
  [`00-${trace}-${parent}`, null],
  [trace, null],
  ['', null],
  [undefined, null],
])('traceparent %s has the trace %s', (header, expected) => {
  expect(traceIdOf(header)).toBe(expected);
});

async function idsFor(headers: Record<string, string>) {
  const app = new Hono();
  app.get('/', (c) => c.json([requestIdsOf(c), requestIdsOf(c)]));
  const [first, second] = (await (await app.request('/', { headers })).json()) as Record<string, string>[];
  expect(second, 'asked twice').toEqual(first);
  return first;
}

it('the id that a proxy has given is kept', async () => {
  const headers = { 'x-request-id': 'req-1/a.b:c', traceparent: `00-${trace}-${parent}-01` };
  expect(await idsFor(headers)).toEqual({ request_id: 'req-1/a.b:c', trace_id: trace });
});

it.each([
  ['none', {}],
  ['one with a blank', { 'x-request-id': 'a b' }],
  ['one that would break the line', { 'x-request-id': '"}{"' }],
  ['one that is too long', { 'x-request-id': 'x'.repeat(129) }],
])('a request with %s gets a new one', async (_what, headers) => {
  expect(await idsFor(headers)).toEqual({ request_id: expect.stringMatching(/^[0-9a-f-]{36}$/) });
});
