/** What happened in a visit: what its events say one after the other. Reads neither the database nor the clock. */
import type { Entry } from '../../log/schema.ts';
import type { SignTypes } from './tables.ts';

/** A moment of a visit that somebody should see: at which event, and what. */
export type Moment = {
  id: number;
  timestamp: string;
  kind: 'signs in' | 'signs out' | 'works after signing out' | 'another address' | 'another agent';
  /** What it was before and is now, or how many events it is about. */
  from?: string;
  to?: string;
  n?: number;
};

/** The moments of events, which are in the order of their time. */
export function momentsOf(events: Entry[], signs: SignTypes): Moment[] {
  const moments: Moment[] = [];
  let [address, agent]: [string | null, string | null] = [null, null];
  /** What came after the last sign-out. */
  let after: Moment | null = null;
  let isOut = false;
  for (const { id, timestamp, event_type, ip_address, user_agent } of events) {
    const at = { id, timestamp };
    if (ip_address !== null && address !== null && ip_address !== address)
      moments.push({ ...at, kind: 'another address', from: address, to: ip_address });
    if (user_agent !== null && agent !== null && user_agent !== agent)
      moments.push({ ...at, kind: 'another agent', from: agent, to: user_agent });
    address = ip_address ?? address;
    agent = user_agent ?? agent;
    const signsIn = signs.in.includes(event_type);
    const signsOut = signs.out.includes(event_type);
    if (signsIn) moments.push({ ...at, kind: 'signs in' });
    if (signsOut) moments.push({ ...at, kind: 'signs out' });
    if (signsIn || signsOut) [isOut, after] = [signsOut, null];
    else if (after) after.n = (after.n ?? 0) + 1;
    else if (isOut) {
      after = { ...at, kind: 'works after signing out', n: 1 };
      moments.push(after);
    }
  }
  return moments;
}

/** A network that people move in: /16 of IPv4, /32 of IPv6. */
export function networkOf(address: string): string {
  const [text = ''] = address.split('/');
  if (!text.includes(':')) return `${text.split('.').slice(0, 2).join('.')}.0.0/16`;
  const [first, second] = (text.split('::')[0] ?? '').split(':');
  return `${first || '0'}:${second || '0'}::/32`;
}

/** One user in two places at once: an event from one network, one from another, and again one from the first. */
export type TwoPlaces = { networks: [string, string]; events: [Entry, Entry, Entry] };

/** The first of each pair of networks. The events are those of one user, in the order of their time. */
export function twoPlacesOf(events: Entry[], gap_ms: number): TwoPlaces[] {
  const placed = events.flatMap((event) =>
    event.ip_address === null ? [] : [{ event, network: networkOf(event.ip_address), ms: Date.parse(event.timestamp) }],
  );
  const lastOf = new Map<string, number>();
  const found = new Map<string, TwoPlaces>();
  for (const [i, { event, network, ms }] of placed.entries()) {
    const before = lastOf.get(network);
    lastOf.set(network, i);
    const first = before === undefined ? undefined : placed[before];
    if (before === undefined || !first || ms - first.ms > gap_ms) continue;
    for (const between of placed.slice(before + 1, i)) {
      const key = [network, between.network].sort().join(' ');
      if (!found.has(key))
        found.set(key, { networks: [network, between.network], events: [first.event, between.event, event] });
    }
  }
  return [...found.values()];
}
