/** Sample events of a shop, deterministic for a seed. All persons are invented; IP addresses are documentation ranges. */
import type { EntryInput, Metadata } from '../log/entry.ts';

const minute_ms = 60_000;
const hour_ms = 60 * minute_ms;
const day_ms = 24 * hour_ms;

/** An event and its delay after the previous event of the same scenario. */
type Step = { after_ms: number; event: EntryInput };
type Random = ReturnType<typeof createRandom>;

/** A seeded random number generator (mulberry32), with the same sequence on every runtime. */
export function createRandom(seed: number) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const integer = (min: number, max: number) => min + Math.floor(next() * (max - min + 1));
  return {
    next,
    integer,
    chance: (share: number) => next() < share,
    pick: <T>(list: readonly [T, ...T[]]): T => list[integer(0, list.length - 1)] ?? list[0],
    hex: (digits: number) => Array.from({ length: digits }, () => integer(0, 15).toString(16)).join(''),
  };
}

const agents = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15',
  'Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148',
  'ShopApp/4.2 (Android 15)',
] as const;
const things = ['Teapot', 'Desk lamp', 'Notebook', 'Rain jacket', 'Bicycle bell', 'Headphones', 'Backpack'] as const;
const reasons = ['card_declined', 'insufficient_funds', 'expired_card', 'provider_timeout'] as const;

/** A shop that keeps its next ids and its prices; each call of `scenario` returns the steps of one new scenario. */
export function createShop(random: Random) {
  const ids = { customer: 1_000, order: 5_000, payment: 9_000, shipment: 3_000 };
  const products = Array.from({ length: 40 }, (_, n) => ({
    id: `p-${100 + n}`,
    name: `${random.pick(things)} ${random.pick(['S', 'M', 'L', 'XL'])}`,
    cents: random.integer(300, 25_000),
  }));
  const product = () =>
    products[random.integer(0, products.length - 1)] ?? { id: 'p-100', name: 'Teapot', cents: 1_900 };

  const visitor = (user_id: string): Partial<EntryInput> => ({
    user_id,
    session_id: `s-${random.hex(12)}`,
    ip_address: random.pick([
      `192.0.2.${random.integer(1, 254)}`,
      `198.51.100.${random.integer(1, 254)}`,
      `2001:db8::${random.integer(1, 0xffff).toString(16)}`,
    ]),
    user_agent: random.pick(agents),
  });
  const randomCustomerId = () => `c-${random.integer(1_000, ids.customer)}`;
  const changed = (field: string, from: string | number, to: string | number): Metadata => ({
    [`old_${field}`]: from,
    [`new_${field}`]: to,
  });

  function signUp(): Step[] {
    ids.customer += 1;
    const id = `c-${ids.customer}`;
    const of = { entity_type: 'customer', entity_id: id, service: 'users', ...visitor(id) };
    const created = { ...of, event_type: 'CREATE', description: `Customer ${id} signed up` };
    const verified = {
      ...{ ...of, event_type: 'UPDATE', description: `Customer ${id} confirmed the e-mail address` },
      metadata: changed('status', 'unverified', 'verified'),
    };
    return [
      { after_ms: 0, event: created },
      ...(random.chance(0.8) ? [{ after_ms: random.integer(1, 30) * minute_ms, event: verified }] : []),
    ];
  }

  function priceChange(): Step[] {
    const changing = product();
    const old = changing.cents;
    changing.cents = Math.max(100, Math.round(old * (0.8 + random.next() * 0.4)));
    const event: EntryInput = {
      ...{
        event_type: 'UPDATE',
        entity_type: 'product',
        entity_id: changing.id,
        user_id: 'u-buyer',
        service: 'orders',
      },
      description: `Price of ${changing.name} changed`,
      metadata: { name: changing.name, ...changed('price', old / 100, changing.cents / 100) },
    };
    return [{ after_ms: 0, event }];
  }

  /** From the order to its delivery, or to a failed payment. All events have the same trace_id. */
  function order(): Step[] {
    const customer = randomCustomerId();
    const id = `o-${++ids.order}`;
    const visitorFields = { ...visitor(customer), trace_id: random.hex(32) };
    const items = Array.from({ length: random.integer(1, 3) }, () => {
      const { id: product_id, cents } = product();
      return { product_id, quantity: random.integer(1, 4), price: cents / 100 };
    });
    const total = Math.round(items.reduce((sum, { quantity, price }) => sum + quantity * price * 100, 0)) / 100;
    const of = { entity_type: 'order', entity_id: id, service: 'orders', ...visitorFields };
    const statusChange = (after_ms: number, from: string, to: string): Step => ({
      after_ms,
      event: {
        ...of,
        event_type: 'UPDATE',
        description: `Order ${id} is ${to}`,
        metadata: changed('status', from, to),
      },
    });
    const placed: EntryInput = {
      ...of,
      event_type: 'CREATE',
      description: `Order ${id} placed`,
      metadata: { items, total, currency: 'EUR' },
    };
    const { steps, paid } = payments(id, total, visitorFields);
    const ending = paid
      ? [statusChange(2_000, 'pending', 'paid'), ...shipping(id, visitorFields, statusChange)]
      : [statusChange(hour_ms, 'pending', 'cancelled')];
    return [{ after_ms: 0, event: placed }, ...steps, ...ending];
  }

  function payments(order_id: string, amount: number, visitorFields: Partial<EntryInput>) {
    const method = random.pick(['card', 'transfer', 'wallet']);
    const attempt = (failed: boolean): Step => {
      const id = `pay-${++ids.payment}`;
      const metadata = { order_id, amount, currency: 'EUR', method, status: failed ? 'failed' : 'captured' };
      return {
        after_ms: random.integer(5, 90) * 1_000,
        event: {
          ...{ event_type: 'PAYMENT', entity_type: 'payment', entity_id: id, service: 'payments', ...visitorFields },
          description: `Payment of ${amount.toFixed(2)} EUR for order ${order_id} ${failed ? 'failed' : 'captured'}`,
          metadata: failed ? { ...metadata, reason: random.pick(reasons) } : metadata,
        },
      };
    };
    if (!random.chance(0.15)) return { steps: [attempt(false)], paid: true };
    const paid = random.chance(0.6);
    return { steps: [attempt(true), attempt(!paid)], paid };
  }

  function shipping(
    order_id: string,
    visitorFields: Partial<EntryInput>,
    statusChange: (after_ms: number, from: string, to: string) => Step,
  ): Step[] {
    const id = `sh-${++ids.shipment}`;
    const { trace_id } = visitorFields;
    const of = { entity_type: 'shipment', entity_id: id, service: 'shipments', user_id: 'u-warehouse', trace_id };
    const carrier = random.pick(['carrier-a', 'carrier-b']);
    return [
      {
        after_ms: random.integer(2, 20) * hour_ms,
        event: {
          ...of,
          event_type: 'CREATE',
          description: `Shipment ${id} handed to ${carrier}`,
          metadata: { order_id, carrier },
        },
      },
      statusChange(1_000, 'paid', 'shipped'),
      {
        after_ms: random.integer(12, 48) * hour_ms,
        event: {
          ...{ ...of, event_type: 'UPDATE', description: `Shipment ${id} delivered` },
          metadata: { order_id, ...changed('status', 'in_transit', 'delivered') },
        },
      },
    ];
  }

  function address(): Step[] {
    const id = randomCustomerId();
    const event = {
      ...{ event_type: 'UPDATE', entity_type: 'customer', entity_id: id, service: 'users', ...visitor(id) },
      ...{ description: `Customer ${id} changed the delivery address`, metadata: { fields: ['street', 'postcode'] } },
    };
    return [{ after_ms: 0, event }];
  }

  const initialSteps = products.map(({ id, name, cents }): Step => {
    const of = { event_type: 'CREATE', entity_type: 'product', entity_id: id, user_id: 'u-buyer', service: 'orders' };
    return {
      after_ms: 2_000,
      event: { ...of, description: `Product ${name} added`, metadata: { name, price: cents / 100 } },
    };
  });

  return {
    initialSteps,
    scenario: () => random.pick([signUp, signUp, priceChange, address, order, order, order])(),
  };
}

