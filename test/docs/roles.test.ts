/** The commands of docs/deploy.md that make the database roles run as they are printed, and the roles are what docs/security.md says. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { servicesFunctions } from '../../src/runtime/grants.ts';
import { startService } from '../support/harness.ts';
import { denied, refusalOf } from '../support/two-roles.ts';
import { blocks, root, textOf } from './pages.ts';

const run = promisify(execFile);
const printed = blocks.filter(({ page }) => page === 'docs/deploy.md');
const [create = '', inDatabase = ''] = printed.filter(({ language }) => language === 'sql').map(({ text }) => text);
const [migrate = ''] = printed.filter(({ text }) => text.includes('edgetrail_owner:')).map(({ text }) => text);

/** Names of our own: roles belong to the server, which other tests use as well. */
const name = `documented_${process.pid}`;
const server = new URL(inject('serverUrl'));
const named = (text: string) =>
  text
    .replaceAll('@localhost:5432', `@${server.host}`)
    .replace(/\bedgetrail(?=_owner\b|\b)/g, name)
    .replaceAll('…', 'secret');
const urlFor = (user: string, password: string) =>
  Object.assign(new URL(server), { pathname: `/${name}`, username: user, password }).href;

describe('the roles of docs/deploy.md', async () => {
  const admin = postgres(server.href, { max: 1, onnotice: () => {} });
  afterAll(async () => {
    await admin.unsafe(`drop database if exists ${name} with (force)`);
    for (const role of [name, `${name}_owner`]) await admin.unsafe(`drop role if exists ${role}`);
    await admin.end();
  });
  for (const statement of named(create).trim().split('\n')) await admin.unsafe(statement);
  const there = postgres(urlFor(server.username, server.password), { max: 1, onnotice: () => {} });
  await there.unsafe(named(inDatabase));
  await there.end();
  await run('sh', ['-c', named(migrate)], { cwd: root.pathname });
  const DATABASE_URL = urlFor(name, 'secret');
  const service = await startService('postgres', { place: { DATABASE_URL }, env: { MIGRATE: 'off' } });

  it('are enough for the service, which has no other password', async () => {
    await service.write({ event_type: 'CREATE', entity_type: 'order' });
    expect((await service.request('/readyz')).status).toBe(200);
    const text = (await (await service.request('/status')).text()).replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');
    expect(text).toContain('Database role owns nothing: it can append and read events, but not change them');
  });

  it('leave the service without temporary objects, and others without the database', async () => {
    const serve = postgres(DATABASE_URL, { max: 1 });
    expect(await refusalOf(serve, 'create temporary table mine (a integer)')).toBe(denied);
    await serve.end();
    await admin.unsafe(`create role ${name}_other login password 'secret'`);
    const other = postgres(urlFor(`${name}_other`, 'secret'), { max: 1 });
    await expect(other`select 1`).rejects.toThrow('permission denied for database');
    await other.end();
    await admin.unsafe(`drop role ${name}_other`);
  });
});

it('docs/security.md names each function that the service may call', () => {
  const [, section = ''] = textOf('docs/security.md').split('## Database roles');
  const line = section.split('\n').find((text) => text.startsWith('`append_logs`')) ?? '';
  expect([...line.matchAll(/`(\w+)`/g)].map(([, word]) => word)).toEqual(servicesFunctions);
});
