/** The documentation leads somewhere: its links, the files and the commands that it names; and the README stays short. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { blocks, linkFault, links, pages, root, textOf } from './pages.ts';

const manifest: { scripts: Record<string, string> } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
const readme_lines_max = 130;

describe('a link', () => {
  it('to a file or heading that does not exist is found', () => {
    expect(linkFault('README.md', 'docs/nothing.md')).toBe('README.md: docs/nothing.md does not exist');
    expect(linkFault('docs/api.md', '#nothing')).toBe('docs/api.md: docs/api.md has no heading #nothing');
    expect(linkFault('docs/api.md', 'settings.md#nothing')).toBe(
      'docs/api.md: docs/settings.md has no heading #nothing',
    );
  });

  it('leads to a file and a heading that exist', () => {
    expect(links.map(({ page, to }) => linkFault(page, to)).filter((fault) => fault !== null)).toEqual([]);
  });

  it.each(pages.filter((page) => page.startsWith('docs/')))('leads from the README to %s', (page) => {
    expect(links.some((link) => link.page === 'README.md' && link.to.split('#')[0] === page)).toBe(true);
  });
});

describe('every page', () => {
  it.each(pages)('%s names scripts that exist', (page) => {
    const named = [...textOf(page).matchAll(/npm run ([a-z:-]+)/g)].map(([, name = '']) => name);
    expect(named.filter((name) => !(name in manifest.scripts))).toEqual([]);
  });

  it.each(pages)('%s names files that exist', (page) => {
    const paths = [...textOf(page).matchAll(/`((?:src|test|docs|deploy|drizzle|public|bench)\/[\w./-]*)`/g)];
    expect(paths.map(([, path = '']) => path).filter((path) => !existsSync(new URL(path, root)))).toEqual([]);
  });
});

describe('the commands of the examples', () => {
  const commands = blocks
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => text.replaceAll('\\\n', ' ').trim().split('\n'));

  it.each(commands)('use files that exist: %s', (command) => {
    const paths = [...command.matchAll(/(?<=[\s=])(?:src|test|deploy)\/[\w./-]+/g)].map(([path]) => path);
    expect(paths.filter((path) => !existsSync(new URL(path, root)))).toEqual([]);
  });

  it('are in the one language that the tests read', () => {
    const known = ['sh', 'ts', 'python', 'sql', 'json', ''];
    expect(blocks.filter(({ language }) => !known.includes(language))).toEqual([]);
  });
});

it(`the README has at most ${readme_lines_max} lines`, () => {
  expect(textOf('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(readme_lines_max);
});
