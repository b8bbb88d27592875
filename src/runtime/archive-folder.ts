/** The files of the archive in a folder. */
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Place } from '../archive/place.ts';

export function folderPlace(folder: string): Place {
  const pathOf = (file: string) => join(folder, file);
  return {
    name: folder,
    keeps_manifests: true,
    put: async (file, bytes) => {
      const path = pathOf(file);
      // A killed process leaves the file under this name: nobody reads it, and the next one replaces it.
      const unfinished = `${path}.unfinished`;
      await mkdir(dirname(path), { recursive: true });
      const handle = await open(unfinished, 'w');
      try {
        await handle.writeFile(bytes);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(unfinished, path);
      await syncFolder(dirname(path));
    },
    open: async (file) => {
      const path = pathOf(file);
      const byteLength = await orNull(stat(path).then(({ size }) => size));
      if (byteLength === null) return null;
      return { byteLength, slice: (start, end = byteLength) => readRange(path, start, end) };
    },
    files: async (prefix) => {
      const names = (await orNull(readdir(pathOf(prefix)))) ?? [];
      return names.map((name) => `${prefix}${name}`);
    },
    remove: (file) => rm(pathOf(file), { force: true }),
  };
}

async function readRange(path: string, start: number, end: number): Promise<ArrayBuffer> {
  if (start === 0) {
    const whole = await readFile(path);
    return whole.buffer.slice(whole.byteOffset, whole.byteOffset + end) as ArrayBuffer;
  }
  const handle = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(new Uint8Array(end - start), 0, end - start, start);
    return buffer.buffer.slice(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** The name of a new file is on the disk when its folder is. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const orNull = <T>(found: Promise<T>): Promise<T | null> =>
  found.catch((error) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
