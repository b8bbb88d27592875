/** Writers come first: how long deliveries rest between two steps. What it gives the writers is measured by test:faults -- writes. */
import { expect, it } from 'vitest';
import { createAppendMeter } from '../../src/log/append-meter.ts';
import { rest, rest_ms } from '../../src/log/delivery-rest.ts';

it('a delivery does not rest while nobody writes', () => {
  expect(rest_ms({ step_ms: 100, answering_ms: 40, storing_ms: 0 })).toBe(0);
  expect(rest_ms({ step_ms: 0, answering_ms: 0, storing_ms: 5 })).toBe(0);
});

it('a delivery rests 19 times as long as it worked while the process does nothing but store events, and less the less it stores', () => {
  expect(rest_ms({ step_ms: 100, answering_ms: 40, storing_ms: 100 })).toBe(1_140);
  expect(rest_ms({ step_ms: 100, answering_ms: 40, storing_ms: 50 })).toBe(570);
  // The two are measured by different clocks.
  expect(rest_ms({ step_ms: 100, answering_ms: 40, storing_ms: 101 })).toBe(1_140);
});

it('a delivery does not rest for the time in which only the far side worked', () => {
  expect(rest_ms({ step_ms: 15_000, answering_ms: 15_000, storing_ms: 9_000 })).toBe(0);
});

it('a delivery rests for as long as events are stored, and not longer', async () => {
  const never = new AbortController().signal;
  const rested_ms = async (busy_since: number | null, ms: number) => {
    const started = performance.now();
    await rest(ms, { ...createAppendMeter(), busy_since }, never);
    return performance.now() - started;
  };
  // A timer may be a millisecond early.
  expect(await rested_ms(performance.now(), 600)).toBeGreaterThan(590);
  expect(await rested_ms(null, 10_000)).toBeLessThan(5_000);
});
