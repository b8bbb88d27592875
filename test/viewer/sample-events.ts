/** Sample events for the tests of the viewer. */
import type { Page } from 'playwright-core';
import { rowsOf } from './browser-page.ts';

export const order = <More extends object>(n: number, more: More = {} as More) => ({
  event_type: 'CREATE',
  entity_type: 'order',
  entity_id: `${n}`,
  user_id: 'ana',
  service: 'shop',
  description: `order ${n} taken`,
  ...more,
});

/** An event with a value in every field, with changes and with nested metadata. */
export const detailedEvent = order(1, {
  event_type: 'UPDATE',
  user_id: 'frida',
  trace_id: 'trace-7',
  session_id: 'session-7',
  ip_address: '192.0.2.7',
  user_agent: 'shop/7',
  description: 'the price went up',
  metadata: {
    old_price: 10,
    new_price: 12,
    before: { state: 'open', note: 'x' },
    after: { state: 'paid', note: 'x' },
    basket: { lines: [{ sku: 'a-1' }], paid: true },
  },
});

const of = (words: string[], n: number) => words[n % words.length];

/** 120 events: 3 event types, 2 entity types, 4 users, 2 services. Every tenth is a late delivery; one has metadata. */
export const assortedEvents = () =>
  Array.from({ length: 120 }, (_, n) =>
    order(n, {
      event_type: of(['CREATE', 'UPDATE', 'DELETE'], n),
      entity_type: n % 5 === 0 ? 'customer' : 'order',
      user_id: of(['ana', 'ben', 'cy', 'dot'], n),
      service: of(['checkout', 'billing'], n),
      ...(n % 10 === 0 && { description: `late delivery of ${n}` }),
      ...(n === 118 && { metadata: { shop: { till: 'north' } } }),
    }),
  );

/** The numbers in the descriptions of the page's rows, from the top. */
export const numbersOf = async (page: Page): Promise<number[]> =>
  (await rowsOf(page).locator('summary > :last-child').allTextContents()).map((text) =>
    Number(/\d+/.exec(text)?.[0] ?? Number.NaN),
  );

/** The numbers of the newest 50 of assortedEvents that match, newest first. */
export const expected = (fits: (n: number) => boolean): number[] =>
  Array.from({ length: 120 }, (_, n) => 119 - n)
    .filter(fits)
    .slice(0, 50);
