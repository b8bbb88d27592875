/** Three weeks of two people who change orders by day, with what is put into them. */
export const minute_ms = 60_000;
export const hour_ms = 60 * minute_ms;
export const day_ms = 24 * hour_ms;

export type Happened = { at: number } & Record<string, unknown>;

export const team = (start: number, days: number): Happened[] =>
  Array.from({ length: days * 8 }, (_, i) => {
    const at = start + Math.floor(i / 8) * day_ms + (8 + (i % 8)) * hour_ms;
    return [0, 1, 2, 3].flatMap((n): Happened[] =>
      n <= (i * 7) % 4 ? ['ana', 'bob'].map((user_id) => ({ at: at + n * 7 * minute_ms, user_id })) : [],
    );
  }).flat();

export const burst = (at: number, n: number, more: Record<string, unknown> = {}): Happened[] =>
  Array.from({ length: n }, (_, i) => ({ at: at + i * 20_000, event_type: 'DELETE', ...more }));

/** In the order of time, as events that are written. */
export const asEvents = (happened: Happened[]) =>
  happened
    .toSorted((a, b) => a.at - b.at)
    .map(({ at, ...event }) => ({
      ...{ timestamp: new Date(at).toISOString(), event_type: 'UPDATE', entity_type: 'order', user_id: 'ana' },
      ...{ service: 'shop', ip_address: '10.0.0.7', user_agent: 'Mozilla/5.0 Firefox/130.0', ...event },
    }));

/** A service that writes every so many minutes, day and night; `changed` says how many at once, if not one. */
export const till = (
  start: number,
  days: number,
  minutes: number,
  changed: (at: number) => number = () => 1,
): Happened[] =>
  Array.from({ length: (days * day_ms) / (minutes * minute_ms) }, (_, i) => {
    const at = start + i * minutes * minute_ms;
    return Array.from({ length: changed(at) }, (_, n) => ({
      ...{ at: at + n * 1_000, user_id: null, service: 'till', event_type: 'SALE', entity_type: 'sale' },
    }));
  }).flat();

/** Events of these types, a second apart, of one group: `{ trace_id: 'x' }`. */
export const flow = (at: number, types: readonly string[], group: Record<string, string>): Happened[] =>
  types.map((event_type, i) => ({ at: at + i * 1_000, user_id: null, event_type, ...group }));

export const flows = {
  usual: ['CREATE', 'PAY', 'PACK', 'SHIP'],
  wrong: ['CREATE', 'SHIP', 'PACK', 'PAY'],
} as const;

/** An order every so many minutes, with something else in the middle of it now and then. */
export const orders = (start: number, days: number, minutes = 30, by = 'trace_id'): Happened[] =>
  Array.from({ length: (days * day_ms) / (minutes * minute_ms) }, (_, i) => {
    const [create, pay, ...rest] = flows.usual;
    const types = i % 5 === 0 ? [create, pay, 'NOTE', ...rest] : flows.usual;
    return flow(start + i * minutes * minute_ms, types, { [by]: `usual-${i}` });
  }).flat();
