/** The service, or a bare server, in a process of its own, so that its CPU time and memory can be read. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { readSettings } from '../src/settings.ts';
import type { Place } from './databases.ts';

export const token = 'bench-secret-000001';
export const authorization = `Bearer ${token}`;

/**
 * `loop_ms_max` is the most CPU time that the process took between two turns of its event loop since the last call: what a
 * statement of an embedded database, or any other code, held it for. Time in which other processes ran does not count.
 */
export type Usage = { cpu_us: number; rss_bytes: number; rss_bytes_max: number; loop_ms_max: number };

/** A server that runs: `usage` is of its process since the start. */
export type RunningServer = { port: number; usage(): Promise<Usage>; close(): Promise<void> };

/** Runs `work` with servers that are closed after it, also when it fails. */
export async function withServers<T>(servers: RunningServer[], work: () => Promise<T>): Promise<T> {
  return work().finally(() => Promise.all(servers.map((server) => server.close())));
}

/** What a server's process is given, and what it makes of it. */
type Start = (place: Place) => Promise<{ port: number; close(): Promise<void> }>;

/** Flags for Node that profile the service, such as `--cpu-prof --cpu-prof-dir=/tmp/profile`. */
const flags = (process.env.BENCH_SERVICE_FLAGS ?? '').split(' ').filter((flag) => flag !== '');

/** Starts this module's service, or the module of another server, in a process of its own. */
export async function startServer(place: Place, module = import.meta.url): Promise<RunningServer> {
  const execArgv = [...process.execArgv.filter((flag) => !/prof/.test(flag)), ...flags];
  const child = fork(fileURLToPath(module), [JSON.stringify(place), serve_argument], { execArgv });
  const port = (await answerOf(child)) as number;
  return {
    port,
    usage: () => {
      child.send('usage');
      return answerOf(child) as Promise<Usage>;
    },
    close: async () => {
      const ended = once(child, 'exit');
      child.send('close');
      await ended;
    },
  };
}

const serve_argument = 'serve';

/** The next message of a server's process. Rejects when it ends before. */
function answerOf(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const answered = (message: unknown) => {
      child.off('exit', ended);
      resolve(message);
    };
    const ended = (code: number | null) => reject(new Error(`the server ended with ${code}`));
    child.once('message', answered);
    child.once('exit', ended);
  });
}

/** Serves in this process, if `module` was started for that. To be called at the end of a server's module. */
export async function serveIfChild(module: string, start: Start): Promise<void> {
  if (process.argv[1] !== fileURLToPath(module) || process.argv[3] !== serve_argument) return;
  const { port, close } = await start(JSON.parse(process.argv[2] ?? '') as Place);
  const loop = watchLoop();
  process.on('message', (order) => {
    if (order === 'usage') return process.send?.(usage(loop.take()));
    void close().then(() => process.exit(0));
  });
  process.send?.(port);
}

/** Listens with a bare server on a free port of loopback; `closed` is called when it has closed. */
export async function listen(server: Server, closed: () => Promise<void> = async () => {}): ReturnType<Start> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await closed();
    },
  };
}

const tick_ms = 10;

function watchLoop() {
  let longest_us = 0;
  let before = process.cpuUsage();
  const tick = () => {
    const { user, system } = process.cpuUsage(before);
    longest_us = Math.max(longest_us, user + system);
    before = process.cpuUsage();
  };
  setInterval(tick, tick_ms).unref();
  return {
    take: () => {
      tick();
      const taken_ms = longest_us / 1_000;
      longest_us = 0;
      return taken_ms;
    },
  };
}

function usage(loop_ms_max: number): Usage {
  const { user, system } = process.cpuUsage();
  const { maxRSS } = process.resourceUsage();
  return { cpu_us: user + system, rss_bytes: process.memoryUsage.rss(), rss_bytes_max: maxRSS * 1024, loop_ms_max };
}

await serveIfChild(import.meta.url, async (place) => {
  const { startNode } = await import('../src/runtime/node.ts');
  const running = await startNode(
    readSettings({
      PORT: '0',
      OWN_EVENTS: 'off',
      USERS: 'bench:admin:bench-password',
      TOKENS: `bench:read+write+export:${token}`,
      ...place,
    }),
  );
  return { port: Number(new URL(running.url).port), close: running.close };
});
