/**
 * Write throughput over HTTP, each line as a ratio to direct calls of append_logs in the same run: one call after the
 * other on one connection, without HTTP. For N callers with one event each the reference passes N events a call: what
 * perfect sharing of commits would give.
 */
import { openDatabase } from '../src/runtime/service.ts';
import { readSettings } from '../src/settings.ts';
import { type BenchDatabase, check, type Place, type Reference } from './databases.ts';
import { type LoadResult, runLoad } from './load.ts';
import { type Measurement, quantile, type Row } from './measurement.ts';
import { startServer, token } from './service.ts';
import { shopTexts } from './shop.ts';

const warm_ms = 700;
const service_ms = 3_000;
/** Measured before and after the service, so that other load on the machine shows in one of the two. */
const reference_ms = 1_000;

/** `rows` events per POST from `callers` connections; `shared` rows per call of the reference. */
type Line = { callers: number; rows: number; shared: number; goal?: number };

const lines = (callers: number[], batchCallers: number[]): Line[] => [
  ...callers.map((n) => ({ callers: n, rows: 1, shared: n })),
  // One call of append_logs at a time is all that the log takes: four callers keep the service from waiting.
  ...batchCallers.map((n) => ({ callers: n, rows: 1_000, shared: 1_000, ...(n === 4 && { goal: 0.8 }) })),
];

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
  const service = await startServer(place);
  const outcome = await runLoad({ port: service.port, token, callers, rows, warm_ms, ms: service_ms });
  await service.close();
  // last_id = count(*) = max(id) = events acknowledged.
  const database = await openDatabase(readSettings({ ...place }));
  await check(database, outcome.acknowledged);
  await database.close();
  return outcome;
}

async function measureLine({ fresh, reference }: BenchDatabase, line: Line, name: string): Promise<Row[]> {
  const texts = shopTexts(Math.ceil(8_192 / line.shared), line.shared);
  const direct = await reference();
  await callDirectly(direct, texts, line.shared, warm_ms / 2);
  const before = await callDirectly(direct, texts, line.shared, reference_ms);
  const outcome = await throughService(await fresh(), line);
  const after = await callDirectly(direct, texts, line.shared, reference_ms);
  await direct.close();
  return [
    {
      name,
      value: outcome.rows / outcome.seconds,
      unit: 'rows/s',
      reference: { name: `rows/s, append_logs of ${line.shared.toLocaleString('en')}`, value: (before + after) / 2 },
      ...(line.goal && { goal: { at_least: line.goal } }),
      steady: true,
      more: { 'p50 ms': quantile(outcome.latencies, 0.5), 'p99 ms': quantile(outcome.latencies, 0.99) },
    },
  ];
}

const nameOf = (database: string, { callers, rows }: Line) =>
  `append, ${database}: ${callers} caller${callers > 1 ? 's' : ''}, ${rows === 1 ? '1 event' : '1,000 events'} a POST`;

const measurementOf = (database: 'postgres' | 'pglite', line: Line): Measurement => {
  const name = nameOf(database === 'postgres' ? 'PostgreSQL' : 'PGlite', line);
  return { name, measure: ({ databases }) => measureLine(databases[database], line, name) };
};

export const appendMeasurements: Measurement[] = [
  ...lines([1, 16, 64, 256], [1, 4]).map((line) => measurementOf('postgres', line)),
  ...lines([1, 64], [1]).map((line) => measurementOf('pglite', line)),
];
