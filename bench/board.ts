/** The overview board of the generated log: its time, its weight, and what it costs when nothing is new. */
import { gzipSync } from 'node:zlib';
import { timesOf } from './ask.ts';
import { type Context, type Measurement, quantile, type Row } from './measurement.ts';
import { authorization, startServer, withServers } from './service.ts';

const board = '/boards/overview';
const tries = 100;
const derived_ms_max = 3_600_000;

/** Waits until nothing that is derived from the log is behind. */
async function caughtUp(port: number): Promise<void> {
  const deadline = Date.now() + derived_ms_max;
  // Without a token: a scrape from the same machine needs none, and that of the benchmark may not scrape.
  const scraped = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const lags = async () => [...(await scraped()).matchAll(/^edgetrail_reader_lag_events\{[^}]*\} (\d+)$/gm)];
  for (;;) {
    const found = await lags();
    if (found.length > 0 && found.every(([, lag]) => lag === '0')) return;
    if (Date.now() > deadline) throw new Error('the log was not derived in time');
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

/** The times of a request that is answered with a 304. */
async function unchanged(port: number): Promise<number[]> {
  const url = `http://127.0.0.1:${port}${board}`;
  const etag = (await fetch(url, { headers: { authorization } })).headers.get('etag') ?? '';
  const times: number[] = [];
  for (let i = 0; i < tries; i++) {
    const started = performance.now();
    const response = await fetch(url, { headers: { authorization, 'if-none-match': etag } });
    await response.arrayBuffer();
    times.push(performance.now() - started);
    if (response.status !== 304) throw new Error(`${board} is answered with ${response.status}, and nothing is new`);
  }
  return times;
}

async function measureBoard(name: string, { generatedLog }: Context): Promise<Row[]> {
  const service = await startServer({ DATABASE_URL: await generatedLog() });
  return withServers([service], async () => {
    await caughtUp(service.port);
    const { median, p99, last } = await timesOf(service.port, board, tries);
    const row = (what: string, value: number, unit: string, at_most: number): Row => ({
      name: `${name}: ${what}`,
      value,
      unit,
      goal: { at_most },
      steady: false,
    });
    return [
      { ...row('p99', p99, 'ms', 150), more: { 'median ms': median } },
      row('unchanged, median', quantile(await unchanged(service.port), 0.5), 'ms', 5),
      row('weight', gzipSync(last.body).length, 'bytes gzipped', 30 * 1_024),
    ];
  });
}

const name = 'board: overview';
export const boardMeasurements: Measurement[] = [{ name, measure: (context) => measureBoard(name, context) }];
