/** DATABASE_URL as libpq, providers and ORMs print it: every part is used, noted or refused by name. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DatabaseAddress, parseDatabaseUrl } from '../../src/log/database-url.ts';

const parse = (query: string) => parseDatabaseUrl(`postgres://ana:secret@db.example.com/log?${query}`);

describe('an invalid URL is refused with the reason', () => {
  it.each<[url: string, reason: RegExp]>([
    ['', /must be a URL such as postgres:/],
    ['localhost/log', /must be a URL such as postgres:/],
    ['mysql://localhost/log', /must be a URL such as postgres:/],
    ['postgres://ana:50%off@db/log', /percent-encoded \(% as %25\)/],
    ['postgres://ana:100%@db/log', /percent-encoded/],
    ['postgres://ana:a#b@db/log', /percent-encoded/],
    ['postgres://db:port/log', /host and port cannot be read/],
    ['postgres://db:99999/log', /the port must be a whole number/],
    ['postgres://db:0/log', /the port must be a whole number/],
  ])('%j', (url, reason) => {
    expect(() => parseDatabaseUrl(url)).toThrow(reason);
  });

  it.each([
    ['sslmode=tls', /^sslmode must be one of disable, allow, prefer, require, verify-ca, verify-full/],
    ['sslrootcert=/certs/global-bundle.pem', /^sslrootcert is not supported.*NODE_EXTRA_CA_CERTS/],
    ['sslcert=a.pem', /^sslcert is not supported/],
    ['target_session_attrs=standby', /^target_session_attrs must be one of any, read-write, primary/],
    ['client_encoding=latin1', /^client_encoding must be one of/],
    ['connection_limit=many', /^connection_limit must be a whole number/],
    ['connect_timeout=-1', /^connect_timeout must be a whole number/],
    ['channel_binding=yes', /^channel_binding must be one of/],
    ['gssencmode=require', /^gssencmode must be one of/],
    ['work_mem=1GB', /^the parameter work_mem is not known.*options=-c/],
    ['__proto__=1', /^the parameter __proto__ is not known/],
    ['toString=1', /^the parameter toString is not known/],
    ['sslmode=%', /percent-encoded/],
  ])('?%s', (query, reason) => {
    expect(() => parse(query)).toThrow(reason);
  });

  it('without the password in the message', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z]{12}$/),
        fc.constantFrom('@', '/', '?', '#', '%', ':', ' '),
        (word, sign) => {
          for (const url of [`postgres://ana:${word}${sign}x@db:x/log`, `mysql://ana:${word}@db`, `ana:${word}@db`])
            try {
              parseDatabaseUrl(url);
            } catch (error) {
              expect(String(error)).not.toContain(word);
            }
        },
      ),
    );
  });
});

describe('the parts', () => {
  it('are decoded, whatever a user, password or database contains', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => text.isWellFormed());
    fc.assert(
      fc.property(name, name, name, (user, password, database) => {
        const [u, p, d] = [user, password, database].map(encodeURIComponent);
        expect(parseDatabaseUrl(`postgresql://${u}:${p}@db:5433/${d}`)).toMatchObject({
          hosts: [{ host: 'db', port: 5433 }],
          user,
          password,
          database,
        });
      }),
    );
  });

  it.each<[url: string, parts: Partial<DatabaseAddress>]>([
    ['postgres://', { hosts: [{ host: 'localhost', port: 5432 }], user: null, password: null, database: null }],
    ['postgres://db', { hosts: [{ host: 'db', port: 5432 }], database: null }],
    ['postgres://ana@db/log', { user: 'ana', password: null, database: 'log' }],
    ['postgres://ana@server:p@ss@db/log', { user: 'ana@server', password: 'p@ss' }],
    ['postgres://ana:p/w:x@db/log', { user: 'ana', password: 'p/w:x', database: 'log' }],
    ['postgres://ana:a+b@db/log', { password: 'a+b' }],
    ['postgres://[::1]:5433/log', { hosts: [{ host: '::1', port: 5433 }], sslmode: 'disable' }],
    [
      'postgres://a:1,b,[fe80::1]:3/log',
      {
        hosts: [
          { host: 'a', port: 1 },
          { host: 'b', port: 5432 },
          { host: 'fe80::1', port: 3 },
        ],
      },
    ],
    ['postgres:///log?host=/run/postgresql', { socket_folder: '/run/postgresql', database: 'log', sslmode: 'disable' }],
    ['postgres://%2Frun%2Fpostgresql/log', { socket_folder: '/run/postgresql' }],
    [
      'postgres:///?host=a,b&port=1,2&user=ana&password=x&dbname=log',
      {
        hosts: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
        ],
        user: 'ana',
        password: 'x',
        database: 'log',
      },
    ],
    ['postgres://localhost/log', { sslmode: 'disable' }],
    ['postgres://db.example.com/log', { sslmode: 'prefer' }],
  ])('of %s', (url, parts) => {
    expect(parseDatabaseUrl(url)).toMatchObject(parts);
  });
});

describe('a parameter', () => {
  it.each<[query: string, effect: Partial<DatabaseAddress>]>([
    ...(['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const).map(
      (sslmode): [string, Partial<DatabaseAddress>] => [`sslmode=${sslmode}`, { sslmode, notes: [] }],
    ),
    ['ssl=true', { sslmode: 'require' }],
    ['ssl=false', { sslmode: 'disable' }],
    ['sslmode=no-verify', { sslmode: 'require' }],
    ['sslaccept=strict', { sslmode: 'verify-full' }],
    ['sslmode=verify-full&sslrootcert=system', { sslmode: 'verify-full' }],
    ['sslnegotiation=direct', { is_tls_direct: true }],
    ['target_session_attrs=read-write', { target: 'read-write' }],
    ['target_session_attrs=any', { target: null }],
    ['schema=public', { session: {} }],
    ['schema=my"app', { session: { search_path: '"my""app", public' } }],
    ['pgbouncer=true&connection_limit=1', { connections_max: 1 }],
    ['connect_timeout=15', { connect_timeout_s: 15 }],
    ['application_name=shop', { session: { application_name: 'shop' } }],
    ['options=-c%20search_path%3Dapp', { session: { options: '-c search_path=app' } }],
    ['options=endpoint%3Dep-x', { session: { options: 'endpoint=ep-x' } }],
    ['channel_binding=prefer', { notes: [] }],
  ])('?%s is used', (query, effect) => {
    expect(parse(query)).toMatchObject(effect);
  });

  it.each(['channel_binding=require', 'pool_timeout=10', 'keepalives_idle=1', 'supa=base-pooler.x'])(
    '?%s has no effect and is noted by name',
    (query) => {
      const { notes } = parse(query);
      expect(notes).toHaveLength(1);
      expect(notes[0]).toMatch(new RegExp(`^${query.split('=')[0]}\\S* has no effect: `));
    },
  );
});

describe('the form that a provider prints', () => {
  it.each([
    [
      'Neon',
      'postgresql://owner:npg_x@ep-a-pooler.eu-central-1.aws.neon.tech/neondb?sslmode=require&channel_binding=require',
    ],
    [
      'Supabase, pooled',
      'postgresql://postgres.ref:pw@aws-0-eu-central-1.pooler.supabase.com:6543/postgres?pgbouncer=true',
    ],
    ['Supabase, direct', 'postgresql://postgres:pw@db.ref.supabase.co:5432/postgres'],
    ['RDS', 'postgres://postgres:pw@log.abc.eu-central-1.rds.amazonaws.com:5432/log?sslmode=verify-full'],
    ['Heroku', 'postgres://uabc:pdef@ec2-1-2-3-4.compute-1.amazonaws.com:5432/dabc'],
    ['Azure', 'postgres://ana%40server:pw@server.postgres.database.azure.com/postgres?sslmode=require'],
    ['DigitalOcean', 'postgresql://doadmin:pw@db-do-user-1.b.db.ondigitalocean.com:25060/defaultdb?sslmode=require'],
    ['Prisma', 'postgresql://ana:pw@db.example.com:5432/log?schema=public&connection_limit=5&pool_timeout=10'],
  ])('%s', (_provider, url) => {
    const address = parseDatabaseUrl(url);
    expect(address.sslmode).not.toBe('disable');
    expect(address).toMatchObject({
      user: expect.any(String),
      password: expect.any(String),
      database: expect.any(String),
    });
  });
});
