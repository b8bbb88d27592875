/** The house (README, "How it is built"): who may import whom, and what no file may say. A new file must be placed here. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const src = new URL('../src/', import.meta.url);

/** Each file's own imports, and no others. */
const house: Record<string, string[]> = {
  'digest.ts': [],
  'entry.ts': [],
  'pause.ts': [],
  'schema.ts': ['entry.ts'],
  'problem.ts': ['entry.ts'],
  'gate.ts': ['problem.ts'],
  'filter.ts': ['entry.ts', 'problem.ts', 'schema.ts'],
  'paging.ts': ['entry.ts', 'filter.ts', 'problem.ts'],
  'syntax.ts': ['entry.ts', 'filter.ts'],
  'sample.ts': ['gate.ts', 'problem.ts', 'schema.ts'],
  'counts.ts': ['filter.ts', 'sample.ts', 'schema.ts'],
  'breakdown.ts': ['entry.ts', 'filter.ts', 'sample.ts', 'schema.ts'],
  'append-queue.ts': ['entry.ts', 'problem.ts', 'schema.ts'],
  'store.ts': [
    'append-queue.ts',
    'breakdown.ts',
    'counts.ts',
    'entry.ts',
    'filter.ts',
    'paging.ts',
    'problem.ts',
    'schema.ts',
  ],
  'tail.ts': ['filter.ts', 'pause.ts', 'problem.ts', 'schema.ts', 'store.ts'],
  'stream.ts': ['pause.ts'],
  'formats.ts': ['schema.ts'],
  'auth.ts': ['digest.ts', 'gate.ts', 'problem.ts'],
  'credentials.ts': ['auth.ts', 'digest.ts'],
  'settings.ts': ['auth.ts', 'credentials.ts'],
  'client.ts': ['entry.ts', 'schema.ts'],
  'session.ts': ['digest.ts', 'pause.ts', 'schema.ts'],
  'cookie.ts': [],
  'way-back.ts': [],
  'parts.ts': ['auth.ts', 'cookie.ts', 'problem.ts', 'session.ts', 'settings.ts', 'store.ts', 'tail.ts', 'way-back.ts'],
  'cors.ts': [],
  'files.ts': [],
  'conditional.ts': ['digest.ts'],
  'views/hx.ts': [],
  'zone.ts': [],
  'views/text.ts': ['zone.ts'],
  'views/layout.ts': ['files.ts', 'views/hx.ts', 'views/text.ts'],
  'views/sign-in.ts': ['views/layout.ts', 'views/text.ts'],
  'metadata.ts': ['entry.ts'],
  'paced.ts': ['pause.ts', 'tail.ts'],
  'question.ts': ['entry.ts', 'filter.ts', 'problem.ts', 'syntax.ts', 'zone.ts'],
  'views/links.ts': ['entry.ts', 'filter.ts'],
  'views/histogram.ts': ['entry.ts', 'question.ts', 'store.ts', 'views/layout.ts', 'views/links.ts', 'views/text.ts'],
  'views/empty.ts': ['question.ts', 'views/layout.ts', 'views/links.ts'],
  'views/filters.ts': [
    'entry.ts',
    'filter.ts',
    'question.ts',
    'syntax.ts',
    'views/hx.ts',
    'views/layout.ts',
    'views/links.ts',
    'views/text.ts',
  ],
  'views/problem.ts': ['problem.ts', 'views/filters.ts', 'views/layout.ts', 'views/text.ts'],
  'views/row.ts': ['schema.ts', 'views/layout.ts', 'views/links.ts', 'views/text.ts'],
  'views/live.ts': [
    'question.ts',
    'schema.ts',
    'views/hx.ts',
    'views/layout.ts',
    'views/links.ts',
    'views/row.ts',
    'views/text.ts',
  ],
  'views/range.ts': ['entry.ts', 'question.ts', 'views/layout.ts', 'views/links.ts', 'views/text.ts', 'zone.ts'],
  'views/shell.ts': ['views/layout.ts', 'views/sign-in.ts', 'views/text.ts'],
  'views/counts.ts': [
    'filter.ts',
    'question.ts',
    'store.ts',
    'views/histogram.ts',
    'views/hx.ts',
    'views/layout.ts',
    'views/links.ts',
    'views/shell.ts',
    'views/text.ts',
  ],
  'views/log.ts': [
    'filter.ts',
    'paging.ts',
    'question.ts',
    'schema.ts',
    'views/counts.ts',
    'views/empty.ts',
    'views/filters.ts',
    'views/hx.ts',
    'views/layout.ts',
    'views/links.ts',
    'views/live.ts',
    'views/range.ts',
    'views/row.ts',
    'views/shell.ts',
    'views/text.ts',
  ],
  'views/between.ts': [
    'question.ts',
    'schema.ts',
    'views/hx.ts',
    'views/layout.ts',
    'views/links.ts',
    'views/live.ts',
    'views/row.ts',
    'views/text.ts',
  ],
  'views/details.ts': [
    'entry.ts',
    'filter.ts',
    'metadata.ts',
    'schema.ts',
    'views/hx.ts',
    'views/layout.ts',
    'views/links.ts',
    'views/text.ts',
  ],
  'views/event.ts': [
    'schema.ts',
    'views/details.ts',
    'views/filters.ts',
    'views/layout.ts',
    'views/links.ts',
    'views/shell.ts',
    'views/text.ts',
  ],
  'routes/entries.ts': [
    'append-queue.ts',
    'conditional.ts',
    'digest.ts',
    'entry.ts',
    'filter.ts',
    'formats.ts',
    'paging.ts',
    'parts.ts',
    'problem.ts',
    'schema.ts',
    'stream.ts',
  ],
  'routes/live.ts': [
    'filter.ts',
    'parts.ts',
    'pause.ts',
    'problem.ts',
    'routes/entries.ts',
    'schema.ts',
    'stream.ts',
    'tail.ts',
  ],
  'routes/counting.ts': ['parts.ts', 'problem.ts', 'question.ts', 'store.ts', 'views/counts.ts'],
  'routes/look.ts': ['parts.ts', 'problem.ts', 'routes/entries.ts', 'views/text.ts', 'way-back.ts', 'zone.ts'],
  'routes/viewer-live.ts': [
    'paced.ts',
    'paging.ts',
    'parts.ts',
    'problem.ts',
    'question.ts',
    'routes/entries.ts',
    'routes/live.ts',
    'routes/look.ts',
    'schema.ts',
    'store.ts',
    'stream.ts',
    'tail.ts',
    'views/between.ts',
    'views/links.ts',
    'views/live.ts',
    'views/text.ts',
    'way-back.ts',
  ],
  'routes/viewer.ts': [
    'conditional.ts',
    'paging.ts',
    'parts.ts',
    'pause.ts',
    'problem.ts',
    'question.ts',
    'routes/counting.ts',
    'routes/entries.ts',
    'routes/look.ts',
    'routes/viewer-live.ts',
    'views/counts.ts',
    'views/details.ts',
    'views/event.ts',
    'views/layout.ts',
    'views/links.ts',
    'views/log.ts',
    'views/shell.ts',
    'way-back.ts',
  ],
  'routes/session.ts': [
    'auth.ts',
    'cookie.ts',
    'parts.ts',
    'problem.ts',
    'routes/entries.ts',
    'routes/look.ts',
    'session.ts',
    'views/sign-in.ts',
    'way-back.ts',
  ],
  'app.ts': [
    'cors.ts',
    'files.ts',
    'parts.ts',
    'problem.ts',
    'routes/entries.ts',
    'routes/live.ts',
    'routes/look.ts',
    'routes/session.ts',
    'routes/viewer.ts',
    'views/problem.ts',
  ],
};

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
const textOf = (file: string) => readFileSync(new URL(file, src), 'utf8');
const codeOf = (file: string) => textOf(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*|`[^`]*`|'[^'\n]*'/g, ' ');

function importsOf(file: string): { ours: string[]; packages: string[] } {
  const named = [...textOf(file).matchAll(/(?:from|import) '([^']+)'/g)].map(([, name = '']) => name);
  const ours = named
    .filter((name) => name.startsWith('.'))
    .map((name) => new URL(name, new URL(file, src)).href.slice(src.href.length));
  return { ours, packages: named.filter((name) => !name.startsWith('.')) };
}

const inRuntime = (file: string) => file.startsWith('runtime/');

describe('the house', () => {
  it.each(files.filter((file) => !inRuntime(file)))(
    '%s stands in the house and imports only its neighbours',
    (file) => {
      expect(Object.keys(house)).toContain(file);
      const allowed = house[file] ?? [];
      expect(importsOf(file).ours.filter((name) => !allowed.includes(name))).toEqual([]);
    },
  );

  it('has no circle: every file stands after those it imports', () => {
    const order = Object.keys(house);
    const early = order.filter((file, i) => house[file]?.some((name) => order.indexOf(name) > i));
    expect(early).toEqual([]);
  });

  it('holds no place for a file or a neighbour that is gone', () => {
    const gone = Object.entries(house).flatMap(([file, neighbours]) =>
      files.includes(file) ? neighbours.filter((name) => !importsOf(file).ours.includes(name)) : [file],
    );
    expect(gone).toEqual([]);
  });

  it.each(files.filter((file) => !inRuntime(file)))('%s knows no runtime and no driver', (file) => {
    const { packages } = importsOf(file);
    expect(
      packages.filter((name) => /^(node:|bun|cloudflare|postgres$|ws$|@hono\/node-server|@electric-sql)/.test(name)),
    ).toEqual([]);
    expect(codeOf(file)).not.toMatch(/\bprocess\b|\bBun\b|\bDeno\b|\bBuffer\b/);
  });

  it.each(files.filter((file) => file.startsWith('views/')))(
    '%s gets data and gives markup: no store, no request, no clock',
    (file) => {
      const text = textOf(file);
      expect(text).not.toMatch(/Date\.now|new Date\(\)|Context/);
      const values = [...text.matchAll(/import \{[^}]*\} from '\.\.\/(store|schema|problem)\.ts'/g)].filter(
        ([line]) => !/^import \{\s*type /.test(line),
      );
      expect(values).toEqual([]);
    },
  );

  it('writes SQL over entries in the store and its parts alone, and over sessions in session.ts', () => {
    const speaksSql = files.filter(
      (file) => !inRuntime(file) && importsOf(file).packages.some((name) => name.startsWith('drizzle-orm')),
    );
    expect(speaksSql.toSorted()).toEqual([
      'breakdown.ts',
      'counts.ts',
      'filter.ts',
      'sample.ts',
      'schema.ts',
      'session.ts',
      'store.ts',
    ]);
  });

  it('gives the client types only', () => {
    expect(textOf('client.ts').match(/^import (?!type )/gm)).toBeNull();
  });

  it('emits every htmx attribute from one helper', () => {
    const others = files.filter((file) => file !== 'views/hx.ts' && /\bhx-[a-z]+[:=]|\bhx-[a-z]+"/.test(textOf(file)));
    expect(others).toEqual([]);
  });

  it.each(['hx-on', 'hx-vals', 'js:', 'hx-live'])('uses nothing of htmx that needs eval: %s', (word) => {
    expect(textOf('views/hx.ts')).not.toContain(word);
  });

  it('begins every file with a sentence that says what it is for', () => {
    expect(files.filter((file) => !textOf(file).startsWith('/**'))).toEqual([]);
  });

  it.each(['htmx.min.js', 'ext/hx-sse.min.js'])('serves %s as the pinned package has it', (name) => {
    const { version } = JSON.parse(
      readFileSync(new URL('../node_modules/htmx.org/package.json', import.meta.url), 'utf8'),
    );
    const ours = `../public/${name.replace('ext/', '').replace('.min.js', `-${version}.min.js`)}`;
    const theirs = `../node_modules/htmx.org/dist/${name}`;
    expect(readFileSync(new URL(ours, import.meta.url))).toEqual(readFileSync(new URL(theirs, import.meta.url)));
  });
});
