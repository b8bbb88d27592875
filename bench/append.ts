/**
 * Write throughput over HTTP, each line as a ratio to direct calls of append_logs in the same run. The machine's speed
 * affects both, so the ratio shows the effect of a change in the code. `npm run bench`, or only the lines that contain a
 * text: `npm run bench -- '64 callers'`.
 */
import { fork } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { startNode } from '../src/runtime/node.ts';
import { openDatabase } from '../src/runtime/service.ts';
import { readSettings, type Settings } from '../src/settings.ts';
import { check, openBenchDatabases, type Place, type Reference } from './databases.ts';
import type { LoadOptions, LoadResult } from './load.ts';
import { shopTexts } from './shop.ts';

const token = 'bench-secret-000001';
const warm_ms = 700;
const service_ms = 3_000;
/** Measured before and after the service, so that other load on the machine shows in one of the two. */
const reference_ms = 1_000;

/** `rows` events per POST from `callers` connections; `shared` rows per call of the reference. */
type Line = { callers: number; rows: number; shared: number };

const lines = (callers: number[], batchCallers: number[]): Line[] => [
  ...callers.map((n) => ({ callers: n, rows: 1, shared: n })),
  ...batchCallers.map((n) => ({ callers: n, rows: 1_000, shared: 1_000 })),
];

const settingsOf = (place: Place): Settings =>
  readSettings({ PORT: '0', USERS: 'bench:admin:bench-password', TOKENS: `bench:write:${token}`, ...place });

/** Runs the load generator in its own process, so that it does not share the service's event loop. */
function load(order: LoadOptions): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const execArgv = process.execArgv.filter((flag) => !/prof/.test(flag));
    const child = fork(fileURLToPath(new URL('./load.ts', import.meta.url)), { execArgv });
    child.once('message', (outcome) => resolve(outcome as LoadResult));
    child.once('exit', (code) => reject(new Error(`the load ended with code ${code}`)));
    child.send(order);
  });
}

/** Rows a second through append_logs, one call after the other on one connection. */
async function callDirectly(reference: Reference, texts: string[], rows: number, ms: number): Promise<number> {
  const from = performance.now();
  let n = 0;
  while (performance.now() < from + ms) {
    await reference.append(texts[n % texts.length] as string);
    n += 1;
  }
  return (n * rows) / ((performance.now() - from) / 1000);
}

async function throughService(place: Place, { callers, rows }: Line): Promise<LoadResult> {
  const settings = settingsOf(place);
  const service = await startNode(settings);
  const port = Number(new URL(service.url).port);
  const outcome = await load({ port, token, callers, rows, warm_ms, ms: service_ms });
  await service.close();
  const database = await openDatabase(settings);
  await check(database, outcome.acknowledged);
  await database.close();
  return outcome;
}

const nameOf = ({ callers, rows }: Line) =>
  `${callers} caller${callers > 1 ? 's' : ''}, ${rows === 1 ? '1 event' : '1,000 events'} a POST`;

function print(line: Line, outcome: LoadResult, direct: number): void {
  const latencies = Float64Array.from(outcome.latencies).sort();
  const percentile = (p: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * p))] ?? 0;
  const rate = outcome.rows / outcome.seconds;
  const cells = [
    nameOf(line).padEnd(32),
    Math.round(rate).toLocaleString('en').padStart(8),
    percentile(0.5).toFixed(1).padStart(8),
    percentile(0.99).toFixed(1).padStart(8),
    `append_logs, ${line.shared.toLocaleString('en')} a call`.padStart(28),
    Math.round(direct).toLocaleString('en').padStart(8),
    (rate / direct).toFixed(2).padStart(7),
  ];
  console.log(cells.join(' '));
}

async function main(): Promise<void> {
  const started = performance.now();
  const wanted = process.argv[2] ?? '';
  console.log(`Edgetrail over HTTP, ${cpus().length} cores that service, load and database share, Node ${process.version}

The reference calls append_logs in SQL, one call after the other on one connection, without HTTP. For N callers
with one event each it passes N events a call: what perfect sharing of commits would give. Each on a fresh database.
After each line: last_id = count(*) = max(id) = events acknowledged.`);
  const databases = await openBenchDatabases();
  try {
    for (const { name, fresh, reference, plan } of [
      { ...databases.postgres, plan: lines([1, 16, 64, 256], [1, 4]) },
      { ...databases.pglite, plan: lines([1, 64], [1]) },
    ]) {
      const head = ['rows/s', 'p50 ms', 'p99 ms', 'reference'.padStart(28), 'rows/s', 'ratio'.padStart(7)];
      console.log(`\n${name.padEnd(32)} ${head.map((title) => title.padStart(8)).join(' ')}`);
      for (const line of plan.filter((line) => `${name}: ${nameOf(line)}`.includes(wanted))) {
        const texts = shopTexts(Math.ceil(8_192 / line.shared), line.shared);
        const direct = await reference();
        await callDirectly(direct, texts, line.shared, warm_ms / 2);
        const before = await callDirectly(direct, texts, line.shared, reference_ms);
        const outcome = await throughService(await fresh(), line);
        const after = await callDirectly(direct, texts, line.shared, reference_ms);
        await direct.close();
        print(line, outcome, (before + after) / 2);
      }
    }
  } finally {
    await databases.close();
  }
  console.log(`\n${((performance.now() - started) / 1000).toFixed(0)} s`);
}

await main();
