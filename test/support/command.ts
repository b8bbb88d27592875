/** A command as a separate process, started as its npm script starts it: its output and its exit status. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';

export type Ended = {
  /** The exit status; for a process that a signal ended, 128 and its number, as shells report it. */
  status: number;
  stdout: string;
  stderr: string;
};

export type CommandOptions = {
  env?: Record<string, string>;
  cwd?: string;
  /** What stdin contains; without it stdin is empty. */
  input?: string | Buffer;
  /** Called with the process: to signal it, or to close one of its pipes. */
  meanwhile?: (child: ChildProcessWithoutNullStreams) => unknown;
};

export const root = new URL('../..', import.meta.url).pathname;
const signals: Record<string, number> = { SIGINT: 130, SIGTERM: 143, SIGKILL: 137, SIGPIPE: 141 };

const running = new Set<ChildProcessWithoutNullStreams>();

/** Kills the commands that still run. */
export function endCommands(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** Runs a program to its end. Its environment has only `env`, PATH and HOME. */
export async function run(command: string, args: string[], options: CommandOptions = {}): Promise<Ended> {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(command, args, { cwd: options.cwd ?? root, env: { PATH, HOME, ...options.env } });
  running.add(child);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  child.stdin.on('error', () => {}); // The process may end without reading it.
  child.stdin.end(options.input ?? '');
  options.meanwhile?.(child);
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  running.delete(child);
  return { status: code ?? signals[signal ?? ''] ?? 255, stdout, stderr };
}

/** Runs a file of this repository with Node and tsx. */
export const runFile = (file: string, args: string[] = [], options: CommandOptions = {}): Promise<Ended> =>
  run(process.execPath, ['--import', 'tsx', `${root}${file}`, ...args], options);
