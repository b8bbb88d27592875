/** Which requests come from loopback, by the address of the connection and all that the request shows. */
import { Hono } from 'hono';
import { expect, it } from 'vitest';
import { isFromLoopback } from '../../../src/features/metrics/access.ts';
import { readSettings } from '../../../src/settings.ts';

type Request = { address?: string; headers?: Record<string, string>; PUBLIC_URL?: string };

async function isLocal({ address, headers, PUBLIC_URL = '' }: Request): Promise<boolean> {
  const app = new Hono();
  const limits = readSettings({ PUBLIC_URL });
  app.get('/', (c) => c.json(isFromLoopback(c, { peerAddress: () => address, limits })));
  const sent = { host: 'localhost:9000', ...headers };
  return (await (await app.request('/', { headers: sent })).json()) as boolean;
}

it.each<[string, Request]>([
  ['127.0.0.1', { address: '127.0.0.1' }],
  ['another address of the network 127', { address: '127.8.8.8' }],
  ['::1', { address: '::1', headers: { host: '[::1]:9000' } }],
  ['an IPv4 address in IPv6', { address: '::ffff:127.0.0.1', headers: { host: '127.0.0.1' } }],
])('from loopback: %s', async (_what, request) => {
  expect(await isLocal(request)).toBe(true);
});

it.each<[string, Request]>([
  ['an unknown address', {}],
  ['an address of a network', { address: '10.0.0.1' }],
  ['an address of a network in IPv6', { address: '::ffff:10.0.0.1' }],
  ['an address that begins like loopback', { address: '127.0.0.1.example.com' }],
  ['the public name in Host, as a proxy passes it on', { address: '127.0.0.1', headers: { host: 'log.example.com' } }],
  ['a name that resolves to loopback', { address: '127.0.0.1', headers: { host: 'localhost.evil.example' } }],
  ['an empty Host', { address: '127.0.0.1', headers: { host: '' } }],
  ['a forwarded request', { address: '127.0.0.1', headers: { 'x-forwarded-for': '127.0.0.1' } }],
  ['a forwarded request as in RFC 7239', { address: '127.0.0.1', headers: { Forwarded: 'for=127.0.0.1' } }],
  ['a request through a proxy', { address: '127.0.0.1', headers: { via: '1.1 proxy' } }],
  ['any, where PUBLIC_URL is set', { address: '127.0.0.1', PUBLIC_URL: 'https://log.example.com' }],
])('not from loopback: %s', async (_what, request) => {
  expect(await isLocal(request)).toBe(false);
});
