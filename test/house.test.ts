/** The house (docs/architecture.md): the order of the floors, no import cycles, and what no file may say. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const src = new URL('../src/', import.meta.url);

/** From the top down: a file may import from its own floor and from those below it. */
const floors = [
  'commands',
  'runtime',
  'app.ts',
  'features',
  'viewer',
  'page',
  'api',
  'parts.ts',
  'settings.ts',
  'client.ts',
  'auth',
  'archive',
  'proof',
  'log',
  'http',
];

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
const textOf = (file: string) => readFileSync(new URL(file, src), 'utf8');
const codeOf = (file: string) => textOf(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*|`[^`]*`|'[^'\n]*'/g, ' ');
const floorOf = (file: string) => floors.indexOf(file.split('/')[0] ?? '');
const isIn =
  (...names: string[]) =>
  (file: string) =>
    names.some((name) => file.startsWith(`${name}/`));
const not = (holds: (file: string) => boolean) => (file: string) => !holds(file);

function importsOf(file: string): { ours: string[]; packages: string[] } {
  const named = [...textOf(file).matchAll(/(?:from|import) '([^']+)'/g)].map(([, name = '']) => name);
  const ours = named
    .filter((name) => name.startsWith('.'))
    .map((name) => new URL(name, new URL(file, src)).href.slice(src.href.length));
  return { ours, packages: named.filter((name) => !name.startsWith('.')) };
}

/** The first import cycle below a file, as a path. */
function cycleFrom(file: string, path: string[], done: Set<string>): string[] | null {
  if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
  if (done.has(file)) return null;
  for (const next of importsOf(file).ours) {
    const cycle = cycleFrom(next, [...path, file], done);
    if (cycle) return cycle;
  }
  done.add(file);
  return null;
}

describe('the floors', () => {
  it('hold every file', () => {
    expect(files.filter((file) => floorOf(file) < 0)).toEqual([]);
  });

  it('are used from above only', () => {
    const upward = files.flatMap((file) =>
      importsOf(file)
        .ours.filter((name) => floorOf(name) < floorOf(file))
        .map((name) => `${file} → ${name}`),
    );
    expect(upward).toEqual([]);
  });

  it('have no import cycle', () => {
    const done = new Set<string>();
    expect(files.map((file) => cycleFrom(file, [], done)).filter((cycle) => cycle !== null)).toEqual([]);
  });

  it('have no feature that imports another', () => {
    const feature = (file: string) => file.split('/')[1];
    const across = files
      .filter(isIn('features'))
      .filter((file) => file !== 'features/index.ts')
      .filter((file) => importsOf(file).ours.some((name) => isIn('features')(name) && feature(name) !== feature(file)));
    expect(across).toEqual([]);
  });
});

describe('no file', () => {
  const portable = files.filter(not(isIn('runtime', 'commands')));

  it.each(portable)('%s names a runtime or a driver', (file) => {
    const runtimes = /^(node:|bun|cloudflare|postgres$|ws$|@hono\/node-server|@electric-sql)/;
    expect(importsOf(file).packages.filter((name) => runtimes.test(name))).toEqual([]);
    expect(codeOf(file)).not.toMatch(/\bprocess\b|\bBun\b|\bDeno\b|\bBuffer\b/);
  });

  it('but those of the log, the sessions, the archive’s and a feature’s tables speaks SQL', () => {
    const sql = portable.filter((file) => importsOf(file).packages.some((name) => name.startsWith('drizzle-orm')));
    const allowed = /^(log\/|auth\/session\.ts$|(features\/[^/]+|archive)\/tables\.ts$)/;
    expect(sql.filter((file) => !allowed.test(file))).toEqual([]);
  });

  it.each(files.filter(isIn('viewer/views')))('%s queries, reads the clock or knows a request', (file) => {
    expect(textOf(file)).not.toMatch(/Date\.now|new Date\(\)|Context/);
    const values = [...textOf(file).matchAll(/import (?!type )\{([^}]*)\} from '[./]*\/(store|schema|problem)\.ts'/g)];
    expect(values.filter(([, names = '']) => !/^\s*type [^,]*$/.test(names))).toEqual([]);
  });

  it('of the client imports more than types', () => {
    expect(textOf('client.ts').match(/^import (?!type )/gm)).toBeNull();
  });

  it('but page/htmx-attributes.ts writes an htmx attribute, and that one none that needs eval', () => {
    const written = /\bhx-[a-z]+[:=]|\bhx-[a-z]+"/;
    expect(files.filter((file) => file !== 'page/htmx-attributes.ts' && written.test(textOf(file)))).toEqual([]);
    expect(textOf('page/htmx-attributes.ts')).not.toMatch(/hx-on|hx-vals|js:|hx-live/);
  });

  it('begins without a sentence that says what it is for', () => {
    expect(files.filter((file) => !textOf(file).startsWith('/**'))).toEqual([]);
  });
});
