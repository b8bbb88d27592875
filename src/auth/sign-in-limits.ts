/** How many wrong passwords a client may try: for each user name from its address, and for all names from its address. */
import { sourceOf } from '../http/client-address.ts';
import { type Policy, rateLimit, rateLimitHeaders, tooMany } from '../http/rate-limit.ts';

/** 0: no limit. */
export type SignInLimits = { per_name: number; per_address: number };

const window_s = 60;
/** Longer names are those of no user; a client must not fill the memory with them. */
const name_chars_max = 255;
const known_max = 10_000;

export type Guesses = ReturnType<typeof createGuesses>;

/**
 * Both limits are about one address. A limit for a name from everywhere would be a way to keep its user out: whoever knows
 * the name would use it up. Guessing from many addresses is bounded by the queue of passwords to hash (auth.ts), about
 * four a second in all.
 *
 * Wrong passwords alone count. An attempt is counted when it begins, so that many at once are no way around the limit, and
 * taken back when the password was right, or was not checked. A name whose password was right from an address before is
 * not subject to the limit of that address: others who guess behind the same address, such as that of an office, do not
 * keep its user out. Unknown names are counted like known ones, or the limit would show which exist.
 */
export function createGuesses({ per_name, per_address }: SignInLimits, now_ms?: () => number) {
  const limitOf = (name: string, quota: number) => {
    const policy: Policy = { name, quota, window_s };
    return quota > 0 ? [rateLimit(policy, now_ms)] : [];
  };
  const ofName = limitOf('sign-in-name', per_name);
  const ofAddress = limitOf('sign-in-address', per_address);
  const known = new Set<string>();

  /** The limits that an attempt is subject to, with its key in each. */
  function limitsOf(name: string, address: string | undefined) {
    const source = sourceOf(address);
    const pair = JSON.stringify([source, name.slice(0, name_chars_max)]);
    const limits = [
      ...ofName.map((limit) => ({ limit, key: pair })),
      ...(known.has(pair) ? [] : ofAddress.map((limit) => ({ limit, key: source }))),
    ];
    return { pair, limits, standings: () => limits.map(({ limit, key }) => limit.standing(key)) };
  }

  function remember(pair: string): void {
    known.delete(pair);
    const [oldest] = known;
    if (known.size >= known_max && oldest !== undefined) known.delete(oldest);
    known.add(pair);
  }

  /** Throws a 429 when no attempt is left. */
  function demand(name: string, address: string | undefined): void {
    const standings = limitsOf(name, address).standings();
    const exceeded = standings.filter(({ left }) => left === 0);
    if (exceeded.length === 0) return;
    const others = standings.filter(({ left }) => left > 0);
    throw tooMany('Too many wrong passwords came from your address.', exceeded, { others });
  }

  return {
    demand,
    /** Counts an attempt. Throws a 429 when none is left. */
    begin(name: string, address: string | undefined) {
      demand(name, address);
      const { pair, limits } = limitsOf(name, address);
      for (const { limit, key } of limits) limit.take(key);
      const takeBack = () => {
        for (const { limit, key } of limits) limit.giveBack(key);
      };
      return {
        wasRight: () => {
          takeBack();
          remember(pair);
        },
        wasNotChecked: takeBack,
      };
    },
    /** The fields that tell a client how many attempts are left. */
    headers(name: string, address: string | undefined): Record<string, string> {
      const standings = limitsOf(name, address).standings();
      return standings.length > 0 ? rateLimitHeaders(standings) : {};
    },
  };
}
