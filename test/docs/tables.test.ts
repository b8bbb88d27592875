/** The tables of the documentation are the tables of the code. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { getTableName, is } from 'drizzle-orm';
import { PgTable } from 'drizzle-orm/pg-core';
import { describe, expect, it } from 'vitest';
import { csvColumns, formats } from '../../src/api/export-formats.ts';
import { requestLimits } from '../../src/api/write.ts';
import { createApp } from '../../src/app.ts';
import { roles } from '../../src/auth/auth.ts';
import { ready } from '../../src/features/alerts/ready.ts';
import { ruleLimits, ruleTypes } from '../../src/features/alerts/rule.ts';
import { ruleFields, sharedFields } from '../../src/features/alerts/spec.ts';
import { features } from '../../src/features/index.ts';
import { kinds } from '../../src/features/shipping/kinds.ts';
import { Problem, type ProblemStatus, titles } from '../../src/http/problem.ts';
import { bodyLimits } from '../../src/http/request.ts';
import { queueLimits } from '../../src/log/append-queue.ts';
import { entryLimits, NewEntry, readEntry } from '../../src/log/entry.ts';
import { filterLimits, filterRows, filterSentences } from '../../src/log/filter.ts';
import { ownTypes } from '../../src/log/own-events.ts';
import { pageLimits } from '../../src/log/paging.ts';
import * as schema from '../../src/log/schema.ts';
import { readSyntax } from '../../src/log/syntax.ts';
import { help } from '../../src/page/menu-and-help.ts';
import type { Parts } from '../../src/parts.ts';
import { clientNames, readSettings, settingMeanings, settingRows } from '../../src/settings.ts';
import { relativeRanges } from '../../src/viewer/page-query.ts';
import { reasons } from '../targets/reasons.ts';
import { code, plain, root, table, textOf } from './pages.ts';

const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
const first = (rows: string[][]) => rows.map(([cell = '']) => plain(cell));

describe('docs/filters.md', () => {
  const file = 'docs/filters.md';

  it('has every parameter, in the words of the code', () => {
    const rows = table(file, 'parameter');
    expect(rows.slice(0, -1)).toEqual(filterRows.map(({ key }) => [code(key), filterSentences[key]]));
    expect(rows.at(-1)?.[0]).toBe('`metadata.<path>`');
  });

  it('has every word of the search line', () => {
    const named = filterRows.filter(({ word }) => word !== '');
    expect(table(file, 'word')).toEqual(named.map(({ key, word }) => [code(`${word}:`), code(key)]));
  });

  it.each(table(file, 'line').map((row) => row.map(plain)))('reads the line %s as %s', (line = '', parameters = '') => {
    const { query, faults } = readSyntax(line);
    expect(faults).toEqual([]);
    expect([...query].map(([name, value]) => `${name}=${value}`).join('&')).toBe(parameters);
  });

  it.each(table(file, 'refused line').map((row) => row.map(plain)))(
    'refuses the line %s: it %s',
    (line = '', reason) => {
      expect(readSyntax(line).faults.map((fault) => fault.reason)).toEqual([expect.stringContaining(reason ?? '')]);
    },
  );
});

const documentedLimits = ['bodyLimits', 'entryLimits', 'filterLimits', 'pageLimits', 'queueLimits', 'requestLimits'];
/** Where a request is refused. The limits of other files bound the service's own work: no request is refused by them. */
const refusing = /^(api|http)\/|^log\/(entry|filter|paging|append-queue)\.ts$/;

describe('docs/settings.md', () => {
  const file = 'docs/settings.md';

  it('has every setting, its default and its meaning', () => {
    expect(table(file, 'setting')).toEqual(
      Object.entries(settingRows).map(([name, { fallback }]) => [
        code(name),
        code(fallback),
        settingMeanings[name as keyof typeof settingRows],
      ]),
    );
  });

  it('has every setting of the commands', () => {
    expect(first(table(file, 'client setting'))).toEqual(clientNames);
  });

  it('leaves out no limit by which a request is refused', () => {
    const files = readdirSync(new URL('src/', root), { recursive: true, encoding: 'utf8' });
    const named = files
      .filter((name) => refusing.test(name))
      .flatMap((name) =>
        [...textOf(`src/${name}`).matchAll(/^export const (\w+Limits)\b/gm)].map(([, limits]) => limits),
      );
    expect(named.toSorted()).toEqual(documentedLimits);
  });

  it('has every fixed limit, its value and its meaning', () => {
    const limits = { ...entryLimits, ...requestLimits, ...bodyLimits, ...queueLimits, ...pageLimits, ...filterLimits };
    const rows = table(file, 'limit');
    expect(rows.map(([name, value]) => [name, value])).toEqual(
      Object.entries(limits).map(([name, value]) => [code(name), value.toLocaleString('en-US')]),
    );
    expect(rows.filter(([, , meaning]) => !meaning)).toEqual([]);
  });
});

