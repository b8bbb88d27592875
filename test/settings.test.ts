/** Settings: valid and invalid values. An invalid one ends the start with a message that contains no secret. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { hashPassword, writeScryptHash } from '../src/auth/auth.ts';
import { tokensOf } from '../src/auth/credentials.ts';
import { scrypt } from '../src/runtime/scrypt.ts';
import { readSettings, SettingsError, settingRows, usersOf } from '../src/settings.ts';
import { spawnService } from './support/process.ts';

type Env = Record<string, string>;

/** The faults of settings, or null for valid settings. */
function faultsOf(env: Env): string[] | null {
  try {
    usersOf(readSettings(env));
    return null;
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
}

const secret = 'sesame-0123456789';
const users = `ana:admin:${secret}`;
const hash = writeScryptHash(await hashPassword(secret, scrypt));

describe('an invalid value is refused by name', () => {
  it.each<[name: string, value: string, says: RegExp]>([
    ...['banana', '-1', '65536', '9000.5', '0x10', '1e3', '９', '9 000'].map((port): [string, string, RegExp] => [
      'PORT',
      port,
      /whole number from 0 to 65535/,
    ]),
    ...['local host', 'http://localhost', 'a/b', '127.0.0.1/8', 'ä'].map((host): [string, string, RegExp] => [
      'HOST',
      host,
      /host name or an IP address/,
    ]),
    ...['banana', 'localhost/db', 'mysql://localhost/db', 'http://localhost', 'postgres'].map(
      (url): [string, string, RegExp] => ['DATABASE_URL', url, /postgres:\/\//],
    ),
    ['DATA_DIR', 'a\0b', /path/],
    ['SIGN_IN_TYPES', 'LOGIN,,LOGON', /event types such as LOGIN/],
    ['SIGN_OUT_TYPES', 'x'.repeat(256), /event types such as LOGIN/],
    ...['yes', 'true', '1', 'ON', 'on off'].map((value): [string, string, RegExp] => ['MIGRATE', value, /on or off/]),
    ...['log.example.com', 'ftp://log.example.com', '/logs'].map((url): [string, string, RegExp] => [
      'PUBLIC_URL',
      url,
      /https:\/\//,
    ]),
    ...Object.keys(settingRows)
      .filter((name) => /_(MAX|MIN|MS)$|_MS_/.test(name))
      .flatMap((name): [string, string, RegExp][] => [
        [name, 'many', /number from/],
        [name, '-1', /number from/],
        [name, '999999999999', /number from/],
        [name, '10s', /number from/],
      ]),
    ...['localhost', '10.0.0.0/33', '10.0.0.0/8,::1', 'fd00::/129', 'proxy.lan'].map(
      (proxies): [string, string, RegExp] => ['TRUSTED_PROXIES', proxies, /networks such as/],
    ),
    ...['0.0.0.0/0', '::/0', '127.0.0.1 ::ffff:0:0/96'].map((proxies): [string, string, RegExp] => [
      'TRUSTED_PROXIES',
      proxies,
      /must not hold every address/,
    ]),
    ...['all', 'on off', 'sign_in,export', 'SIGN_IN'].map((kinds): [string, string, RegExp] => [
      'OWN_EVENTS',
      kinds,
      /on, off, or of sign_in, export, refusal, token/,
    ]),
    ['WRITE_EVENTS_PER_MINUTE_MAX', '999', /0, for no limit, or at least 1000/],
    ['USERS', `"${users} audit:guest:x"`, /in quotes/],
    ['DATA_DIR', '"/data"', /in quotes/],
    ['DATA_DIR', "'/data'", /in quotes/],
    ['PORT', '"9000"', /in quotes/],
    ['DATABASE_URL', '"postgres://localhost/log"', /in quotes/],
    ['TOKENS', `'orders:write:${secret}'`, /in quotes/],
    ['USERS', '"ana:admin:x', /in quotes/],
    ['USERS', 'ana:admin:=16,r=8,p=1', /the password is a hash whose/],
    ['USERS', 'ana:admin:ln=14,r=8,p=5', /the password is a hash whose/],
    ['USERS', 'ana', /name:role:password/],
    ['USERS', `ana:${secret}`, /name:role:password/],
    ['USERS', 'ana:admin:', /name:role:password/],
    ['USERS', `:admin:${secret}`, /name:role:password/],
    ['USERS', `ana:root:${secret}`, /guest or admin/],
    ['USERS', `ana:constructor:${secret}`, /guest or admin/],
    ['USERS', `ana:__proto__:${secret}`, /guest or admin/],
    ['USERS', `ana:Admin:${secret}`, /guest or admin/],
    ['USERS', `ana:admin:$2b$10$abcdefghijklmnopqrstuv`, /hash-password/],
    ['USERS', 'ana:admin:$scrypt$', /hash-password/],
    ['USERS', `ana:admin:${hash.slice(0, hash.lastIndexOf('$'))}$`, /hash-password/],
    ['USERS', `ana:admin:${hash.replace('ln=14', 'ln=0')}`, /hash-password/],
    ['USERS', `ana:admin:${hash.replace('ln=14', 'ln=40')}`, /hash-password/],
    ['USERS', `ana:admin:${hash.replace('scrypt', 'argon2')}`, /hash-password/],
    ['USERS', `${users} ${users}`, /one name/],
    ['TOKENS', 'orders', /name:rights:secret/],
    ['TOKENS', `orders:${secret}`, /name:rights:secret/],
    ['TOKENS', `orders:delete:${secret}`, /read, write, export/],
    ['TOKENS', `orders:root:${secret}`, /read, write, export/],
    ['TOKENS', `orders:read+:${secret}`, /read, write, export/],
    ['TOKENS', `orders:read,write:${secret}`, /read, write, export/],
    ['TOKENS', 'orders:write:short', /16 characters/],
    ['TOKENS', 'orders:write:sha256:abc', /64 hex digits/],
    ['TOKENS', `orders:write:sha256:${'g'.repeat(64)}`, /64 hex digits/],
    ['TOKENS', `orders:write:${secret} orders:read:${secret}x`, /one name/],
  ])('%s=%j', (name, value, says) => {
    const faults = faultsOf({ USERS: users, [name]: value });
    expect(faults).toHaveLength(1);
    expect(faults?.[0]).toMatch(new RegExp(`^${name}: `));
    expect(faults?.[0]).toMatch(says);
  });

  it('POLL_MS_MIN above POLL_MS_MAX', () => {
    expect(faultsOf({ POLL_MS_MIN: '500', POLL_MS_MAX: '100' })?.[0]).toMatch(/^POLL_MS_MIN/);
  });

  it('all faults are reported at once', () => {
    const faults = faultsOf({ PORT: 'banana', MIGRATE: 'perhaps', EDGETRAIL_PORT: '1', TOKENS: 'x' }) ?? [];
    expect(faults.map((fault) => fault.split(':')[0]).toSorted()).toEqual([
      'EDGETRAIL_PORT',
      'MIGRATE',
      'PORT',
      'TOKENS',
    ]);
  });
});

describe('a name that is not a setting', () => {
  it.each([
    ['EDGETRAIL_PORT', /not a setting/],
    ['EDGETRAIL_', /not a setting/],
    ['EDGETRAIL_TOKENS', /not a setting/],
    ['DATABASE_URI', /DATABASE_URL/],
    ['DATABSE_URL', /DATABASE_URL/],
    ['DATABASE_URLS', /DATABASE_URL/],
    ['DATA_DIRS', /DATA_DIR/],
    ['DATADIR', /DATA_DIR/],
    ['PUBLIC_URI', /PUBLIC_URL/],
    ['BODY_BYTE_MAX', /BODY_BYTES_MAX/],
    ['HEARTBEAT_MSEC', /HEARTBEAT_MS/],
  ])('%s is refused, with a suggestion', (name, says) => {
    const faults = faultsOf({ USERS: users, [name]: 'x' });
    expect(faults).toHaveLength(1);
    expect(faults?.[0]).toMatch(new RegExp(`^${name}: `));
    expect(faults?.[0]).toMatch(says);
  });

  it.each(['PATH', 'HOME', 'HOSTNAME', 'USER', 'PWD', 'NODE_ENV', 'npm_config_port', 'DATABASE_POOL', 'LC_ALL'])(
    '%s is ignored',
    (name) => {
      expect(faultsOf({ [name]: 'x' })).toBeNull();
    },
  );

  it('the variables of a Kubernetes Service named edgetrail are ignored', () => {
    const added = {
      EDGETRAIL_SERVICE_HOST: '10.0.0.1',
      EDGETRAIL_SERVICE_PORT: '9000',
      EDGETRAIL_SERVICE_PORT_HTTP: '9000',
      EDGETRAIL_PORT: 'tcp://10.0.0.1:9000',
      EDGETRAIL_PORT_9000_TCP_ADDR: '10.0.0.1',
    };
    expect(readSettings(added)).toEqual(readSettings({}));
  });

  it.each(['EDGETRAIL_URL', 'EDGETRAIL_TOKEN', 'EDGETRAIL_USER'])("%s is the client's and is ignored", (name) => {
    expect(faultsOf({ [name]: 'x' })).toBeNull();
  });
});

describe('valid settings', () => {
  it('an unset or blank setting has its default', () => {
    const expected = { PORT: 9000, HOST: '127.0.0.1', DATABASE_URL: '', DATA_DIR: './data', MIGRATE: true, USERS: [] };
    expect(readSettings({})).toMatchObject(expected);
    expect(readSettings(Object.fromEntries(Object.keys(settingRows).map((name) => [name, ' '])))).toEqual(
      readSettings({}),
    );
  });

  it('every default is valid', () => {
    const defaults = Object.fromEntries(Object.entries(settingRows).map(([name, { fallback }]) => [name, fallback]));
    expect(readSettings(defaults)).toEqual(readSettings({}));
  });

  it('users have a name, a role, and a hash or a password with any characters', () => {
    const { USERS } = readSettings({ USERS: ` ana:admin:p:ss:w%rd\n\tbob:guest:ünï ${'cy:admin:'}${hash} ` });
    expect(USERS).toMatchObject([
      { name: 'ana', role: 'admin', password: { plain: 'p:ss:w%rd' } },
      { name: 'bob', role: 'guest', password: { plain: 'ünï' } },
      { name: 'cy', role: 'admin', password: { hash: { ln: 14, r: 8, p: 5 } } },
    ]);
  });

  it('a written hash is read back unchanged for any password', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1 }), async (password) => {
        const cheap: typeof scrypt = async (text, _salt, _cost, length) =>
          new TextEncoder().encode(text.padEnd(length)).slice(0, length);
        const made = await hashPassword(password, cheap);
        const { USERS } = readSettings({ USERS: `ana:admin:${writeScryptHash(made)}` });
        expect(USERS).toEqual([{ name: 'ana', role: 'admin', password: { hash: made } }]);
      }),
      { numRuns: 30 },
    );
  });

  it('a token has rights and a secret or its digest; both forms give the same token', async () => {
    const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(secret)));
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    const settings = readSettings({
      TOKENS: `a:write:${secret} b:read+export:sha256:${hex} c:read:sha256:${hex.toUpperCase()}`,
    });
    expect(await tokensOf(settings.TOKENS)).toEqual([
      { name: 'a', rights: ['write'], sha256: bytes },
      { name: 'b', rights: ['read', 'export'], sha256: bytes },
      { name: 'c', rights: ['read'], sha256: bytes },
    ]);
  });
});

