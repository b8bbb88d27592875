/** Rate limits as token buckets, in the memory of one process, and the header fields that tell a client how it stands. */
import { Problem, type Stored } from './problem.ts';

/** At most `quota` units at once, and as many more in each `window_s`. `unit` is absent where requests are counted. */
export type Policy = { name: string; quota: number; window_s: number; unit?: string };

/** What is left of a policy for one key, and after how long there is more of it, or what was asked for. */
export type Standing = { policy: Policy; left: number; wait_s: number };

export type RateLimit = ReturnType<typeof rateLimit>;

/** Above it the key that was used the longest time ago is forgotten: clients choose the keys, and not our memory. */
const keys_max = 10_000;

/**
 * A token bucket for each key. It is kept as one number, the moment at which the bucket is full again (GCRA, ITU-T I.371):
 * no timer fills it. `now_ms` is a clock that nobody sets.
 */
export function rateLimit(policy: Policy, now_ms: () => number = () => performance.now()) {
  const { quota, window_s } = policy;
  const unit_ms = (window_s * 1000) / quota;
  const fullAt = new Map<string, number>();

  function put(key: string, full_at: number): void {
    fullAt.delete(key);
    if (full_at <= now_ms()) return;
    const oldest = fullAt.keys().next().value;
    if (fullAt.size >= keys_max && oldest !== undefined) fullAt.delete(oldest);
    fullAt.set(key, full_at);
  }

  /** How many milliseconds of filling the bucket lacks. Who asks uses the key, refusals too: it is not the next to be forgotten. */
  function lack(key: string): number {
    const full_at = fullAt.get(key) ?? 0;
    put(key, full_at);
    return Math.max(0, full_at - now_ms());
  }

  function standing(key: string, wanted = 1): Standing {
    // Sums of fractions: 29.9999999 units are 30.
    const lacking_ms = lack(key);
    const left = Math.floor(quota - lacking_ms / unit_ms + 1e-6);
    const wait_ms = lacking_ms - Math.max(0, quota - Math.max(wanted, left + 1)) * unit_ms;
    return { policy, left: Math.max(0, left), wait_s: Math.max(0, Math.ceil(wait_ms / 1000 - 1e-6)) };
  }

  return {
    policy,
    standing,
    /** Takes units if all are there; says whether it did. `n` above the quota would never be there. */
    take(key: string, n = 1): boolean {
      const lacking_ms = lack(key);
      if (n > quota - lacking_ms / unit_ms + 1e-6) return false;
      put(key, now_ms() + lacking_ms + n * unit_ms);
      return true;
    },
    /** Gives units back that were taken for what did not happen. */
    giveBack: (key: string, n = 1): void => put(key, now_ms() + lack(key) - n * unit_ms),
  };
}

/**
 * The fields of draft-ietf-httpapi-ratelimit-headers-11, lists of structured fields (RFC 9651): `r` units are left, and
 * more are there after `t` seconds. `qu` is `requests` where it is absent; the draft's registry has no unit for events.
 */
export const rateLimitHeaders = (standings: readonly Standing[]): Record<string, string> => ({
  'ratelimit-policy': standings
    .map(
      ({ policy: { name, quota, window_s, unit } }) =>
        `"${name}";q=${quota}${unit ? `;qu="${unit}"` : ''};w=${window_s}`,
    )
    .join(', '),
  ratelimit: standings.map(({ policy, left, wait_s }) => `"${policy.name}";r=${left};t=${wait_s}`).join(', '),
});

/** The 429 (RFC 6585 §4) of a request that exceeds some of the policies that it is subject to. */
export function tooMany(
  detail: string,
  exceeded: readonly Standing[],
  { others = [], stored }: { others?: readonly Standing[]; stored?: Stored } = {},
): Problem {
  const wait_s = Math.max(1, ...exceeded.map((standing) => standing.wait_s));
  return new Problem(429, `${detail} Try again in ${wait_s} s.`, {
    headers: { ...rateLimitHeaders([...exceeded, ...others]), 'retry-after': `${wait_s}` },
    ...(stored && { stored }),
  });
}