describe('the request tables', () => {
  // Routes are only collected here: no part is used before a request comes.
  const app = createApp({ limits: readSettings({}), features, store: {} } as unknown as Parts);
  const routes = app.routes
    .filter(({ method, path }) => ['GET', 'POST'].includes(method) && !path.includes('*'))
    .map(({ method, path }) => `${method} ${path.replace(/\{.*\}/, '')}`);

  it('of the pages have every address of the service', () => {
    const pages = readdirSync(new URL('docs', root)).filter(
      (name) => /\.md$/.test(name) && textOf(`docs/${name}`).includes('\n| request |'),
    );
    const documented = pages.flatMap((page) => table(`docs/${page}`, 'request'));
    expect(first(documented).toSorted()).toEqual([...new Set(routes)].toSorted());
  });
});

describe('docs/shipping.md', () => {
  const file = 'docs/shipping.md';

  it('has every kind of sink, with what arrives there and against what it was tried', () => {
    const rows = table(file, 'kind');
    expect(rows.map(([kind]) => kind)).toEqual(kinds.map(({ kind }) => code(kind)));
    expect(rows.filter(([, arrives = '', tried = '']) => arrives === '' || tried === '')).toEqual([]);
  });

  it('has every field of every kind', () => {
    const rows = table(file, 'sink field').flatMap(([names = '', kind = '']) =>
      [...names.matchAll(/`(\w+)`/g)].map(([, name = '']) => [name, plain(kind)] as const),
    );
    const isDocumented = (kind: string, field: string) =>
      rows.some(([name, where]) => name === field && (where === 'all' || where.split(', ').includes(kind)));
    const missing = kinds.flatMap(({ kind, fields }) =>
      Object.keys(fields)
        .filter((field) => !isDocumented(kind, field))
        .map((field) => `${kind}.${field}`),
    );
    expect(missing).toEqual([]);
  });
});

describe('docs/alerts.md', () => {
  const file = 'docs/alerts.md';

  it('has every type of a rule, and every ready rule', () => {
    expect(first(table(file, 'type'))).toEqual(ruleTypes);
    expect(table(file, 'ready rule')).toEqual(ready.map(({ name, about }) => [code(name), about]));
  });

  it('has every field of every type', () => {
    const rows = table(file, 'rule field').flatMap(([names = '', types = '']) =>
      [...names.matchAll(/`(\w+)`/g)].map(([, name = '']) => [name, plain(types)] as const),
    );
    const isDocumented = (type: string, field: string) =>
      rows.some(([name, where]) => name === field && (where === 'all' || where.split(', ').includes(type)));
    const missing = ruleTypes.flatMap((type) =>
      [...sharedFields.filter((field) => field !== 'type'), ...Object.keys(ruleFields[type])]
        .filter((field) => !isDocumented(type, field))
        .map((field) => `${type}.${field}`),
    );
    expect(missing).toEqual([]);
  });

  it('has the limits of the code', () => {
    const { groups_max, points_max, alerts_per_hour_max } = ruleLimits;
    for (const limit of [groups_max, points_max]) expect(textOf(file)).toContain(limit.toLocaleString('en-US'));
    expect(textOf(file)).toContain(`Default ${alerts_per_hour_max} |`);
  });
});

