/** Guessing passwords: what it does to others, and what the service's log says about it. */
import { describe, expect, it, vi } from 'vitest';
import { createAuth, hashPassword, type Scrypt } from '../../src/auth/auth.ts';
import { scrypt } from '../../src/runtime/scrypt.ts';

const basic = (text: string) => `Basic ${btoa(text)}`;
const cheap: Scrypt = (password, salt, _cost, length) => scrypt(password, salt, { ln: 4, r: 8, p: 1 }, length);
const users = [
  { name: 'ana', role: 'admin' as const, password: { hash: await hashPassword('right', cheap) } },
  { name: 'bob', role: 'guest' as const, password: { hash: await hashPassword('right', cheap) } },
];

/** An auth that says in which order passwords were hashed, and what it reported. */
function watched(limits = { per_name: 0, per_address: 0 }) {
  const hashed: string[] = [];
  const reported: string[] = [];
  const auth = createAuth({
    users,
    tokens: [],
    limits,
    scrypt: (password, ...more) => {
      hashed.push(password);
      return cheap(password, ...more);
    },
    report: (what, error) => reported.push(`${what}: ${error instanceof Error ? error.message : error}`),
  });
  return { auth, hashed, reported };
}

const statusOf = (attempt: Promise<unknown>) => attempt.then(() => 200).catch(({ status }) => status as number);

it('a right password waits for one guess of another name, however many wait', async () => {
  const { auth, hashed } = watched();
  const guesses = Array.from({ length: 100 }, (_, i) => statusOf(auth.identify(basic(`ana:guess-${i}`))));
  const right = statusOf(auth.identify(basic('bob:right')));
  expect(await right).toBe(200);
  expect(hashed.indexOf('right')).toBeLessThanOrEqual(1);
  const statuses = await Promise.all(guesses);
  expect(statuses.filter((status) => status === 401)).toHaveLength(5);
  expect(statuses.filter((status) => status === 503)).toHaveLength(95);
});

it('an unknown name is treated like a known one', async () => {
  const outcomes = async (name: string) => {
    const { auth } = watched();
    const statuses = Array.from({ length: 20 }, (_, i) => statusOf(auth.identify(basic(`${name}:guess-${i}`))));
    // Which of them are refused at once depends on when the threads that hash are ready.
    return (await Promise.all(statuses)).toSorted();
  };
  expect(await outcomes('nobody')).toEqual(await outcomes('ana'));
});

/** Wrong passwords for a name from an address, one after the other; the statuses of the answers. */
async function guess(auth: ReturnType<typeof watched>['auth'], name: string, address: string, n: number) {
  const statuses: number[] = [];
  for (let i = 0; i < n; i++) statuses.push(await statusOf(auth.identify(basic(`${name}:guess-${i}`), () => address)));
  return statuses;
}
const signIn = (auth: ReturnType<typeof watched>['auth'], name: string, address: string) =>
  statusOf(auth.identify(basic(`${name}:right`), () => address));

describe('after too many wrong passwords', () => {
  const limits = { per_name: 3, per_address: 5 };

  it('a name is refused at the address they came from, also with the right password, and its user signs in elsewhere', async () => {
    const { auth, hashed } = watched(limits);
    expect(await guess(auth, 'ana', '192.0.2.1', 5)).toEqual([401, 401, 401, 429, 429]);
    expect(await signIn(auth, 'ana', '192.0.2.1')).toBe(429);
    expect(hashed).toHaveLength(3);
    expect(await signIn(auth, 'ana', '192.0.2.2')).toBe(200);
    // The verified password is in memory now: it must not be a way to go on guessing.
    expect(await signIn(auth, 'ana', '192.0.2.1')).toBe(429);
    expect(await signIn(auth, 'bob', '192.0.2.1')).toBe(200);
  });

  it('an address is refused for all names, but not for those whose password was right there before', async () => {
    const { auth } = watched(limits);
    expect(await signIn(auth, 'bob', '192.0.2.1')).toBe(200);
    const statuses = await Promise.all(
      Array.from({ length: 7 }, (_, i) => statusOf(auth.identify(basic(`name-${i}:x`), () => '192.0.2.1'))),
    );
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429]);
    expect(await signIn(auth, 'ana', '192.0.2.1')).toBe(429);
    expect(await signIn(auth, 'bob', '192.0.2.1')).toBe(200);
    expect(await guess(auth, 'bob', '192.0.2.1', 4)).toEqual([401, 401, 401, 429]);
    expect(await signIn(auth, 'ana', '192.0.2.2')).toBe(200);
  });

  it('many at once are no way around the limit, and those that were not checked do not count', async () => {
    const { auth, hashed } = watched({ per_name: 100, per_address: 0 });
    const at = (i: number) => statusOf(auth.identify(basic(`ana:guess-${i}`), () => '192.0.2.1'));
    const statuses = await Promise.all(Array.from({ length: 150 }, (_, i) => at(i)));
    expect(statuses.filter((status) => status === 401)).toHaveLength(hashed.length);
    expect(statuses.filter((status) => status === 503).length).toBeGreaterThan(90);
    // Of 100, those that were hashed are used.
    const left = Number(/r=(\d+)/.exec(auth.guessesLeft('ana', '192.0.2.1').ratelimit ?? '')?.[1]);
    expect(left).toBe(100 - hashed.length);
  });

  it('an unknown name is refused like a known one', async () => {
    const { auth } = watched(limits);
    expect(await guess(auth, 'nobody', '192.0.2.1', 4)).toEqual(await guess(auth, 'ana', '192.0.2.2', 4));
    // Another unknown name has its own limit, as another known name has.
    expect(await guess(auth, 'somebody', '192.0.2.1', 1)).toEqual(await guess(auth, 'bob', '192.0.2.2', 1));
  });

  it('addresses of one IPv6 network count as one', async () => {
    const { auth } = watched(limits);
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) statuses.push(...(await guess(auth, 'ana', `2001:db8:1:2::${i}`, 1)));
    expect(statuses).toEqual([401, 401, 401, 429]);
    expect(await guess(auth, 'ana', '2001:db8:1:3::1', 1)).toEqual([401]);
  });

  it('the refusals are reported with the failures', async () => {
    const { auth, reported } = watched(limits);
    vi.useFakeTimers();
    try {
      await guess(auth, 'ana', '192.0.2.1', 8);
      vi.advanceTimersByTime(10_000);
    } finally {
      vi.useRealTimers();
    }
    expect(reported).toEqual(['sign-ins failed: "ana": 1', 'sign-ins failed: "ana": 2 and 5 refused']);
  });
});

it('failures are reported once for each interval, with a count for each user, and without what was typed', async () => {
  vi.useFakeTimers();
  try {
    const { auth, reported } = watched();
    await auth.prove('ana', 'secret-guess');
    expect(reported).toEqual(['sign-ins failed: "ana": 1']);
    for (const name of ['ana', 'bob', 'ana', 'hunter2', 'hunter3']) await auth.prove(name, 'secret-guess');
    expect(reported).toHaveLength(1);
    vi.advanceTimersByTime(10_000);
    expect(reported[1]).toBe('sign-ins failed: "ana": 2, "bob": 1, names that are not in USERS: 2');
    await auth.prove('ana', 'right');
    vi.advanceTimersByTime(60_000);
    expect(reported).toHaveLength(2);
    expect(reported.join()).not.toMatch(/secret|hunter|right/);
  } finally {
    vi.useRealTimers();
  }
});
