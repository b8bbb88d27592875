/** The documentation as the tests read it: its pages, their tables, code blocks, links and anchors. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

export const root = new URL('../../', import.meta.url);

/** Every page, by its path from the root of the repository. */
export const pages: readonly string[] = [
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
  ...readdirSync(new URL('docs/', root))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

export const textOf = (page: string): string => readFileSync(new URL(page, root), 'utf8');

/** The page without its code blocks. */
const proseOf = (page: string): string => textOf(page).replace(/^```[\s\S]*?^```$/gm, '');

/** A table row as cells; `\|` is a character of a cell. */
const cellsOf = (line: string): string[] =>
  line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim());

/** The rows of the tables on a page whose header begins with a word. Throws when there is none. */
export function table(page: string, word: string): string[][] {
  const rows: string[][] = [];
  let isIn = false;
  for (const line of textOf(page).split('\n')) {
    if (line.startsWith(`| ${word} |`)) isIn = true;
    else if (!line.startsWith('|')) isIn = false;
    else if (isIn && !/^\|[-|: ]+$/.test(line)) rows.push(cellsOf(line));
  }
  if (rows.length === 0) throw new Error(`${page} has no table whose header begins with "${word}"`);
  return rows;
}

/** The text of a cell in code, and an empty cell for an empty text. */
export const code = (text: string): string => (text === '' ? '' : `\`${text}\``);
export const plain = (cell: string): string => cell.replaceAll('`', '');

export type Block = { page: string; language: string; text: string };

/** The code blocks of all pages, in order. */
export const blocks: readonly Block[] = pages.flatMap((page) =>
  [...textOf(page).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = '', text = '']) => ({
    page,
    language,
    text,
  })),
);

/** Links and pictures that lead into the repository, with the page that they are on. */
export const links: readonly { page: string; to: string }[] = pages.flatMap((page) =>
  [...proseOf(page).matchAll(/\]\((?!https?:)([^)]+)\)/g)].map(([, to = '']) => ({ page, to })),
);

/** A heading's anchor as GitHub makes it. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');

const anchorsOf = (page: string): string[] =>
  [...proseOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));

/** Why a link leads nowhere, or null. */
export function linkFault(page: string, to: string): string | null {
  const [path = '', anchor] = to.split('#');
  const url = path === '' ? new URL(page, root) : new URL(path, new URL(page, root));
  if (!existsSync(url)) return `${page}: ${to} does not exist`;
  if (anchor === undefined) return null;
  const target = url.href.slice(root.href.length);
  return anchorsOf(target).includes(anchor) ? null : `${page}: ${target} has no heading #${anchor}`;
}
