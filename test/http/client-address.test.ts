/** The address of a client: by X-Forwarded-For as far as the hops are trusted, and by nothing that a client can write. */
import { describe, expect, it } from 'vitest';
import { readNetwork } from '../../src/http/addresses.ts';
import { clientAddress, clientAddresses, sourceOf } from '../../src/http/client-address.ts';

const networks = (text: string) => text.split(' ').flatMap((word) => readNetwork(word) ?? []);
const trusted = networks('127.0.0.1 10.0.0.0/8 fd00::/8');

describe('what a client writes of itself is not believed', () => {
  it.each<[what: string, peer: string, header: string | undefined, client: string]>([
    ['without a proxy', '203.0.113.9', '198.51.100.1', '203.0.113.9'],
    ['from an address beside the trusted ones', '11.0.0.1', '198.51.100.1', '11.0.0.1'],
    ['to the left of what the proxy appended', '127.0.0.1', '198.51.100.1, 203.0.113.9', '203.0.113.9'],
    ['as a trusted address', '127.0.0.1', '10.0.0.1, 203.0.113.9', '203.0.113.9'],
    ['as nonsense', '127.0.0.1', 'x, 203.0.113.9', '203.0.113.9'],
    ['as an empty hop', '127.0.0.1', ',,203.0.113.9', '203.0.113.9'],
    ['as a quoted list', '127.0.0.1', '"198.51.100.1, 203.0.113.9"', '127.0.0.1'],
  ])('%s', (_what, peer, header, client) => {
    expect(clientAddress(peer, header, trusted)).toBe(client);
  });

  it('also where nothing is trusted', () => {
    expect(clientAddress('127.0.0.1', '198.51.100.1', [])).toBe('127.0.0.1');
  });
});

describe('the address of the client is', () => {
  it.each<[what: string, peer: string | undefined, header: string | undefined, client: string | undefined]>([
    ['that of the connection', '203.0.113.9', undefined, '203.0.113.9'],
    ['what the proxy saw', '127.0.0.1', '203.0.113.9', '203.0.113.9'],
    ['what the first of two proxies saw', '127.0.0.1', '203.0.113.9, 10.0.0.5', '203.0.113.9'],
    ['the first hop, where all are trusted', '127.0.0.1', '10.0.0.7, 10.0.0.5', '10.0.0.7'],
    ['the proxy, where it says nothing', '127.0.0.1', undefined, '127.0.0.1'],
    ['the proxy, where it says that it does not know', '127.0.0.1', 'unknown', '127.0.0.1'],
    ['the last known hop', '127.0.0.1', '203.0.113.9, _hidden, 10.0.0.5', '10.0.0.5'],
    ['an IPv4 address written as IPv6', '::ffff:127.0.0.1', '::ffff:203.0.113.9', '203.0.113.9'],
    ['with a port', '127.0.0.1', '203.0.113.9:4711', '203.0.113.9'],
    ['IPv6 with a port', '127.0.0.1', '[2001:db8::1]:4711', '2001:db8::1'],
    ['IPv6 in brackets', '127.0.0.1', '[2001:db8::1]', '2001:db8::1'],
    ['IPv6 in its short form', 'fd00::1', '2001:0db8:0:0:0:0:0:00A1', '2001:db8::a1'],
    ['link-local with a zone', 'fe80::1%eth0', undefined, 'fe80::1'],
    ['not known', undefined, '203.0.113.9', undefined],
  ])('%s', (_what, peer, header, client) => {
    expect(clientAddress(peer, header, trusted)).toBe(client);
  });
});

it('a limit is about an IPv4 address, or a network of 64 bits', () => {
  expect(sourceOf('203.0.113.9')).toBe('203.0.113.9');
  expect(sourceOf('2001:db8:1:2:3:4:5:6')).toBe(sourceOf('2001:db8:1:2::1'));
  expect(sourceOf('2001:db8:1:3::1')).not.toBe(sourceOf('2001:db8:1:2::1'));
  expect(sourceOf(undefined)).toBe('');
});

it('a proxy that is not trusted is told of once', () => {
  const told: string[] = [];
  const addressOf = clientAddresses(trusted, (peer) => told.push(peer));
  expect(addressOf('127.0.0.1', '203.0.113.9')).toBe('203.0.113.9');
  expect(addressOf('192.168.1.1', undefined)).toBe('192.168.1.1');
  expect(told).toEqual([]);
  for (let i = 0; i < 3; i++) expect(addressOf('::ffff:192.168.1.1', '203.0.113.9')).toBe('192.168.1.1');
  expect(told).toEqual(['192.168.1.1']);
});
