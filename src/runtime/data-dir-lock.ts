/** The lock of DATA_DIR: at most one process has the embedded database open. A lock of a dead process never blocks. */
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';

/**
 * The lock is a listening unix socket in the folder, because connect() asks the kernel whether its owner lives: a socket
 * of a dead process refuses at once (also of a zombie, and after kill -9), a live one accepts even while its process is
 * busy or stopped. The alternatives fail: a process id means nothing in another pid namespace and is reused; a
 * modification time needs a clock and a wait; Node and Bun have no flock(). Sockets do not work between hosts: a folder
 * on a network file system must not be used by two hosts (docs/deploy.md).
 */
const prefix = 'edgetrail.lock.';

/** How long a live owner has to send its description, which only the message uses. */
const description_ms_max = 500;
/** sun_path has 108 bytes on Linux and 104 on macOS, with a final NUL. */
const socket_path_bytes_max = 103;

/** Another process has the folder open. The message names the process and the remedy. */
export class FolderInUse extends Error {
  override name = 'FolderInUse';
}

/**
 * Locks the folder (created when missing); rejects with FolderInUse. Returns the function that unlocks it.
 *
 * Lock files are numbered. A newcomer whose predecessors are all dead links its socket to the next number: link() fails
 * when the name exists, so of many newcomers one wins. A slow newcomer may use a number that was already deleted, so
 * each checks all other sockets again after it has linked its own: of two live owners the later one sees the earlier.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  await mkdir(folder, { recursive: true });
  const directory = await open(folder, 'r');
  const path = (name: string) => shortPath(folder, directory.fd, name);
  const candidate = `edgetrail.candidate.${randomUUID().slice(0, 8)}`;
  const server = await listen(path(candidate), folder).catch(async (error) => {
    await directory.close();
    throw error;
  });
  const close = async () => {
    await new Promise((resolve) => server.close(resolve));
    await directory.close();
  };
  try {
    const mine = await claim(folder, candidate, path);
    return async () => {
      // First the name, then the socket: a newcomer must not find a dead socket under a name that is about to go.
      await unlink(join(folder, mine));
      await close();
    };
  } catch (error) {
    await close();
    throw error;
  } finally {
    // The server listens on the inode, whatever its name.
    await unlink(join(folder, candidate)).catch(ignoreMissing);
  }
}

/** Links the candidate to a lock name that makes it the only live lock; returns that name. */
async function claim(folder: string, candidate: string, path: (name: string) => string): Promise<string> {
  for (;;) {
    const before = await locksIn(folder);
    for (const name of before) await refuseIfAlive(folder, path(name));
    const next = Math.max(0, ...before.map((name) => Number(name.slice(prefix.length)))) + 1;
    const mine = `${prefix}${next}`;
    const linked = await link(join(folder, candidate), join(folder, mine)).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'EEXIST') return false;
        throw error;
      },
    );
    if (!linked) continue;
    const others = (await locksIn(folder)).filter((name) => name !== mine);
    const alive = await Promise.all(others.map(async (name) => (await ownerOf(path(name))) !== null));
    if (alive.includes(true)) {
      await unlink(join(folder, mine)).catch(ignoreMissing);
      continue;
    }
    for (const name of others) await unlink(join(folder, name)).catch(ignoreMissing);
    return mine;
  }
}

async function locksIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)));
}

async function refuseIfAlive(folder: string, path: string): Promise<void> {
  const owner = await ownerOf(path);
  if (owner !== null)
    throw new FolderInUse(
      `${folder} is in use by ${owner}. ` +
        'The embedded database belongs to one process: stop that one, or give this one another DATA_DIR.',
    );
}

/** The description of the live owner of a socket; null when its owner is dead. */
async function ownerOf(path: string): Promise<string | null> {
  // The kernel closes the sockets of a killed process a moment after the kill: a connection that breaks is asked again.
  for (;;) {
    const owner = await askOwner(path);
    if (owner !== 'broken') return owner;
  }
}

function askOwner(path: string): Promise<string | 'broken' | null> {
  return new Promise((resolve) => {
    let description = '';
    const socket = connect(path);
    const finish = (owner: string | null) => {
      clearTimeout(late);
      socket.destroy();
      resolve(owner);
    };
    const late = setTimeout(() => finish('a process that does not respond'), description_ms_max);
    socket.setEncoding('utf8');
    socket.on('data', (text) => {
      description += text;
    });
    socket.on('end', () => finish(description || 'broken'));
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'ECONNREFUSED' || code === 'ENOENT') finish(null);
      else if (code === 'ECONNRESET' || code === 'EPIPE') finish('broken');
      else finish(`a process that cannot be asked (${code})`);
    });
  });
}

function listen(path: string, folder: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.end(`process ${process.pid} on ${hostname()}`);
    });
    server.once('error', ({ code }: NodeJS.ErrnoException) =>
      reject(new Error(`${folder} cannot be locked (${code}): the file system must support unix sockets`)),
    );
    server.listen(path, () => {
      server.unref();
      resolve(server);
    });
  });
}

/** A path that fits into a socket address: a long one goes through the open directory, where there is a /proc. */
function shortPath(folder: string, fd: number, name: string): string {
  const path = join(folder, name);
  if (Buffer.byteLength(path) <= socket_path_bytes_max) return path;
  if (process.platform === 'linux') return `/proc/self/fd/${fd}/${name}`;
  throw new Error(`the path of DATA_DIR is too long for a unix socket: ${folder}`);
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
