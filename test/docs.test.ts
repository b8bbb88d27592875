/** The README is held to the code: its tables are the code's tables, and its examples run. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { requestLimits } from '../src/api/entries.ts';
import { bodyLimits } from '../src/http/request.ts';
import { queueLimits } from '../src/log/append-queue.ts';
import { entryLimits, readEntry } from '../src/log/entry.ts';
import { filterLimits, filterRows } from '../src/log/filter.ts';
import { pageLimits } from '../src/log/paging.ts';
import { settingRows } from '../src/settings.ts';
import { eventually, sqlClient, startService } from './support/harness.ts';
import { reasons } from './targets/reasons.ts';

const root = new URL('..', import.meta.url);
const readme = readFileSync(new URL('README.md', root), 'utf8');
const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
const run = promisify(execFile);

/** The rows of the table whose header begins with a word, as cells. */
function table(word: string): string[][] {
  const lines = readme.slice(readme.indexOf(`| ${word} |`)).split('\n');
  const end = lines.findIndex((line) => !line.startsWith('|'));
  return lines.slice(2, end).map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}
const code = (text: string) => (text === '' ? '' : `\`${text}\``);
const blocks = (language: string) =>
  [...readme.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, text = '']) => text);

describe('the tables of the README', () => {
  it('name every parameter of the filter, in its words', () => {
    const rows = table('parameter');
    expect(rows.slice(0, -1)).toEqual(filterRows.map(({ key, sentence }) => [code(key), sentence]));
    expect(rows.at(-1)?.[0]).toBe('`metadata.<path>`');
  });

  it('name every setting, its default and its meaning', () => {
    expect(table('setting')).toEqual(
      Object.entries(settingRows).map(([name, { fallback, means }]) => [code(name), code(fallback), means]),
    );
  });

  it('name every fixed limit', () => {
    const limits = { ...entryLimits, ...requestLimits, ...bodyLimits, ...queueLimits, ...pageLimits, ...filterLimits };
    expect(table('limit')).toEqual(
      Object.entries(limits).map(([name, value]) => [code(name), value.toLocaleString('en-US')]),
    );
  });

  it('name every reason for which a promise is left out somewhere', () => {
    expect(table('where')).toEqual(Object.values(reasons).map(({ on, because }) => [on.join(', '), because]));
  });

  it('name every field of an event', () => {
    const read = readEntry({ event_type: 'A', entity_type: 'b' });
    if (!('entry' in read)) throw new Error('a plain event was refused');
    expect(Object.keys(read.entry).filter((field) => !readme.includes(`\`${field}\``))).toEqual([]);
  });

  it('give a reason for every dependency', () => {
    const reasons = readme.slice(readme.indexOf('**Why each dependency:**'));
    const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }).filter(
      (name) => !name.startsWith('@types/'),
    );
    expect(names.filter((name) => !reasons.includes(name))).toEqual([]);
  });

  it('name every file at the top of src', async () => {
    const { stdout } = await run('ls', ['src'], { cwd: root.pathname });
    expect(
      stdout
        .trim()
        .split('\n')
        .filter((name) => !readme.includes(`src/${name}`)),
    ).toEqual([]);
  });

  it.each([...readme.matchAll(/`?npm run ([a-z:-]+)/g)].map(([, name]) => name))(
    'name a command that exists: npm run %s',
    (name) => {
      expect(manifest.scripts).toHaveProperty([name ?? '']);
    },
  );

  it('point at files that exist', () => {
    const links = [...readme.matchAll(/\]\((?!http)([^)]+)\)/g)].map(([, path = '']) => path);
    expect(links.filter((path) => !existsSync(new URL(path, root)))).toEqual([]);
  });
});

describe('the examples of the README', async () => {
  const users = 'admin:admin:admin123 guest:guest:guest123';
  const service = await startService('postgres', { env: { USERS: users } });
  const authorization = `Basic ${btoa('admin:admin123')}`;
  const here = (text: string) => text.replaceAll('http://localhost:9000', service.url);
  const logs = async (query: string) => {
    const answer = await service.request(`/api/logs?${query}`, { as: null, headers: { authorization } });
    return ((await answer.json()) as { logs: { description: string | null; metadata: unknown }[] }).logs;
  };
  const shell = async (text: string) => (await run('sh', ['-c', here(text)]).catch((error) => error)).stdout as string;
  const [write = '', ask = '', follow = ''] = blocks('sh').filter((text) => text.startsWith('curl'));

  it('write with curl', async () => {
    expect(JSON.parse(await shell(write))).toMatchObject({ id: 1, entity_id: '55', description: 'Order 55 taken' });
  });

  it('ask and follow with curl', async () => {
    expect(JSON.parse(await shell(ask))).toMatchObject({ total: 1, limit: 10 });
    expect(await shell(follow)).toContain('\nid: 1\ndata: {"id":1,');
  });

  it('write inside a transaction in SQL', async () => {
    if (!('DATABASE_URL' in service.place)) throw new Error('not PostgreSQL');
    await sqlClient(service.place.DATABASE_URL, 1).unsafe(blocks('sql').join(''));
    await eventually('the event is in the log', async () => (await logs('event_type=UPDATE')).length === 1);
  });

  it('write, ask and follow with the SDK', async () => {
    const file = new URL('readme-example.ts', root);
    await writeFile(file, here(blocks('ts').join('')));
    await run(process.execPath, ['--import', 'tsx', file.pathname], { cwd: root.pathname }).finally(() => rm(file));
    expect((await logs('event_type=UPDATE')).map(({ metadata }) => metadata)).toContainEqual({
      old_status: 'NEW',
      new_status: 'PAID',
    });
  });

  it('write with Python, where httpx is installed', async ({ skip }) => {
    const has = await run('python3', ['-c', 'import httpx']).then(
      () => true,
      () => false,
    );
    if (!has) skip('no python3 with httpx on this machine (apt-get install python3-httpx)');
    await run('python3', ['-c', here(blocks('python').join(''))]);
    expect(await logs('event_type=PAYMENT')).toMatchObject([{ metadata: { amount: 19.9 } }]);
  });
});
