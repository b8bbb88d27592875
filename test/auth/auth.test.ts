/** The cost of password checks and what their timing reveals, in auth.ts. The routes are tested in conformance/. */
import { describe, expect, it } from 'vitest';
import { createAuth, hashPassword, type Scrypt, type ScryptHash, writeScryptHash } from '../../src/auth/auth.ts';
import { Problem } from '../../src/http/problem.ts';
import { scrypt } from '../../src/runtime/scrypt.ts';
import { readSettings, SettingsError } from '../../src/settings.ts';

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

describe('the cost of a password check', () => {
  /** The real scrypt with a low cost, for tests that do not measure the cost. */
  const cheap: Scrypt = (password, salt, _cost, length) => scrypt(password, salt, { ln: 4, r: 8, p: 1 }, length);

  type Call = { ln: number; r: number; p: number; length: number };

  /** The real scrypt, counted. */
  function counting(): { scrypt: Scrypt; calls: Call[] } {
    const calls: Call[] = [];
    return {
      calls,
      scrypt: (password, salt, { ln, r, p }, length) => {
        calls.push({ ln, r, p, length });
        return scrypt(password, salt, { ln, r, p }, length);
      },
    };
  }

  async function costs(authorization: string, hash: ScryptHash): Promise<Call[]> {
    const counter = counting();
    const users = [{ name: 'ana', role: 'admin' as const, password: { hash } }];
    const auth = createAuth({ users, tokens: [], scrypt: counter.scrypt });
    await auth.identify(basic('warm:up')).catch(() => {});
    counter.calls.length = 0;
    await auth.identify(authorization).catch((error) => {
      if (!(error instanceof Problem) || error.status !== 401) throw error;
    });
    return counter.calls;
  }

  it('is the same for a known and an unknown name', async () => {
    const hash = await hashPassword('right', scrypt);
    const known = await costs(basic('ana:wrong'), hash);
    expect(known).toHaveLength(1);
    expect(await costs(basic('bob:wrong'), hash)).toEqual(known);
  });

  it('is the same for a hash with another cost, or such a hash is refused at the start', async () => {
    const salt = new Uint8Array(16);
    const cost = { ln: 10, r: 8, p: 1 };
    const hash = { ...cost, salt, key: await scrypt('right', salt, cost, 32) };
    try {
      readSettings({ USERS: `ana:admin:${writeScryptHash(hash)}` });
    } catch (error) {
      expect(error).toBeInstanceOf(SettingsError);
      return;
    }
    expect(await costs(basic('bob:wrong'), hash)).toEqual(await costs(basic('ana:wrong'), hash));
  });

  it('applies to every wrong password, but a correct password is cached', async () => {
    const counter = counting();
    const users = [{ name: 'ana', role: 'admin' as const, password: { plain: 'right' } }];
    const auth = createAuth({ users, tokens: [], scrypt: counter.scrypt });
    await auth.identify(basic('ana:right'));
    counter.calls.length = 0;
    for (let i = 0; i < 5; i++) await auth.identify(basic('ana:right'));
    expect(counter.calls).toHaveLength(0);
    for (let i = 0; i < 3; i++) await expect(auth.identify(basic('ana:wrong'))).rejects.toMatchObject({ status: 401 });
    expect(counter.calls).toHaveLength(3);
  });

  it('a cached password is not accepted for another user', async () => {
    const users = [
      { name: 'ana', role: 'admin' as const, password: { plain: 'same-password' } },
      { name: 'bob', role: 'guest' as const, password: { plain: 'another' } },
    ];
    const auth = createAuth({ users, tokens: [], scrypt: cheap });
    await expect(auth.identify(basic('bob:same-password'))).rejects.toMatchObject({ status: 401 });
    expect(await auth.identify(basic('ana:same-password'))).toMatchObject({
      name: 'ana',
      rights: ['read', 'write', 'export', 'metrics', 'admin'],
    });
    await expect(auth.identify(basic('bob:same-password'))).rejects.toMatchObject({ status: 401 });
    expect(await auth.identify(basic('bob:another'))).toMatchObject({ name: 'bob', rights: ['read'] });
  });

  it.each(['pä:ss:wörd', '密码', ' spaces inside ', ':', 'a'.repeat(1_000)])(
    'the password %j is compared unchanged',
    async (password) => {
      const users = [{ name: 'jürgen', role: 'guest' as const, password: { plain: password } }];
      const auth = createAuth({ users, tokens: [], scrypt: cheap });
      expect(await auth.identify(basic(`jürgen:${password}`))).toMatchObject({ name: 'jürgen' });
      await expect(auth.identify(basic(`jürgen:${password}x`))).rejects.toMatchObject({ status: 401 });
    },
  );

  it('too many concurrent checks get 503, and one runs at a time', async () => {
    let running = 0;
    let most = 0;
    const slow: Scrypt = async (_password, _salt, _cost, length) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return new Uint8Array(length);
    };
    const auth = createAuth({ users: [], tokens: [], scrypt: slow });
    const answers = await Promise.allSettled(
      Array.from({ length: 200 }, (_, i) => auth.identify(basic(`mallory:${i}`))),
    );
    const statuses = answers.map((answer) => (answer.status === 'rejected' ? (answer.reason as Problem).status : 200));
    expect(new Set(statuses)).toEqual(new Set([401, 503]));
    expect(most).toBe(1);
  });
});
