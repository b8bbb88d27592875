/**
 * Compares Node, Bun and workerd in one run: lists, appends and fan-out over HTTP, each on its own PostgreSQL database
 * with the same rows. Ratios are to Node. `npm run bench:runtimes`.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type BenchDatabases, openBenchDatabases } from './databases.ts';
import { type LoadOptions, runLoad } from './load.ts';
import { shopTexts } from './shop.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const token = 'bench-secret-000001';
const rows = 20_000;
const warm_ms = 2_000;
const measured_ms = 4_000;
const n_followers = 200;
const events_a_second = 20;

const env = {
  PATH: process.env.PATH ?? '',
  HOME: process.env.HOME ?? '',
  PORT: '0',
  USERS: 'bench:admin:bench-password',
  TOKENS: `bench:read+write:${token}`,
};

type Started = { port: number; child: ChildProcess };

/** Starts a service and returns the port that it prints. */
async function startService(command: string, args: string[], more: Record<string, string> = {}): Promise<Started> {
  const child = spawn(command, args, { cwd: root, env: { ...env, ...more }, stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      printed += chunk;
      const found = /address\s+http:\/\/[^:]+:(\d+)/.exec(printed)?.[1];
      if (found) resolve(Number(found));
    });
    child.once('exit', (code) => reject(new Error(`${command} ended with ${code}:\n${printed}`)));
  });
  return { port, child };
}

async function rate(order: Omit<LoadOptions, 'token' | 'warm_ms' | 'ms'>): Promise<number> {
  const { rows: n, seconds } = await runLoad({ ...order, token, warm_ms, ms: measured_ms });
  return n / seconds;
}

/** Events per second delivered to all followers together, and the 99th percentile of their latency in ms. */
async function fanOut(port: number): Promise<{ rate: number; p99_ms: number }> {
  const head = `host: 127.0.0.1\r\nauthorization: Bearer ${token}\r\n`;
  const latencies: number[] = [];
  const followers = Array.from({ length: n_followers }, () => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`GET /api/logs/stream HTTP/1.1\r\n${head}\r\n`));
    socket.on('data', (chunk) => {
      for (const [, at = ''] of String(chunk).matchAll(/"created_at":"([^"]+)"/g))
        latencies.push(Date.now() - Date.parse(at));
    });
    return socket;
  });
  await pause(warm_ms);
  latencies.length = 0;
  const written_before = Date.now();
  let posts: Promise<unknown>[] = [];
  while (Date.now() - written_before < measured_ms) {
    posts.push(
      fetch(`http://127.0.0.1:${port}/api/logs`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: '{"event_type":"CREATE","entity_type":"order"}',
      }).then((answer) => answer.arrayBuffer()),
    );
    await pause(1_000 / events_a_second);
  }
  await Promise.all(posts);
  await pause(1_000);
  const wanted = posts.length * n_followers;
  posts = [];
  for (const socket of followers) socket.destroy();
  if (latencies.length !== wanted) throw new Error(`${wanted} messages were due, ${latencies.length} came`);
  latencies.sort((a, b) => a - b);
  return { rate: wanted / (measured_ms / 1_000), p99_ms: latencies[Math.floor(wanted * 0.99)] ?? 0 };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function filled(databases: BenchDatabases): Promise<string> {
  const place = await databases.postgres.fresh();
  if (!('DATABASE_URL' in place)) throw new Error('not PostgreSQL');
  const { default: postgres } = await import('postgres');
  const sql = postgres(place.DATABASE_URL, { max: 1 });
  for (const text of shopTexts(rows / 1_000, 1_000)) await sql`select count(*) from append_logs(${text}::text::jsonb)`;
  await sql.unsafe('vacuum analyze');
  await sql.end();
  return place.DATABASE_URL;
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-bench-'));
  await promisify(execFile)('npx', ['wrangler', 'deploy', '--dry-run', '--outdir', folder], { cwd: root });
  const databases = await openBenchDatabases();
  const starts: Record<string, (DATABASE_URL: string) => Promise<Started>> = {
    Node: (DATABASE_URL) =>
      startService(process.execPath, ['--import', 'tsx', 'src/runtime/node.ts'], { DATABASE_URL }),
    Bun: (DATABASE_URL) => startService('node_modules/.bin/bun', ['src/runtime/bun.ts'], { DATABASE_URL }),
    workerd: (DATABASE_URL) =>
      startService(process.execPath, ['--import', 'tsx', 'bench/workerd.ts', join(folder, 'worker.js'), DATABASE_URL]),
  };
  console.log(`${databases.postgres.name}, ${rows.toLocaleString('en')} events, ${cpus().length} cores that service, load and database share; ratios to Node

${['', 'list of 100/s', 'list of 1/s', 'append 1 caller/s', 'append 64 callers/s', `fan-out to ${n_followers}/s`, 'p99 ms'].map((t) => t.padEnd(20)).join('')}`);
  let first: number[] | null = null;
  for (const [name, start] of Object.entries(starts)) {
    const { port, child } = await start(await filled(databases));
    const list = await rate({ port, callers: 16, rows: 0, path: '/api/logs?limit=100' });
    const one = await rate({ port, callers: 16, rows: 0, path: '/api/logs?limit=1' });
    const single = await rate({ port, callers: 1, rows: 1 });
    const many = await rate({ port, callers: 64, rows: 1 });
    const { rate: fan, p99_ms } = await fanOut(port);
    child.kill('SIGTERM');
    await once(child, 'exit');
    const rates = [list, one, single, many];
    first ??= rates;
    const cells = rates.map((n, i) => `${Math.round(n).toLocaleString('en')} (${(n / (first?.[i] ?? n)).toFixed(2)})`);
    console.log(
      [name, ...cells, Math.round(fan).toLocaleString('en'), String(p99_ms)].map((t) => t.padEnd(20)).join(''),
    );
  }
  await databases.close();
  await rm(folder, { recursive: true, force: true });
}

await main();
