/** TLS, and the start: the service works, or exits with one sentence that names the remedy. */
import { execFile } from 'node:child_process';
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { serverClient } from '../../src/runtime/postgres.ts';
import { freshPostgres } from '../support/harness.ts';
import { startServer } from '../support/postgres-server.ts';
import { startOutcome } from '../support/process.ts';

const run = promisify(execFile);
const folder = await mkdtemp(join(tmpdir(), 'edgetrail-tls-'));
await chmod(folder, 0o755);

/** A server with TLS and a self-signed certificate for `localhost`. */
async function tlsServer() {
  const [key, certificate] = [join(folder, 'server.key'), join(folder, 'server.crt')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  await run('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    key,
    '-out',
    certificate,
    ...subject,
  ]);
  if (process.getuid?.() === 0) {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, 'nobody'])).stdout)),
    );
    for (const file of [key, certificate]) await chown(file, uid ?? 0, gid ?? 0);
  }
  await chmod(key, 0o600);
  const flags = ['-c', 'ssl=on', '-c', `ssl_cert_file=${certificate}`, '-c', `ssl_key_file=${key}`];
  return { server: await startServer(join(folder, 'server'), { flags }), certificate };
}

const plainUrl = await freshPostgres();
const { server, certificate } = await tlsServer();
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});
const tlsUrl = server.url.replace('127.0.0.1', 'localhost');

describe('TLS', () => {
  it.each<[sslmode: string, url: string, isTls: boolean]>([
    ['disable', tlsUrl, false],
    ['allow', tlsUrl, true],
    ['prefer', tlsUrl, true],
    ['require', tlsUrl, true],
    ['disable', plainUrl, false],
    ['allow', plainUrl, false],
    ['prefer', plainUrl, false],
  ])('sslmode=%s', async (sslmode, url, isTls) => {
    const sql = serverClient(`${url}?sslmode=${sslmode}`, 1, null);
    const [row] = await sql`select ssl from pg_stat_ssl where pid = pg_backend_pid()`;
    expect(row?.ssl).toBe(isTls);
    await sql.end();
  });
});

describe.each(['node', 'bun'] as const)('the service on %s', { timeout: 300_000 }, (runtime) => {
  it.each<[what: string, url: () => string, message: RegExp]>([
    [
      'sslmode=require at a server without TLS',
      () => `${plainUrl}?sslmode=require`,
      /sslmode=require requires TLS, and the server at .* offers none/,
    ],
    [
      'verify-full with an unknown authority',
      () => `${tlsUrl}?sslmode=verify-full`,
      /certificate is not trusted: set NODE_EXTRA_CA_CERTS/,
    ],
    ['a wrong password', () => plainUrl.replace(/:[^:@]*@/, ':wrong@'), /correct the user or the password/],
    ['a database that does not exist', () => plainUrl.replace(/[^/]+$/, 'missing'), /CREATE DATABASE/],
  ])('%s ends the start with one sentence', async (_what, url, message) => {
    const { first, text } = await startOutcome(runtime, url());
    expect(first).toBe(1);
    expect(text).toMatch(message);
    expect(text).toMatch(/"message":"DATABASE_URL: /);
    expect(text).not.toMatch(/\n\s+at |"at":/);
  });

  it('works with verify-full when NODE_EXTRA_CA_CERTS has the authority', async () => {
    const env = { NODE_EXTRA_CA_CERTS: certificate };
    const { first, text } = await startOutcome(runtime, `${tlsUrl}?sslmode=verify-full&channel_binding=require`, env);
    expect(first, text).toBe('ready');
    expect(text).toMatch(/DATABASE_URL: channel_binding=require has no effect/);
  });
});
