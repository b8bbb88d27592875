/** What guessing at the form costs, that it is refused before it takes the service, and where signing in may lead. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAuth, hashPassword, type Scrypt } from '../../src/auth/auth.ts';
import { localPath, signInUrl } from '../../src/auth/return-path.ts';
import { scrypt } from '../../src/runtime/scrypt.ts';
import { startService } from '../support/harness.ts';

it('a guess costs the same for a known and an unknown name', async () => {
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

it('a flood of guesses is refused in the form', async () => {
  const service = await startService('pglite');
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
}, 60_000);

describe('where signing in leads', () => {
  const ours = 'https://log.example.com';
  const leads = (to: string) => new URL(localPath(to), ours);

  it('is this service, whatever the text', () => {
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
          expect(leads(to).origin).toBe(ours);
          // Read once more, as the form does with what the redirect gave it, it is the same.
          expect(localPath(path)).toBe(path);
        }
      }),
      { numRuns: 5_000 },
    );
  });

  it.each(['/logs', '/logs?a=1&b=%2F', '/logs/55', '/?x'])('is %s where that was asked for', (path) => {
    expect(localPath(path)).toBe(path);
    expect(new URL(signInUrl(path), ours).searchParams.get('to') ?? '/logs').toBe(path);
  });

  it.each(['/sign-in', '/sign-in?to=/logs', '/sign-out', '/x/../sign-in', null, undefined, `/${'x'.repeat(3_000)}`])(
    'is the log for %s',
    (to) => expect(localPath(to)).toBe('/logs'),
  );
});
