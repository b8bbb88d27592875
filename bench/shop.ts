/** Deterministic sample events of a shop, about 400 bytes of JSON each. */

const kinds = [
  ['CREATE', 'order', 'placed'],
  ['UPDATE', 'order', 'packed'],
  ['PAYMENT', 'payment', 'paid by card'],
  ['UPDATE', 'shipment', 'handed to the carrier'],
  ['UPDATE', 'customer', 'changed the address of'],
  ['DELETE', 'product', 'taken off sale'],
] as const;
const services = ['checkout', 'payments', 'warehouse', 'accounts'];
const channels = ['web', 'ios', 'android', 'partner'];
const cities = ['Lisbon', 'Tallinn', 'Pune', 'Oslo', 'Quito', 'Osaka', 'Accra', 'Leeds'];

/** A 32-bit hash of an index (the finalizer of MurmurHash3), so that values are spread over the database indexes. */
function mix(seed: number): number {
  let h = Math.imul(seed ^ (seed >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const pick = <T>(from: readonly [T, ...T[]] | readonly T[], seed: number): T => from[seed % from.length] as T;

/** The event with number `n`. Different numbers below 2^32 give different events. */
export function shopEvent(n: number) {
  const a = mix(n + 1);
  const b = mix(a);
  const [event_type, entity_type, verb] = pick(kinds, a >>> 8);
  const entity_id = `${entity_type}-${a}`;
  const city = pick(cities, b >>> 12);
  const total = (b % 50_000) / 100;
  return {
    event_type,
    entity_type,
    entity_id,
    user_id: `customer-${b % 20_000}`,
    description: `${entity_id} ${verb}: ${(b % 7) + 1} items for ${total} EUR to ${city}`,
    metadata: {
      status: verb,
      total,
      currency: 'EUR',
      channel: pick(channels, a >>> 4),
      basket: b,
      express: b % 5 === 0,
    },
    ip_address: `10.${a & 255}.${(a >>> 8) & 255}.${(a >>> 16) & 255}`,
    user_agent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0',
    service: pick(services, b >>> 3),
    trace_id: `${a.toString(16).padStart(8, '0')}${b.toString(16).padStart(8, '0')}`,
  };
}

/** `n` JSON texts of `rows` events each, which a measurement sends in rotation. */
export const shopTexts = (n: number, rows: number): string[] =>
  Array.from({ length: n }, (_, i) => JSON.stringify(Array.from({ length: rows }, (_, j) => shopEvent(i * rows + j))));
