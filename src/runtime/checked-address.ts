/** A name that is looked up once: the address that was checked is the one that is connected to. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { addressOfHost, isReachable, type Network } from '../http/addresses.ts';
import { refusedAddress } from '../http/reach.ts';

/** The first address of a URL's host that may be reached. A second look-up could have another answer: there is none. */
export async function checkedAddress(hostname: string, allowed: readonly Network[]): Promise<string> {
  const known = addressOfHost(hostname);
  const addresses = known ? [known] : (await lookup(hostname, { all: true })).map(({ address }) => address);
  const reachable = addresses.find((address) => isReachable(address, allowed));
  if (!reachable) throw refusedAddress(hostname);
  return reachable;
}

/** The name that a certificate must be for, as TLS takes it. A host that is an address has none to send. */
export const servernameOf = (hostname: string): { servername?: string } =>
  isIP(hostname.replace(/^\[|\]$/g, '')) === 0 ? { servername: hostname } : {};

/** Rejects with the reason of a signal. */
export const aborted = (signal: AbortSignal) =>
  new Promise<never>((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
