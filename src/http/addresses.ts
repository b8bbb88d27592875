/** IP addresses and networks: how they are read and written, and which addresses a request to the outside may reach. */

/** The 16 bytes of an address; an IPv4 address is the IPv4-mapped one (RFC 4291 §2.5.5.2). */
type Address = number[];
export type Network = { text: string; address: Address; bits: number };

const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** Reads an IPv4 or IPv6 address, without zone or brackets; null for anything else. */
export function readAddress(text: string): Address | null {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) {
    const bytes = text.split('.').map(Number);
    return bytes.every((byte) => byte <= 255) ? [...mapped, ...bytes] : null;
  }
  if (!text.includes(':') || !/^[\da-f:.]+$/i.test(text) || !URL.canParse(`http://[${text}]/`)) return null;
  // The URL parser checks all forms, and writes them in one: groups of hex, `::` for the longest run of zeros.
  const [head = '', tail] = new URL(`http://[${text}]/`).hostname.slice(1, -1).split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const zeros = new Array(tail === undefined ? 0 : 8 - before.length - after.length).fill(0);
  return [...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 0xff]);
}

/** Reads `10.0.0.0/8`, `fd00::/8` or a single address; null for anything else. */
export function readNetwork(text: string): Network | null {
  const [, written = '', length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const address = readAddress(written);
  if (!address) return null;
  const offset = written.includes(':') ? 0 : 96;
  const bits = length === undefined ? 128 : Number(length) + offset;
  return bits <= 128 ? { text, address, bits } : null;
}

const isIn = (address: Address, { address: network, bits }: Network): boolean =>
  network.every((byte, i) => {
    const mask = 0xff & (0xff00 >> Math.max(0, Math.min(8, bits - 8 * i)));
    return (byte & mask) === ((address[i] ?? 0) & mask);
  });

export const isInSome = (address: Address, networks: readonly Network[]): boolean =>
  networks.some((network) => isIn(address, network));

/** An address in one form: an IPv4 address in its own, also where it was written as an IPv6 address. */
export function addressText(address: Address): string {
  if (mapped.every((byte, i) => byte === address[i])) return address.slice(12).join('.');
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((address[2 * i] ?? 0) << 8) | (address[2 * i + 1] ?? 0)).toString(16),
  );
  // The URL parser shortens the longest run of zeros, as RFC 5952 asks for.
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}

const networks = (texts: string) =>
  texts.split(' ').map((text) => {
    const network = readNetwork(text);
    if (!network) throw new Error(`${text} is no network`);
    return network;
  });

/**
 * What is not the public Internet: the special-purpose registries of IANA (RFC 6890), multicast, and the one metadata
 * address that looks public (168.63.129.16, Azure). 169.254.169.254 and its relatives are link-local.
 */
const notPublic = networks(
  '0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 ' +
    '192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 168.63.129.16/32 ' +
    '2001::/23 2001:db8::/32 3fff::/20',
);
/** Global unicast addresses of IPv6, and all of IPv4. */
const perhapsPublic = networks('2000::/3 ::ffff:0:0/96');
/** An IPv6 address may stand for an IPv4 address that a gateway reaches: NAT64 (RFC 6052) and 6to4 (RFC 3056). */
const embedding: { network: Network; at: number }[] = [
  { network: networks('64:ff9b::/96')[0] as Network, at: 12 },
  { network: networks('2002::/16')[0] as Network, at: 2 },
];

/** Whether requests may go to an address: it is public, or in one of the networks that are allowed although they are not. */
export function isReachable(text: string, allowed: readonly Network[]): boolean {
  const address = readAddress(text);
  if (!address) return false;
  if (isInSome(address, allowed)) return true;
  const gateway = embedding.find(({ network }) => isIn(address, network));
  if (gateway) return isReachable(address.slice(gateway.at, gateway.at + 4).join('.'), allowed);
  return isInSome(address, perhapsPublic) && !isInSome(address, notPublic);
}

/** The address that a URL's host is, or that it surely means; null for a name that has to be looked up. */
export function addressOfHost(hostname: string): string | null {
  const bare = hostname.replace(/^\[|\]$/g, '');
  if (readAddress(bare)) return bare;
  return /(^|\.)localhost\.?$/i.test(hostname) ? '127.0.0.1' : null;
}
