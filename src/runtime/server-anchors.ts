/** Anchors of a server: files, standard output, and what takes a POST. */
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Reach } from '../http/reach.ts';
import type { Anchor } from '../parts.ts';
import { httpAnchors } from './http-anchors.ts';

export const openAnchors = (names: readonly string[], reach: Reach, logLine: (line: string) => void): Anchor[] => [
  ...names
    .filter((name) => name === 'stdout')
    .map((name) => ({ name, put: async (note: string) => logLine(`checkpoint ${JSON.stringify(note)}`) })),
  ...names.filter((name) => name.startsWith('file:')).map(fileAnchor),
  ...httpAnchors(names, reach),
];

/** A file of notes, each followed by an empty line. It is only appended to. */
function fileAnchor(name: string): Anchor {
  const path = fileURLToPath(new URL(name));
  return {
    name,
    put: async (note) => {
      await mkdir(dirname(path), { recursive: true });
      await appendFile(path, `${note}\n`);
    },
    newest: () =>
      readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return null;
        throw error;
      }),
  };
}