describe('the development users', () => {
  const exist = (env: Env) => usersOf(readSettings(env)).development;

  it.each<[string, Env]>([
    ['nothing is set', {}],
    ['it listens on localhost', { HOST: 'localhost' }],
    ['it listens on ::1', { HOST: '::1' }],
    ['it listens on another address of loopback', { HOST: '127.0.0.53' }],
    ['only tokens are set', { TOKENS: `orders:write:${secret}` }],
    ['users are blank', { USERS: ' ' }],
  ])('exist when %s', (_when, env) => {
    expect(exist(env)).toBe(true);
  });

  it.each<[string, Env]>([
    ['users are set', { USERS: users }],
    ['users are set and it listens everywhere', { USERS: users, HOST: '0.0.0.0' }],
  ])('do not exist when %s', (_when, env) => {
    expect(exist(env)).toBe(false);
    expect(usersOf(readSettings(env)).users.map(({ name }) => name)).toEqual(['ana']);
  });

  it.each<[string, Env]>([
    ['it listens everywhere', { HOST: '0.0.0.0' }],
    ['it is behind a proxy', { PUBLIC_URL: 'https://log.example.com' }],
    ['it listens everywhere, in IPv6', { HOST: '::' }],
    ['it listens on a network', { HOST: '192.168.1.5' }],
    ['it listens on a name that begins with a loopback address', { HOST: '127.0.0.1.example.com' }],
    ['it listens on a name that ends with localhost', { HOST: 'my-localhost' }],
    ['it has a PostgreSQL', { DATABASE_URL: 'postgres://localhost/log' }],
    ['it has a PostgreSQL and tokens', { DATABASE_URL: 'postgres://localhost/log', TOKENS: `a:read:${secret}` }],
  ])('do not exist when %s, and the start without other users fails', (_when, env) => {
    expect(faultsOf(env)?.[0]).toMatch(/^USERS: /);
  });
});

