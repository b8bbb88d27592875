/** What a subject does for the first time, and how surprising that is: who often shows new values surprises nobody. */
import { type Actor, values_max } from './actor.ts';

export type Observed = {
  event_type: string;
  entity_type: string;
  ip_address: string | null;
  user_agent: string | null;
  at: number;
};

/** The network of an address: /24 of IPv4, /48 of IPv6. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return `${address.split('.').slice(0, 3).join('.')}.0/24`;
  const [head = '', tail] = address.split('::');
  const groups = head.split(':');
  if (tail !== undefined) while (groups.length < 3) groups.push('0');
  return `${groups
    .slice(0, 3)
    .map((group) => group || '0')
    .join(':')}::/48`;
}

/** The program that a user agent names. Browsers all begin with the same word. */
export const familyOf = (agent: string): string =>
  (/\b(Edg|OPR|Firefox|Chrome|Safari)\w*\//.exec(agent)?.[1] ?? /^[^\s/(]+/.exec(agent)?.[0] ?? 'other')
    .slice(0, 60)
    .toWellFormed();

const twoHours = Array.from({ length: 12 }, (_, i) =>
  [2 * i, 2 * i + 2]
    .map((hour) => String(hour).padStart(2, '0'))
    .join('–')
    .concat(' h UTC'),
);
const hours = (at: number) => twoHours[new Date(at).getUTCHours() >> 1] ?? null;

/** The fields whose first values are told, of users, of services and of anybody. */
export const fields: Record<string, (event: Observed) => string | null> = {
  action: ({ event_type, entity_type }) => `${event_type} ${entity_type}`,
  network: ({ ip_address }) => ip_address && networkOf(ip_address),
  agent: ({ user_agent }) => user_agent && familyOf(user_agent),
  hours: ({ at }) => hours(at),
};

/** A cut may leave half of a surrogate pair, which the database does not store. */
const keyOf = (value: string) => `v:${value.slice(0, 200).toWellFormed()}`;

/** Sees a value: the bits of surprise if it is new, or null. Learned at once: a second time is not a first. */
export function see({ n, seen }: Actor, field: string, value: string): number | null {
  seen[field] ??= {};
  const values = seen[field];
  const key = keyOf(value);
  if (values[key]) return null;
  const distinct = Object.keys(values).length;
  if (distinct >= values_max) return null;
  values[key] = 1;
  return distinct === 0 ? null : Math.log2((n + distinct) / distinct);
}

/** Forgets a value, so that it is told again. */
export function unsee({ seen }: Actor, field: string, value: string): void {
  delete seen[field]?.[keyOf(value)];
}
