/** Token buckets: never more than the quota at once and in each window, whatever is asked for and when. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rateLimit, rateLimitHeaders, tooMany } from '../../src/http/rate-limit.ts';

/** A limit and its clock. */
function limited(quota: number, window_s = 60) {
  const clock = { ms: 0 };
  return { clock, limit: rateLimit({ name: 'events', quota, window_s, unit: 'events' }, () => clock.ms) };
}

it('refuses what exceeds the quota, and takes nothing for it', () => {
  const { limit } = limited(10);
  expect([limit.take('a', 11), limit.take('a', 7), limit.take('a', 4), limit.take('a', 3), limit.take('a')]).toEqual([
    false,
    true,
    false,
    true,
    false,
  ]);
});

it('says how much is left and when there is more, or what was asked for', () => {
  const { clock, limit } = limited(10);
  expect(limit.standing('a')).toMatchObject({ left: 10, wait_s: 0 });
  limit.take('a', 10);
  expect(limit.standing('a')).toMatchObject({ left: 0, wait_s: 6 });
  expect(limit.standing('a', 10)).toMatchObject({ left: 0, wait_s: 60 });
  clock.ms = 6_000;
  expect(limit.standing('a')).toMatchObject({ left: 1, wait_s: 6 });
  expect(limit.take('a')).toBe(true);
  clock.ms = 3_600_000;
  expect(limit.standing('a')).toMatchObject({ left: 10, wait_s: 0 });
});

it('keys do not share a quota, and what is given back can be taken again', () => {
  const { limit } = limited(2);
  expect([limit.take('a', 2), limit.take('b', 2), limit.take('a')]).toEqual([true, true, false]);
  limit.giveBack('a');
  expect([limit.take('a'), limit.take('a')]).toEqual([true, false]);
});

it('at most twice the quota passes in any window, and after the told time what was asked for passes', () => {
  const asked = fc.array(fc.record({ n: fc.integer({ min: 1, max: 20 }), after_ms: fc.nat(20_000) }), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), asked, (quota, requests) => {
      const { clock, limit } = limited(quota);
      const passed: { at: number; n: number }[] = [];
      for (const { n, after_ms } of requests) {
        clock.ms += after_ms;
        if (limit.take('a', n)) passed.push({ at: clock.ms, n });
        else if (n <= quota) {
          clock.ms += limit.standing('a', n).wait_s * 1000;
          expect(limit.take('a', n)).toBe(true);
          passed.push({ at: clock.ms, n });
        }
        const inWindow = passed.filter(({ at }) => at > clock.ms - 60_000).reduce((sum, { n }) => sum + n, 0);
        expect(inWindow).toBeLessThanOrEqual(2 * quota);
        expect(limit.standing('a').left).toBeLessThanOrEqual(quota);
      }
    }),
  );
});

it('keeps a bounded number of keys, and those that are used', () => {
  const { limit } = limited(1);
  limit.take('used');
  for (let i = 0; i < 30_000; i++) {
    limit.take(`key-${i}`);
    // A refusal uses it, too.
    if (i % 1_000 === 0) expect(limit.take('used')).toBe(false);
  }
  expect(limit.take('key-0')).toBe(true);
  expect(limit.take('key-29999')).toBe(false);
});

describe('the header fields', () => {
  it('are lists of structured fields', () => {
    const { limit } = limited(1_000);
    limit.take('a', 400);
    const name = rateLimit({ name: 'sign-in-name', quota: 5, window_s: 60 }, () => 0);
    expect(rateLimitHeaders([limit.standing('a'), name.standing('a')])).toEqual({
      'ratelimit-policy': '"events";q=1000;qu="events";w=60, "sign-in-name";q=5;w=60',
      ratelimit: '"events";r=600;t=1, "sign-in-name";r=5;t=0',
    });
  });

  it('of a refusal say the same time as Retry-After', () => {
    const { limit } = limited(1_000);
    limit.take('a', 400);
    const problem = tooMany('Too many.', [limit.standing('a', 1_000)], { stored: 'nothing' });
    expect(problem.headers['retry-after']).toBe('24');
    expect(problem.headers.ratelimit).toBe('"events";r=600;t=24');
    expect(problem.toJSON()).toMatchObject({ status: 429, title: 'Too many requests', stored: 'nothing' });
  });
});
