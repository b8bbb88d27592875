/** The address of a request's client: that of the connection, or what trusted proxies say of it in X-Forwarded-For. */
import { addressText, isInSome, type Network, readAddress } from './addresses.ts';

/**
 * `peer` is the address at the other end of the connection, `forwarded_for` the header X-Forwarded-For. Each proxy appends
 * the address that it was asked from, so the header is read from the right, and only as far as the hops are trusted: what
 * is to the left of the first other address was written by the client. Where a trusted hop says nothing that can be read,
 * that hop's own address is the last that is known.
 *
 * `Forwarded` (RFC 7239) is not read. A proxy passes on the header that it does not know as the client sent it, so a
 * service that reads both believes the client. nginx, Caddy, HAProxy and the load balancers of the clouds write
 * X-Forwarded-For.
 */
export function clientAddress(
  peer: string | undefined,
  forwarded_for: string | undefined,
  trusted: readonly Network[],
): string | undefined {
  let client = readHop(peer ?? '');
  const hops = forwarded_for?.split(',') ?? [];
  while (client && isInSome(client, trusted)) {
    const before = readHop(hops.pop() ?? '');
    if (!before) break;
    client = before;
  }
  return client ? addressText(client) : undefined;
}

/** An address, also with a port (as Azure writes it), in brackets, or with the zone of a link-local address. */
function readHop(text: string) {
  const [, bracketed, bare = ''] = /^\s*(?:\[([^\]]*)\](?::\d+)?|([^[\]]*?))\s*$/.exec(text) ?? [];
  return readAddress((bracketed ?? bare.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1')).replace(/%.*$/, ''));
}

/**
 * Whom a limit for an address is about: an IPv4 address, or the first 64 bits of an IPv6 address. Whoever has an IPv6
 * address has all others that begin with the same 64 bits.
 */
export function sourceOf(address: string | undefined): string {
  const read = readAddress(address ?? '');
  if (!read || !address?.includes(':')) return address ?? '';
  return addressText(read.map((byte, i) => (i < 8 ? byte : 0)));
}

/**
 * Reads the addresses of clients. `onProxy` is called once, at the first request that came through a proxy that is not
 * trusted: limits then count all clients behind it as one. A client may send such a header, too; it has no other effect.
 */
export function clientAddresses(trusted: readonly Network[], onProxy: (peer: string) => void) {
  let isKnown = false;
  return (peer: string | undefined, forwarded_for: string | undefined): string | undefined => {
    const client = clientAddress(peer, forwarded_for, trusted);
    const hop = readHop(peer ?? '');
    if (!isKnown && forwarded_for !== undefined && hop && !isInSome(hop, trusted)) {
      isKnown = true;
      onProxy(addressText(hop));
    }
    return client;
  };
}