describe('docs/api.md', () => {
  const file = 'docs/api.md';
  const rows = table(file, 'field').map((row) => row.map(plain));
  const given: Record<string, string> = { event_type: 'A', entity_type: 'b' };

  it('has every field of an event', () => {
    expect(rows.map(([name]) => name)).toEqual(Object.keys(NewEntry.entries));
  });

  it.each(rows)('says whether %s is required (%s) and which limit it has (%s)', (name = '', required, limit = '') => {
    const { [name]: _left, ...others } = given;
    expect('faults' in readEntry(others)).toBe(required === 'yes');
    if (limit !== '') expect(entryLimits).toHaveProperty(limit);
  });

  it('has every parameter of a page, and the defaults of the code', () => {
    const text = table(file, 'parameter').flat().join(' ');
    for (const [name, value] of Object.entries(pageLimits))
      expect(text).toContain(`\`${name}\` (${value.toLocaleString('en-US')})`);
  });

  it('has every export format and column', () => {
    const row = table(file, 'parameter').find(([name]) => name === '`format`');
    expect([...(row?.[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name)).toEqual(Object.keys(formats));
    expect(textOf(file)).toContain(csvColumns.map(code).join(', '));
  });

  it('has every status of an error, in the words of the code', () => {
    expect(table(file, 'error')).toEqual(
      Object.keys(titles).map((status) => [status, new Problem(Number(status) as ProblemStatus, '').title]),
    );
  });

  it('says what a truncated export ends with', () => {
    for (const { truncation_mark } of Object.values(formats))
      expect(textOf(file)).toContain(truncation_mark.replace('"', ''));
  });
});

describe('docs/viewer.md', () => {
  it('has the keys of the page’s own help', () => {
    const unescaped = (html: string) => html.replaceAll('&quot;', '"').replaceAll('&amp;', '&');
    const [keys = ''] = String(help()).split('</table>');
    const rows = [...keys.matchAll(/<kbd>(.*?)<\/kbd><\/th><td>(.*?)<\/td>/g)];
    expect(table('docs/viewer.md', 'key')).toEqual(
      rows.map(([, key = '', means = '']) => [code(unescaped(key)), unescaped(means)]),
    );
  });

  it('has every range that ends now', () => {
    expect(textOf('docs/viewer.md')).toContain(Object.keys(relativeRanges).map(code).join(', '));
  });
});

it('docs/security.md has every role and its rights', () => {
  expect(table('docs/security.md', 'role')).toEqual(
    Object.entries(roles).map(([role, rights]) => [code(role), rights.map(code).join(', ')]),
  );
});

it('docs/security.md has every event of the product itself, and its kind', () => {
  const rows = table('docs/security.md', 'event type').map(([type, kind]) => [type, kind]);
  expect(rows).toEqual(Object.entries(ownTypes).map(([type, kind]) => [code(type), code(kind)]));
});

it('docs/deploy.md has every reason for which a promise is left out somewhere', () => {
  expect(table('docs/deploy.md', 'where')).toEqual(
    Object.values(reasons).map(({ on, because }) => [on.join(', '), because]),
  );
});

it('CONTRIBUTING.md has every script', () => {
  const documented = first(table('CONTRIBUTING.md', 'script')).map((cell) => cell.replace(/^npm (run )?/, ''));
  expect(documented.toSorted()).toEqual(Object.keys(manifest.scripts).toSorted());
});

describe('docs/architecture.md', () => {
  const file = 'docs/architecture.md';

  it('has every folder and file at the top of src', () => {
    const named = [...textOf(file).matchAll(/^src\/([\w.-]+)/gm)].map(([, name]) => name);
    expect(named.toSorted()).toEqual(readdirSync(new URL('src', root)).toSorted());
  });

  it('has every table of the database', async () => {
    const others = ['archive', ...readdirSync(new URL('src/features', root)).map((name) => `features/${name}`)]
      .map((folder) => new URL(`src/${folder}/tables.ts`, root))
      .filter((file) => existsSync(file))
      .map((file) => import(file.href));
    const schemas = [schema, ...(await Promise.all(others))].flatMap((all) => Object.values(all));
    const tables = schemas.flatMap((value) => (is(value, PgTable) ? [getTableName(value)] : []));
    expect(first(table(file, 'table')).toSorted()).toEqual(tables.toSorted());
  });

  it('has a reason for every dependency', () => {
    const documented = first(table(file, 'package')).flatMap((cell) => cell.split(', '));
    const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(documented.toSorted()).toEqual(names.toSorted());
  });

  const glossary = table(file, 'term').map((row) => row.map(plain));

  it('has a glossary in the order of the alphabet', () => {
    expect(glossary.map(([term]) => term)).toEqual(glossary.map(([term]) => term).toSorted());
  });

  it.each(glossary)('has the term %s in the file that the glossary names', (term = '', _meaning, path = '') => {
    expect(existsSync(new URL(path, root))).toBe(true);
    const text = readFileSync(new URL(path, root), 'utf8').toLowerCase();
    // Two words are one name in the code.
    expect(text.includes(term) || text.includes(term.replace(' ', ''))).toBe(true);
  });
});
