/** The service as a separate process, as `npm start` runs it: for signals, exit codes and kill -9. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';

export type ServiceProcess = {
  child: ChildProcess;
  /** Its output so far, stdout and stderr. */
  output(): string;
  /** Resolves with its URL when it is ready; rejects with its output when it ends before that. */
  ready: Promise<string>;
  /** Its exit code, or the signal that ended it. */
  ended: Promise<number | string>;
};

const started = new Set<ServiceProcess>();

/** Kills the services that still run, and waits for their ends. */
export async function endServices(): Promise<void> {
  for (const { child } of started) child.kill('SIGKILL');
  await Promise.all([...started].map(({ ended }) => ended));
  started.clear();
}

const root = new URL('../..', import.meta.url).pathname;
const commands = {
  // tsx as a loader, not as a command: otherwise signals reach the tsx process instead of the service.
  node: [process.execPath, '--import', 'tsx', `${root}src/runtime/node.ts`],
  bun: [`${root}node_modules/.bin/bun`, `${root}src/runtime/bun.ts`],
  'node probed': [
    process.execPath,
    '--expose-gc',
    '--import',
    'tsx',
    '--import',
    `${root}test/support/probe.ts`,
    `${root}src/runtime/node.ts`,
  ],
  'bun probed': [
    `${root}node_modules/.bin/bun`,
    '--preload',
    `${root}test/support/probe.ts`,
    `${root}src/runtime/bun.ts`,
  ],
} as const;

/** Starts the service with these settings and no others. Killed after the file's tests if it still runs. */
export function spawnService(
  settings: Record<string, string>,
  runtime: keyof typeof commands = 'node',
): ServiceProcess {
  const { PATH = '', HOME = '' } = process.env;
  const [command, ...args] = commands[runtime];
  const child = spawn(command, args, { env: { PATH, HOME, PORT: '0', OWN_EVENTS: 'off', ...settings } });
  let output = '';
  const ended = once(child, 'exit').then(([code, signal]): number | string => code ?? signal);
  const ready = new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        output += chunk;
        const url = /address\s+(http:\S+)/.exec(output)?.[1];
        if (url && output.includes('sign in')) resolve(url.replace('localhost', '127.0.0.1'));
      });
    void ended.then((code) => reject(new Error(`ended with ${code} before it was ready:\n${output}`)));
  });
  ready.catch(() => {}); // A caller that awaits it gets the error.
  const service = { child, output: () => output, ready, ended };
  started.add(service);
  return service;
}

/** Starts the service on a database; resolves to 'ready', after which it is ended, or to its exit code, and its output. */
export async function startOutcome(runtime: 'node' | 'bun', DATABASE_URL: string, env: Record<string, string> = {}) {
  const users = { USERS: 'admin:admin:admin-password' };
  const { ended, output, ready, child } = spawnService({ ...users, ...env, DATABASE_URL }, runtime);
  const started = ready.then(
    () => 'ready',
    () => ended,
  );
  const first = await Promise.race([ended, started]);
  if (first === 'ready') child.kill('SIGTERM');
  return { first, text: output() };
}

/** The processor time that a process of this machine has taken, in ms. Linux counts it in hundredths of a second. */
export function cpuOf(pid: number | undefined): number {
  const [, after = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
  const fields = after.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** The processor time of this machine that was taken, in ms. */
export function cpuOfMachine(): number {
  const [, ...all] = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '').split(/ +/).map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = all;
  return (user + nice + system + irq + softirq + steal) * 10;
}

/**
 * The processor time of this machine that was taken by other processes than this one, its children and theirs, in ms. The
 * difference of two calls is a share of noise in a measurement.
 */
export function cpuOfOthers(): number {
  const parents = new Map<string, { parent: string; ticks: number }>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
    try {
      const fields = (readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1] ?? '').split(' ');
      // Its own, and that of its children that have ended.
      const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
      parents.set(pid, { parent: fields[1] ?? '', ticks });
    } catch {
      // It has ended meanwhile.
    }
  const isOurs = (pid: string): boolean =>
    pid === String(process.pid) || (parents.has(pid) && isOurs(parents.get(pid)?.parent ?? ''));
  let ours = 0;
  for (const [pid, { ticks }] of parents) if (isOurs(pid)) ours += ticks;
  return cpuOfMachine() - ours * 10;
}

/** The resident memory of a process of this machine, in bytes. */
export function rssOf(pid: number | undefined): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (!kib) throw new Error(`process ${pid} has no memory`);
  return Number(kib) * 1024;
}
