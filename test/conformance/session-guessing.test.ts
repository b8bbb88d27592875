/** While others guess passwords: users sign in, and sessions and tokens are served as before. */
import { expect } from 'vitest';
import { json, startService } from '../support/harness.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';
import { order } from './follow.ts';
import { opens, postForm, signIn } from './sign-in.ts';

const service = await startService({
  env: { TRUSTED_PROXIES: '127.0.0.1', SIGN_IN_NAME_PER_MINUTE_MAX: '5', SIGN_IN_ADDRESS_PER_MINUTE_MAX: '30' },
});
const n_guessers = 60;
const elsewhere = { 'x-forwarded-for': '203.0.113.9' };

/**
 * No sharper limit: the machine runs other tests. The order of the checks is tested in auth/guessing.test.ts; in the
 * order of arrival the sign-in would wait for 50 guesses, 12 s or more, or be refused.
 */
const ms_max = 8_000;

async function inTime(work: () => Promise<unknown>): Promise<void> {
  const started = performance.now();
  await work();
  expect(performance.now() - started).toBeLessThan(ms_max);
}

notOn(reasons.isolate).it(
  `${n_guessers} guessers at one address get 401, 429 or 503, and do not delay the user elsewhere, sessions and tokens`,
  async () => {
    const cookie = await signIn(service, 'guest');
    const over = new AbortController();
    const refused = new Set<number>();
    const guessing = Array.from({ length: n_guessers }, async (_, who) => {
      for (let n = 0; !over.signal.aborted; n++) {
        const response = await postForm(
          service,
          '/sign-in',
          { user: 'admin', password: `guess-${who}-${n}` },
          elsewhere,
        );
        refused.add(response.status);
        await response.body?.cancel();
        // A client that got a refusal asks again, but not in a loop without a pause.
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    });
    await new Promise((resolve) => setTimeout(resolve, 500));
    // The admin has not signed in yet: its password is hashed.
    await inTime(() => signIn(service, 'admin'));
    await inTime(async () => expect(await opens(service, cookie)).toBe(true));
    await inTime(async () => {
      const response = await service.request('/api/logs', { as: 'writer', ...json(order(1)) });
      expect(response.status).toBe(201);
    });
    over.abort();
    await Promise.all(guessing);
    expect(refused).toContain(429);
    for (const status of refused) expect([401, 429, 503]).toContain(status);
  },
);
