/** A small file system in memory that a test can fill, where this user may mount one. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, statfsSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';

const mib = 1024 * 1024;
const mounted: string[] = [];

/** Mounts a small file system on a new folder; false where this user may not. Unmounted by `unmountDisks`. */
export function mountDisk(disk: string, size_mib: number): boolean {
  try {
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size_mib}m`, 'tmpfs', disk], { stdio: 'ignore' });
  } catch {
    return false;
  }
  mounted.push(disk);
  chmodSync(disk, 0o777);
  return true;
}

/** Lazily: after a failure a service still has its files open. */
export function unmountDisks(): void {
  for (const disk of mounted.splice(0)) execFileSync('umount', ['-l', disk]);
}

export const freeBytes = (disk: string) => {
  const { bavail, bsize } = statfsSync(disk);
  return bavail * bsize;
};

/** Fills the disk with another file until only so many bytes are free; returns the function that removes the file. */
export async function fillDisk(disk: string, free_bytes: number): Promise<() => Promise<void>> {
  const path = join(disk, `another-file-${free_bytes}`);
  const file = await open(path, 'w');
  const part = Buffer.alloc(mib);
  while (freeBytes(disk) - mib >= free_bytes) await file.write(part);
  await file.close();
  return () => rm(path);
}
