/** The service as a process that says what it holds: sockets are counted in /proc, timers and heap by the probe. */
import { readdirSync, readlinkSync } from 'node:fs';
import { spawnService } from './process.ts';

/** The resources of a process: amounts by name. */
export type Holds = Record<string, number>;

export async function startProbed(settings: Record<string, string>, runtime: 'node' | 'bun') {
  const service = spawnService(settings, `${runtime} probed`);
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
  return { ...service, url, holds };
}

const socketsOf = (pid: number | undefined) =>
  readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:');
    } catch {
      return false; // The socket was closed meanwhile.
    }
  }).length;
