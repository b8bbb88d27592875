/** A made-up shop's events, the same for the same seed: nobody in it exists, and its addresses are those of documentation. */
import type { EntryInput, Metadata } from '../log/entry.ts';

const minute_ms = 60_000;
const hour_ms = 60 * minute_ms;
const day_ms = 24 * hour_ms;

/** What happens, and how long after what happened before it in the same story. */
type Step = { after_ms: number; event: EntryInput };
type Random = ReturnType<typeof createRandom>;

/** mulberry32: small, and the same everywhere. */
export function createRandom(seed: number) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const whole = (min: number, max: number) => min + Math.floor(next() * (max - min + 1));
  return {
    next,
    whole,
    chance: (share: number) => next() < share,
    pick: <T>(list: readonly [T, ...T[]]): T => list[whole(0, list.length - 1)] ?? list[0],
    hex: (digits: number) => Array.from({ length: digits }, () => whole(0, 15).toString(16)).join(''),
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

/** A shop whose ids run on and whose prices are remembered; each call tells one story from its beginning. */
export function createShop(random: Random) {
  const ids = { customer: 1_000, order: 5_000, payment: 9_000, shipment: 3_000 };
  const products = Array.from({ length: 40 }, (_, n) => ({
    id: `p-${100 + n}`,
    name: `${random.pick(things)} ${random.pick(['S', 'M', 'L', 'XL'])}`,
    cents: random.whole(300, 25_000),
  }));
  const product = () => products[random.whole(0, products.length - 1)] ?? { id: 'p-100', name: 'Teapot', cents: 1_900 };

  const visitor = (user_id: string): Partial<EntryInput> => ({
    user_id,
    session_id: `s-${random.hex(12)}`,
    ip_address: random.pick([
      `192.0.2.${random.whole(1, 254)}`,
      `198.51.100.${random.whole(1, 254)}`,
      `2001:db8::${random.whole(1, 0xffff).toString(16)}`,
    ]),
    user_agent: random.pick(agents),
  });
  const someCustomer = () => `c-${random.whole(1_000, ids.customer)}`;
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
      ...(random.chance(0.8) ? [{ after_ms: random.whole(1, 30) * minute_ms, event: verified }] : []),
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

  /** From the basket to the door, or to a payment that fails for good. All of it bears one trace. */
  function order(): Step[] {
    const customer = someCustomer();
    const id = `o-${++ids.order}`;
    const who = { ...visitor(customer), trace_id: random.hex(32) };
    const items = Array.from({ length: random.whole(1, 3) }, () => {
      const { id: product_id, cents } = product();
      return { product_id, quantity: random.whole(1, 4), price: cents / 100 };
    });
    const total = Math.round(items.reduce((sum, { quantity, price }) => sum + quantity * price * 100, 0)) / 100;
    const of = { entity_type: 'order', entity_id: id, service: 'orders', ...who };
    const moves = (after_ms: number, from: string, to: string): Step => ({
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
    const { steps, paid } = payments(id, total, who);
    const ending = paid
      ? [moves(2_000, 'pending', 'paid'), ...shipping(id, who, moves)]
      : [moves(hour_ms, 'pending', 'cancelled')];
    return [{ after_ms: 0, event: placed }, ...steps, ...ending];
  }

  function payments(order_id: string, amount: number, who: Partial<EntryInput>) {
    const method = random.pick(['card', 'transfer', 'wallet']);
    const attempt = (failed: boolean): Step => {
      const id = `pay-${++ids.payment}`;
      const metadata = { order_id, amount, currency: 'EUR', method, status: failed ? 'failed' : 'captured' };
      return {
        after_ms: random.whole(5, 90) * 1_000,
        event: {
          ...{ event_type: 'PAYMENT', entity_type: 'payment', entity_id: id, service: 'payments', ...who },
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
    who: Partial<EntryInput>,
    moves: (after_ms: number, from: string, to: string) => Step,
  ): Step[] {
    const id = `sh-${++ids.shipment}`;
    const { trace_id } = who;
    const of = { entity_type: 'shipment', entity_id: id, service: 'shipments', user_id: 'u-warehouse', trace_id };
    const carrier = random.pick(['carrier-a', 'carrier-b']);
    return [
      {
        after_ms: random.whole(2, 20) * hour_ms,
        event: {
          ...of,
          event_type: 'CREATE',
          description: `Shipment ${id} handed to ${carrier}`,
          metadata: { order_id, carrier },
        },
      },
      moves(1_000, 'paid', 'shipped'),
      {
        after_ms: random.whole(12, 48) * hour_ms,
        event: {
          ...{ ...of, event_type: 'UPDATE', description: `Shipment ${id} delivered` },
          metadata: { order_id, ...changed('status', 'in_transit', 'delivered') },
        },
      },
    ];
  }

  function address(): Step[] {
    const id = someCustomer();
    const event = {
      ...{ event_type: 'UPDATE', entity_type: 'customer', entity_id: id, service: 'users', ...visitor(id) },
      ...{ description: `Customer ${id} changed the delivery address`, metadata: { fields: ['street', 'postcode'] } },
    };
    return [{ after_ms: 0, event }];
  }

  const opening = products.map(({ id, name, cents }): Step => {
    const of = { event_type: 'CREATE', entity_type: 'product', entity_id: id, user_id: 'u-buyer', service: 'orders' };
    return {
      after_ms: 2_000,
      event: { ...of, description: `Product ${name} added`, metadata: { name, price: cents / 100 } },
    };
  });

  return {
    opening,
    story: () => random.pick([signUp, signUp, priceChange, address, order, order, order])(),
  };
}

/** What a story tells on average, and how much longer the shop waits for one by night: to come near `n_events`. */
const events_per_story = 3.1;
const night = { until_hour: 7, slower: 4 };

/**
 * About `n_events` of the days up to `now_ms`, in the order of time: a product range first, then story after story, so
 * that ids grow with time and nobody acts before signing up. What a story would tell of the future is left out.
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
  const told: { ms: number; event: EntryInput }[] = [];
  const tell = (begin_ms: number, steps: Step[]) => {
    let ms = begin_ms;
    for (const { after_ms, event } of steps) {
      ms += after_ms;
      if (ms < now_ms) told.push({ ms, event: { ...event, timestamp: new Date(ms).toISOString() } });
    }
  };
  const start_ms = now_ms - days * day_ms;
  tell(start_ms, shop.opening);
  const day_share = (24 - night.until_hour + night.until_hour / night.slower) / 24;
  const gap_ms = (days * day_ms * day_share) / ((n_events - shop.opening.length) / events_per_story);
  for (let ms = start_ms + minute_ms * 2; ms < now_ms; ) {
    tell(ms, shop.story());
    const slower = new Date(ms).getUTCHours() < night.until_hour ? night.slower : 1;
    ms += gap_ms * slower * 2 * random.next();
  }
  return told.sort((a, b) => a.ms - b.ms).map(({ event }) => event);
}

/** Events without end and without a time of their own: several stories at once, one step of one of them each. */
export function* demoLive(seed: number): Generator<EntryInput, never> {
  const random = createRandom(seed);
  const shop = createShop(random);
  const open: Step[][] = [];
  for (;;) {
    if (open.length < 6) open.push(shop.story());
    const at = random.whole(0, open.length - 1);
    const step = open[at]?.shift();
    if (step) yield step.event;
    else open.splice(at, 1);
  }
}
