/** Which addresses a request to the outside may reach. */
import { describe, expect, it } from 'vitest';
import { addressOfHost, isReachable, readNetwork } from '../../src/http/addresses.ts';

const allowing = (...texts: string[]) => texts.map((text) => readNetwork(text) ?? expect.fail(text));

describe('an address is reached', () => {
  it.each([
    '1.1.1.1',
    '172.15.255.255',
    '172.32.0.0',
    '192.169.0.1',
    '2606:4700::1111',
    '64:ff9b::101:101',
    '2002:101:101::1',
  ])('that is public: %s', (address) => expect(isReachable(address, [])).toBe(true));

  it.each([
    ['10.1.2.3', '10.0.0.0/8'],
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:10.1.2.3', '10.0.0.0/8'],
    ['64:ff9b::a01:203', '10.0.0.0/8'],
    ['fd00::1', 'fd00::/8'],
    ['::1', '::1'],
  ])('that is not, but in an allowed network: %s in %s', (address, network) => {
    expect(isReachable(address, [])).toBe(false);
    expect(isReachable(address, allowing(network))).toBe(true);
  });
});

describe('an address is not reached', () => {
  it.each([
    ['loopback', '127.255.255.255'],
    ['this host', '0.0.0.0'],
    ['private', '10.0.0.1'],
    ['private', '172.16.0.1'],
    ['private', '192.168.255.255'],
    ['of a carrier’s NAT', '100.64.0.1'],
    ['the metadata address', '169.254.169.254'],
    ['the metadata address of Azure', '168.63.129.16'],
    ['multicast', '224.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['loopback of IPv6', '::1'],
    ['unspecified', '::'],
    ['IPv4-mapped', '::ffff:127.0.0.1'],
    ['IPv4-mapped, in hex', '::ffff:7f00:1'],
    ['IPv4-compatible', '::7f00:1'],
    ['NAT64 of a private address', '64:ff9b::c0a8:101'],
    ['NAT64 of a local prefix', '64:ff9b:1::1'],
    ['6to4 of loopback', '2002:7f00:1::'],
    ['Teredo', '2001:0:1::1'],
    ['unique local', 'fd00:ec2::254'],
    ['link-local', 'fe80::1'],
    ['multicast of IPv6', 'ff02::1'],
    ['no address', 'example.com'],
  ])('that is %s: %s', (_what, address) => expect(isReachable(address, [])).toBe(false));

  it.each([
    ['10.1.0.1', '10.0.0.0/16'],
    ['127.0.0.2', '127.0.0.1'],
    ['fe80::1', 'fd00::/8'],
  ])('that is beside the allowed network: %s, %s', (address, network) => {
    expect(isReachable(address, allowing(network))).toBe(false);
  });
});

it.each(['10.0.0.0/33', '10.0.0/8', '::/129', 'example.com', '10.0.0.1/', '', '1.2.3.256'])(
  '%s is no network',
  (text) => {
    expect(readNetwork(text)).toBeNull();
  },
);

it.each([
  ['[::1]', '::1'],
  ['localhost', '127.0.0.1'],
  ['db.localhost', '127.0.0.1'],
  ['example.com', null],
])('the host %s is the address %s', (host, address) => expect(addressOfHost(host)).toBe(address));
