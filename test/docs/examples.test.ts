/** The examples of the documentation run as they are printed. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, inject, it } from 'vitest';
import { readSettings, settingRows } from '../../src/settings.ts';
import { eventually, sqlClient, startService } from '../support/harness.ts';
import { has } from '../support/web-proxies.ts';
import { notOn } from '../targets/not-on.ts';
import { reasons } from '../targets/reasons.ts';
import { blocks, root } from './pages.ts';

const run = promisify(execFile);
const hasHttpx = await has('python3', '-c', 'import httpx');
/** Those of docs/monitoring.md have a test of their own. */
const examples = (language: string) =>
  blocks.filter((block) => block.language === language && block.page !== 'docs/monitoring.md').map(({ text }) => text);

const isReader = /\/api\/(sinks|rules)\//;
const isScore = /\/api\/unusual\/score/;
const isVisits = /\/api\/visits/;
const isPatterns = /\/api\/patterns/;
const isProof = /\/checkpoint/;

describe('the examples', async () => {
  const users = 'admin:admin:admin123 guest:guest:guest123';
  const service = await startService('postgres', { env: { USERS: users } });
  const authorization = `Basic ${btoa('admin:admin123')}`;
  const here = (text: string) => text.replaceAll('http://localhost:9000', service.url);
  const logs = async (query: string) => {
    const answer = await service.request(`/api/logs?${query}`, { as: null, headers: { authorization } });
    return ((await answer.json()) as { logs: { description: string | null; metadata: unknown }[] }).logs;
  };
  const shell = async (text: string) => (await run('sh', ['-c', here(text)]).catch((error) => error)).stdout as string;
  const curls = examples('sh').filter((text) => text.startsWith('curl'));
  const [write = '', ask = '', follow = '', ...others] = curls.filter(
    (text) => ![isReader, isScore, isVisits, isPatterns, isProof].some((is) => is.test(text)),
  );

  it('write with curl', async () => {
    expect(JSON.parse(await shell(write))).toMatchObject({ id: 1, entity_id: '55', description: 'Order 55 taken' });
  });

  it('ask and follow with curl', async () => {
    expect(JSON.parse(await shell(ask))).toMatchObject({ total: 1, limit: 10 });
    // It ends after two seconds, which may be too few on a busy machine.
    await expect.poll(() => shell(follow)).toMatch(/\nid: 1-[0-9a-z]+\ndata: \{"id":1,/);
  });

  it.each(others)('ask with curl: %s', async (command) => {
    expect(JSON.parse(await shell(command))).toMatchObject({ logs: [], total: 0 });
  });

  it.each(curls.filter((text) => isVisits.test(text)))('ask for visits with curl: %s', async (command) => {
    expect(JSON.parse(await shell(command))).toMatchObject({ visits: expect.any(Array), exact: true });
  });

  it.each(curls.filter((text) => isPatterns.test(text)))('ask for patterns with curl: %s', async (command) => {
    expect(JSON.parse(await shell(command))).toMatchObject({ n: 1, groups: [{ pattern: 'Order <*> taken', n: 1 }] });
  });

  it.each(curls.filter((text) => isProof.test(text)))('verify what was exported: %s', async (commands) => {
    const cwd = await mkdtemp(join(tmpdir(), 'edgetrail-proof-'));
    const inFolder = here(commands).replace(
      'npm run verify --',
      `npm exec --prefix ${root.pathname} -- tsx ${root.pathname}src/commands/verify.ts`,
    );
    const { stdout } = await run('sh', ['-ec', inFolder], { cwd });
    await rm(cwd, { recursive: true });
    expect(stdout).toContain('1 event checked\nVerified.\n');
  });

  it.each(curls.filter((text) => isScore.test(text)))('score a series with curl: %s', async (command) => {
    expect(JSON.parse(await shell(command))).toMatchObject({ scores: Array(3).fill(expect.any(Number)) });
  });

  it.each(curls.filter((text) => isReader.test(text)))('make a sink or a rule with curl: %s', async (command) => {
    expect(JSON.parse(await shell(command))).toMatchObject({
      status: expect.any(String),
      lag_events: expect.any(Number),
    });
  });

  it('write inside a transaction in SQL', async () => {
    if (!('DATABASE_URL' in service.place)) throw new Error('not PostgreSQL');
    await sqlClient(service.place.DATABASE_URL, 1).unsafe(
      blocks
        .filter(({ page, language }) => page === 'docs/api.md' && language === 'sql')
        .map(({ text }) => text)
        .join(''),
    );
    await eventually('the event is in the log', async () => (await logs('event_type=UPDATE')).length === 1);
  });

  it.each(['activity_inbox', 'activity_logs'])('write in SQL as a role that may only insert into %s', async (into) => {
    if (!('DATABASE_URL' in service.place)) throw new Error('not PostgreSQL');
    const url = new URL(service.place.DATABASE_URL);
    const admin = new URL(inject('serverUrl'));
    admin.pathname = url.pathname;
    const role = `writer_${into}_${process.pid}`;
    const owner = sqlClient(admin.href, 1);
    await owner.unsafe(`CREATE ROLE ${role} LOGIN PASSWORD 'writer'; GRANT INSERT ON ${into} TO ${role}`);
    [url.username, url.password] = [role, 'writer'];
    const writer = sqlClient(url.href, 1);
    try {
      await writer.unsafe(
        `SET search_path = ''; INSERT INTO public.${into} (event_type, entity_type, user_id) VALUES ('SQL', '${into}', '')`,
      );
      const refused = writer.unsafe(`INSERT INTO public.${into} (event_type, entity_type) VALUES (' ', 'order')`);
      await expect(refused).rejects.toThrow('event_type: must not be blank');
      const timeless = writer.unsafe(
        `INSERT INTO public.${into} (event_type, entity_type, timestamp) VALUES ('SQL NULL', 'order', NULL)`,
      );
      await (into === 'activity_inbox' ? timeless : expect(timeless).rejects.toThrow('no partition'));
      await eventually('it is in the log', async () => (await logs(`event_type=SQL&entity_type=${into}`)).length === 1);
      expect(await logs('event_type=SQL&user_id!=x')).toContainEqual(expect.objectContaining({ user_id: null }));
    } finally {
      await writer.end();
      await owner.unsafe(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });

  it('write, ask and follow with the SDK', async () => {
    const file = new URL('readme-example.ts', root);
    await writeFile(file, here(examples('ts').join('')));
    await run(process.execPath, ['--import', 'tsx', file.pathname], { cwd: root.pathname }).finally(() => rm(file));
    expect((await logs('event_type=UPDATE')).map(({ metadata }) => metadata)).toContainEqual({
      old_status: 'NEW',
      new_status: 'PAID',
    });
  });

  notOn(reasons.noHttpx, !hasHttpx).it('write with Python', async () => {
    await run('python3', ['-c', here(examples('python').join(''))]);
    expect(await logs('event_type=PAYMENT')).toMatchObject([{ metadata: { amount: 19.9 } }]);
  });

  it('import files', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'edgetrail-docs-'));
    await writeFile(join(folder, 'events.ndjson'), '{"event_type":"MOVED","entity_type":"order"}\n');
    await writeFile(join(folder, 'more.csv'), 'event_type,entity_type\nMOVED,order\n');
    const [command = ''] = examples('sh').filter((text) => text.includes('npm run import'));
    const absolute = command.replace(/(?<= )(?=events\.|more\.)/g, `${folder}/`);
    await run('sh', ['-c', absolute], { cwd: root.pathname, env: { ...process.env, EDGETRAIL_URL: service.url } });
    await rm(folder, { recursive: true });
    expect(await logs('event_type=MOVED')).toHaveLength(2);
  });
});

describe('the settings of the examples', () => {
  const assignments = examples('sh').flatMap((text) => [...text.matchAll(/\b([A-Z_]+)='([^']*)'/g)]);
  const known = assignments.filter(([, name = '']) => name in settingRows);

  it.each(known.map(([, name = '', value = '']) => [name, value]))('are accepted: %s=%s', (name, value) => {
    const beside = name === 'MIGRATION_DATABASE_URL' ? { DATABASE_URL: 'postgres://host/database' } : {};
    const given = value.replace('…', value.includes('@') ? 'password' : 'user:password@host/database');
    expect(() => readSettings({ ...beside, [name]: given })).not.toThrow();
  });
});

it.each(examples('json'))('the example is JSON: %s', (text) => {
  expect(() => JSON.parse(text)).not.toThrow();
});
