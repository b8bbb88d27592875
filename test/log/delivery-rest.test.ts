/** Writers come first: how long deliveries rest between two steps. What it gives the writers is measured by test:faults -- writes. */
import { expect, it } from 'vitest';
import { rest_ms } from '../../src/log/delivery.ts';

it('a delivery does not rest while nobody writes', () => {
  expect(rest_ms({ step_ms: 100, answering_ms: 40, committing_ms: 0 })).toBe(0);
  expect(rest_ms({ step_ms: 0, answering_ms: 0, committing_ms: 5 })).toBe(0);
});

it('a delivery rests nine times as long as it worked while the process only commits, and less the less it commits', () => {
  expect(rest_ms({ step_ms: 100, answering_ms: 40, committing_ms: 100 })).toBe(540);
  expect(rest_ms({ step_ms: 100, answering_ms: 40, committing_ms: 50 })).toBe(270);
  // A commit may have begun before the step.
  expect(rest_ms({ step_ms: 100, answering_ms: 40, committing_ms: 900 })).toBe(540);
});

it('a delivery does not rest for the time in which only the far side worked', () => {
  expect(rest_ms({ step_ms: 15_000, answering_ms: 15_000, committing_ms: 9_000 })).toBe(0);
});
