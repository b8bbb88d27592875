/** A lock file: one process at a time may have a folder. Knows a lock whose owner died. */
import { link, mkdir, readFile, rename, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** On another host (a shared volume) a process cannot be looked up: a lock lives as long as its file is touched. */
const touch_ms = 5_000;
const foreign_stale_ms = 20_000;

/** The folder is in use. The message names who has it and what to do. */
export class FolderInUse extends Error {
  override name = 'FolderInUse';
}

/**
 * Takes the folder (made when missing) or rejects with FolderInUse. Returns what gives it back. A lock left behind by
 * a process that died is taken over.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'edgetrail.lock');
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), started: await startTime(process.pid) });
  for (;;) {
    const taken = await writeFile(file, mine, { flag: 'wx' }).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'EEXIST') return false;
        throw error;
      },
    );
    if (taken) break;
    await removeStale(folder, file);
  }
  const touch = setInterval(
    () => void utimes(file, new Date(), new Date()).catch(() => clearInterval(touch)),
    touch_ms,
  );
  touch.unref();
  return async () => {
    clearInterval(touch);
    await unlink(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  };
}

/** Removes the lock when its owner is gone; rejects when the owner lives. */
async function removeStale(folder: string, file: string): Promise<void> {
  const seen = await readFile(file, 'utf8').catch(() => null);
  if (seen === null) return;
  const owner = parse(seen);
  if (await isAlive(owner, file))
    throw new FolderInUse(
      `${folder} is in use by process ${owner?.pid ?? '?'} on ${owner?.host ?? '?'}. ` +
        'The embedded database belongs to one process: stop that one, or give this one another DATA_DIR.',
    );
  // Two newcomers may both see the same dead owner. Each moves away what it finds and looks again: who has moved a
  // living newcomer's lock puts it back.
  const aside = `${file}.${process.pid}`;
  const moved = await rename(file, aside).then(
    () => true,
    () => false,
  );
  if (!moved) return;
  if ((await readFile(aside, 'utf8')) !== seen) await link(aside, file);
  await unlink(aside);
}

type Owner = { pid: number; host: string; started: string | null };

function parse(text: string): Owner | null {
  try {
    return JSON.parse(text) as Owner;
  } catch {
    return null; // Written half when its owner was killed: nobody's.
  }
}

async function isAlive(owner: Owner | null, file: string): Promise<boolean> {
  if (!owner) return false;
  if (owner.host !== hostname()) {
    const touched = await stat(file).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    );
    return Date.now() - touched < foreign_stale_ms;
  }
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  // The number may have been given to another process since, in a container even to this one.
  return owner.started === (await startTime(owner.pid));
}

/** When a process began, in the kernel's ticks; null where there is no /proc. */
async function startTime(pid: number): Promise<string | null> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The second field is the program's name and may hold spaces and parentheses: count from its end.
  return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}
