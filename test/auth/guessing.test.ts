/** Guessing passwords: what it does to others, and what the service's log says about it. */
import { expect, it, vi } from 'vitest';
import { createAuth, hashPassword, type Scrypt } from '../../src/auth/auth.ts';
import { scrypt } from '../../src/runtime/scrypt.ts';

const basic = (text: string) => `Basic ${btoa(text)}`;
const cheap: Scrypt = (password, salt, _cost, length) => scrypt(password, salt, { ln: 4, r: 8, p: 1 }, length);
const users = [
  { name: 'ana', role: 'admin' as const, password: { hash: await hashPassword('right', cheap) } },
  { name: 'bob', role: 'guest' as const, password: { hash: await hashPassword('right', cheap) } },
];

/** An auth that says in which order passwords were hashed, and what it reported. */
function watched() {
  const hashed: string[] = [];
  const reported: string[] = [];
  const auth = createAuth({
    users,
    tokens: [],
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
