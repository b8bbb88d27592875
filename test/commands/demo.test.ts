/** The sample events of the demo: all are valid, and the same seed gives the same events. */
import { describe, expect, it } from 'vitest';
import { demoHistory, demoLive } from '../../src/commands/demo-shop.ts';
import { type EntryInput, readEntry } from '../../src/log/entry.ts';

const now_ms = Date.parse('2026-03-01T12:00:00Z');
const history = (seed: number) => demoHistory({ seed, now_ms, n_events: 1_500, days: 7 });
const live = (seed: number, n: number) => {
  const events: EntryInput[] = [];
  for (const event of demoLive(seed)) if (events.push(event) === n) break;
  return events;
};
const faults = (events: EntryInput[]) =>
  events.map((event) => readEntry(event)).flatMap((read) => ('faults' in read ? read.faults : []));

describe('the demo', () => {
  it.each([1, 2, 3])('writes only valid events (seed %i)', (seed) => {
    expect(faults(history(seed))).toEqual([]);
    expect(faults(live(seed, 500))).toEqual([]);
  });

  it('writes the same events for the same seed', () => {
    expect(history(4)).toEqual(history(4));
    expect(history(4)).not.toEqual(history(5));
  });

  it('covers seven days in order of time, without future events', () => {
    const times = history(6).map(({ timestamp }) => Date.parse(timestamp ?? ''));
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(times.length).toBeGreaterThan(1_200);
    expect(times.length).toBeLessThan(1_800);
    expect(times.at(-1)).toBeLessThan(now_ms);
    expect(times[0]).toBeGreaterThan(now_ms - 7.1 * 86_400_000);
  });

  it('gives orders ascending ids', () => {
    const ids = history(8)
      .filter(({ event_type, entity_type }) => event_type === 'CREATE' && entity_type === 'order')
      .map(({ entity_id }) => Number(String(entity_id).slice(2)));
    expect(ids.length).toBeGreaterThan(100);
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
  });

  it('has every kind of event that the viewer shows', () => {
    const events = history(7);
    const some = (holds: (event: EntryInput) => unknown) => events.filter(holds).length;
    for (const service of ['orders', 'payments', 'shipments', 'users'])
      expect(some((event) => event.service === service)).toBeGreaterThan(50);
    expect(some(({ metadata }) => metadata && 'old_price' in metadata && 'new_price' in metadata)).toBeGreaterThan(10);
    expect(some(({ metadata }) => metadata?.status === 'failed')).toBeGreaterThan(5);
    expect(some(({ ip_address }) => !ip_address || /^(192\.0\.2\.|198\.51\.100\.|2001:db8::)/.test(ip_address))).toBe(
      events.length,
    );
    const traced = events.filter(({ trace_id, entity_type }) => trace_id && entity_type === 'payment');
    const orders = new Map(
      events.map(({ trace_id, entity_type, metadata }) => [
        entity_type === 'order' && metadata?.items ? trace_id : '',
        true,
      ]),
    );
    expect(traced.every(({ trace_id }) => orders.has(trace_id))).toBe(true);
  });
});