/** The mean events of a scenario, and by what factor scenarios are rarer at night: both to come near `n_events`. */
const events_per_scenario = 3.1;
const night = { until_hour: 7, slower: 4 };

/**
 * About `n_events` events of the days before `now_ms`, ordered by time: first the products, then one scenario after the
 * other, so that ids grow with time and no customer acts before signing up. Events after `now_ms` are left out.
 */
export function demoHistory({
  seed,
  now_ms,
  n_events,
  days,
}: {
  seed: number;
  now_ms: number;
  n_events: number;
  days: number;
}): EntryInput[] {
  const random = createRandom(seed);
  const shop = createShop(random);
  const events: { ms: number; event: EntryInput }[] = [];
  const addScenario = (begin_ms: number, steps: Step[]) => {
    let ms = begin_ms;
    for (const { after_ms, event } of steps) {
      ms += after_ms;
      if (ms < now_ms) events.push({ ms, event: { ...event, timestamp: new Date(ms).toISOString() } });
    }
  };
  const start_ms = now_ms - days * day_ms;
  addScenario(start_ms, shop.initialSteps);
  const day_share = (24 - night.until_hour + night.until_hour / night.slower) / 24;
  const gap_ms = (days * day_ms * day_share) / ((n_events - shop.initialSteps.length) / events_per_scenario);
  for (let ms = start_ms + minute_ms * 2; ms < now_ms; ) {
    addScenario(ms, shop.scenario());
    const slower = new Date(ms).getUTCHours() < night.until_hour ? night.slower : 1;
    ms += gap_ms * slower * 2 * random.next();
  }
  return events.sort((a, b) => a.ms - b.ms).map(({ event }) => event);
}

/** An endless sequence of events without timestamps: several scenarios at once, one step of one of them at a time. */
export function* demoLive(seed: number): Generator<EntryInput, never> {
  const random = createRandom(seed);
  const shop = createShop(random);
  const open: Step[][] = [];
  for (;;) {
    if (open.length < 6) open.push(shop.scenario());
    const at = random.integer(0, open.length - 1);
    const step = open[at]?.shift();
    if (step) yield step.event;
    else open.splice(at, 1);
  }
}
