/** The cost of a password check in the form, the limit of concurrent checks, and the redirect target of a sign-in. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAuth, hashPassword, type Scrypt } from '../../src/auth/auth.ts';
import { localPath, signInUrl } from '../../src/auth/return-path.ts';
import { scrypt } from '../../src/runtime/scrypt.ts';
import { startService } from '../support/harness.ts';

it('a wrong password costs the same for a known and an unknown name', async () => {
  const costs: unknown[] = [];
  const counting: Scrypt = (password, salt, cost, length) => {
    costs.push([cost.ln, cost.r, cost.p, length]);
    return scrypt(password, salt, cost, length);
  };
  const users = [{ name: 'ana', role: 'admin' as const, password: { hash: await hashPassword('right', scrypt) } }];
  const auth = createAuth({ users, tokens: [], scrypt: counting });
  expect(await auth.prove('ana', 'wrong')).toBeNull();
  expect(await auth.prove('bob', 'wrong')).toBeNull();
  expect(costs).toHaveLength(2);
  expect(costs[0]).toEqual(costs[1]);
  expect(await auth.prove('ana', 'right')).toMatchObject({ name: 'ana', kind: 'person' });
});

it('too many concurrent sign-ins get 503 in the form', async () => {
  const service = await startService('postgres');
  const guess = (i: number) =>
    fetch(`${service.url}/sign-in`, {
      method: 'POST',
      headers: { origin: service.url },
      body: new URLSearchParams({ user: 'admin', password: `guess-${i}` }),
    });
  const answers = await Promise.all(Array.from({ length: 70 }, (_, i) => guess(i)));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401, 503]));
  for (const answer of answers.filter(({ status }) => status === 503)) {
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    const text = await answer.text();
    expect(text).toMatch(/role="alert">Too many passwords/);
    expect(text).toContain('value="admin"');
  }
}, 120_000);

describe('the redirect target of a sign-in', () => {
  const ours = 'https://log.example.com';
  const target = (to: string) => new URL(localPath(to), ours);

  it('is always on this service', () => {
    const pieces = fc.constantFrom(
      '/',
      '\\',
      '.',
      '..',
      ':',
      '@',
      '\t',
      '\n',
      '?',
      '#',
      'evil.example',
      'https:',
      '%2f',
      'logs',
      'ü',
    );
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(pieces, { maxLength: 8 }).map((some) => some.join('')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        for (const to of [text, `/${text}`]) {
          const path = localPath(to);
          expect(path).toMatch(/^\/(?!\/)[\x21-\x7e]*$/);
          expect(target(to).origin).toBe(ours);
          // A second reading gives the same path: the form reads the target again after the redirect.
          expect(localPath(path)).toBe(path);
        }
      }),
      { numRuns: 5_000 },
    );
  });

  it.each(['/logs', '/logs?a=1&b=%2F', '/logs/55', '/?x'])('is %s when the request names it', (path) => {
    expect(localPath(path)).toBe(path);
    expect(new URL(signInUrl(path), ours).searchParams.get('to') ?? '/logs').toBe(path);
  });

  it.each(['/sign-in', '/sign-in?to=/logs', '/sign-out', '/x/../sign-in', null, undefined, `/${'x'.repeat(3_000)}`])(
    'is /logs for %s',
    (to) => expect(localPath(to)).toBe('/logs'),
  );
});
