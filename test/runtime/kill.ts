/** `npm run test:kill`: kills the service with SIGKILL while it writes and restarts it at once; no acknowledged event may be missing. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const kills = 20;
/** From a process's first acknowledgement to its kill. */
const writing_ms = 400;
const writers = 3;

const root = new URL('../..', import.meta.url).pathname;
const commands = {
  node: [process.execPath, '--import', 'tsx', `${root}src/runtime/node.ts`],
  bun: [`${root}node_modules/.bin/bun`, `${root}src/runtime/bun.ts`],
} as const;
const authorization = `Basic ${btoa('admin:admin-password')}`;

type Service = { child: ChildProcess; url: string };

/** Starts the service; rejects with its output when it ends before it is ready. */
async function start(runtime: keyof typeof commands, DATA_DIR: string): Promise<Service> {
  const { PATH = '', HOME = '' } = process.env;
  const [command, ...args] = commands[runtime];
  const env = { PATH, HOME, PORT: '0', DATA_DIR, USERS: 'admin:admin:admin-password' };
  const child = spawn(command, args, { env });
  let output = '';
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        output += chunk;
        const url = /address\s+(http:\S+)/.exec(output)?.[1];
        if (url && output.includes('sign in')) resolve({ child, url: url.replace('localhost', '127.0.0.1') });
      });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the service ended with ${code}:\n${output}`)));
  });
}

/** Writes one event after the other until the service is killed; collects the acknowledged ids. */
async function writeUntilKilled({ url }: Service, killed: AbortSignal, acknowledged: number[]): Promise<void> {
  const body = JSON.stringify({ event_type: 'A', entity_type: 'o' });
  const headers = { authorization, 'content-type': 'application/json' };
  for (;;) {
    try {
      const response = await fetch(`${url}/api/logs`, { method: 'POST', headers, body });
      const text = await response.text();
      if (response.status !== 201) throw new Error(`a write was refused: ${response.status} ${text}`);
      acknowledged.push((JSON.parse(text) as { id: number }).id);
    } catch (error) {
      // The kill ends the request, with or without a response.
      if (killed.aborted) return;
      throw error;
    }
  }
}

async function idsIn({ url }: Service): Promise<Set<number>> {
  const response = await fetch(`${url}/api/logs/export?format=ndjson`, { headers: { authorization } });
  const lines = (await response.text()).split('\n').filter((line) => line.startsWith('{'));
  return new Set(lines.map((line) => (JSON.parse(line) as { id: number }).id));
}

/** Writes and kills; then compares the log with what was acknowledged. */
async function run(runtime: keyof typeof commands): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-kill-'));
  const acknowledged: number[] = [];
  let starts = 0;
  let service: Service | null = null;
  try {
    for (; starts < kills; starts += 1) {
      service = await start(runtime, folder);
      const killed = new AbortController();
      const writing = Promise.all(
        Array.from({ length: writers }, () => writeUntilKilled(service as Service, killed.signal, acknowledged)),
      );
      const before = acknowledged.length;
      // On a busy machine the first commit of a process takes longer than the writing time.
      const written = async () => {
        while (acknowledged.length === before) await pause(10);
        await pause(writing_ms);
      };
      await Promise.race([writing, written()]);
      killed.abort();
      // The next start does not wait for the end of this process.
      service.child.kill('SIGKILL');
      await writing;
    }
    service = await start(runtime, folder);
    starts += 1;
    const ids = await idsIn(service);
    const missing = acknowledged.filter((id) => !ids.has(id));
    console.log(`${runtime}: ${starts} starts, ${acknowledged.length} acknowledged, ${missing.length} missing`);
    return missing.length === 0 && acknowledged.length > 0;
  } catch (error) {
    console.log(`${runtime}: failed after ${starts} starts, ${acknowledged.length} acknowledged: ${error}`);
    return false;
  } finally {
    if (service?.child.kill('SIGKILL') && service.child.exitCode === null) await once(service.child, 'exit');
    await rm(folder, { recursive: true, force: true });
  }
}

for (const runtime of ['node', 'bun'] as const) if (!(await run(runtime))) process.exitCode = 1;
