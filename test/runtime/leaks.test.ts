/** Disconnected followers leak nothing on Node and Bun: no follower, socket, timer or memory. */
import { readdirSync, readlinkSync } from 'node:fs';
import { type Holds, leakTests } from '../support/leaks.ts';
import { spawnService } from '../support/process.ts';

const n = 2_000;

/** Sockets are counted in /proc, timers and heap by the probe. */
async function start(settings: Record<string, string>, runtime: 'node probed' | 'bun probed') {
  const service = spawnService(settings, runtime);
  const url = await service.ready;
  const { pid } = service.child;
  const holds = async (): Promise<Holds> => {
    const length = service.output().length;
    service.child.kill('SIGUSR2');
    let probe: RegExpExecArray | null = null;
    while (!probe) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      probe = /^probe (\{.*\})$/m.exec(service.output().slice(length));
    }
    return { ...JSON.parse(probe[1] ?? ''), n_sockets: socketsOf(pid) };
  };
  return { url, holds };
}

const socketsOf = (pid: number | undefined) =>
  readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:');
    } catch {
      return false; // The socket was closed meanwhile.
    }
  }).length;

// A leaked follower holds more than 2 KiB, a socket and, over SSE, a timer.
const grown_max = { heap_bytes: n * 1024, n_sockets: 2, n_timers: 2 };

leakTests('Node', { n, start: (settings) => start(settings, 'node probed'), grown_max });
leakTests('Bun', { n, start: (settings) => start(settings, 'bun probed'), grown_max });