describe('no message contains a secret', () => {
  const passwords = fc.stringMatching(/^[a-z]{12}[0-9]{6}$/);
  it.each<[string, (secret: string) => Env]>([
    ['a user without a role', (word) => ({ USERS: `ana:${word}` })],
    ['a user with the wrong role', (word) => ({ USERS: `ana:boss:${word}` })],
    ['a password alone', (word) => ({ USERS: word })],
    ['a password that looks like a hash', (word) => ({ USERS: `ana:admin:$${word}` })],
    ['a password with a space', (word) => ({ USERS: `ana:admin:x ${word}` })],
    ['a password with a space and colons', (word) => ({ USERS: `ana:admin:x ${word}:y:z` })],
    ['a token without rights', (word) => ({ TOKENS: `orders:${word}` })],
    ['a token with a wrong right', (word) => ({ TOKENS: `orders:all:${word}` })],
    ['a token that is short', (word) => ({ TOKENS: `orders:read:${word.slice(0, 12)}` })],
    ['a digest cut short', (word) => ({ TOKENS: `orders:read:sha256:${word}` })],
    ['a database URL of another kind', (word) => ({ DATABASE_URL: `mysql://root:${word}@db/log` })],
    ['an invalid database URL', (word) => ({ DATABASE_URL: `root:${word}@db` })],
    ['a public URL with a password', (word) => ({ PUBLIC_URL: `root:${word}@example.com` })],
    ['a misspelt name', (word) => ({ DATABASE_URI: `postgres://root:${word}@db/log` })],
    ['an unknown name with the prefix EDGETRAIL_', (word) => ({ EDGETRAIL_USERS: `ana:admin:${word}` })],
  ])('%s', (_what, env) => {
    fc.assert(
      fc.property(passwords, (word) => {
        const faults = faultsOf(env(word));
        expect(faults?.length).toBeGreaterThan(0);
        expect(faults?.join('\n')).not.toContain(word.slice(0, 12));
      }),
      { numRuns: 20 },
    );
  });
});

describe('the process', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-settings-'));
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.concurrent.each<[string, Env, RegExp]>([
    ['PORT=banana', { PORT: 'banana' }, /"message":"Settings: PORT: must be a whole number/],
    ['HOST=0.0.0.0 without USERS', { HOST: '0.0.0.0' }, /"message":"Settings: USERS: /],
  ])('%s ends the process with 1 and the reason', async (_what, env, says) => {
    const { ended, output } = spawnService({ DATA_DIR: join(folder, 'data'), ...env });
    expect(await ended).toBe(1);
    expect(output()).toMatch(says);
    expect(output()).not.toContain(secret);
  });

  it.concurrent('an invalid setting ends npm start with 1', async () => {
    const { code, text } = await new Promise<{ code: unknown; text: string }>((resolve) => {
      const env = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', PORT: 'banana' };
      execFile('node_modules/.bin/tsx', ['src/runtime/node.ts'], { env }, (error, stdout, stderr) =>
        resolve({ code: error?.code, text: stdout + stderr }),
      );
    });
    expect(code).toBe(1);
    expect(text).toMatch(/PORT: must be a whole number/);
  });
});
