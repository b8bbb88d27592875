/** Exports of the generated log as CSV and NDJSON, compared with COPY of the same query. */
import { connect } from 'node:net';
import postgres from 'postgres';
import type { Context, Measurement, Row } from './measurement.ts';
import { authorization, startServer, withServers } from './service.ts';

const runs = 3;
const rss_growth_bytes_max = 100 * 1024 * 1024;

/** The columns and the order of an export, as COPY reads them. */
const copySql = `copy (
  select id, "timestamp", event_type, entity_type, entity_id, user_id, description, metadata, ip_address, user_agent,
         created_at, service, trace_id, session_id, event_uid
  from activity_logs order by "timestamp", id) to stdout`;

/** Reads a COPY and discards it; returns its seconds. */
async function copy(url: string): Promise<number> {
  const sql = postgres(url, { max: 1, fetch_types: false });
  await sql`select`;
  const started = performance.now();
  for await (const _ of await sql.unsafe(copySql).readable());
  const seconds = (performance.now() - started) / 1000;
  await sql.end();
  return seconds;
}

/** Requests an export and discards it; returns its seconds and bytes. Rejects when the response is not complete. */
function download(port: number, format: string): Promise<{ seconds: number; bytes: number }> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const head = `host: 127.0.0.1\r\nauthorization: ${authorization}\r\n`;
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(`GET /api/logs/export?format=${format} HTTP/1.1\r\n${head}\r\n`),
    );
    let bytes = 0;
    let end = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      if (bytes === 0 && !chunk.toString('latin1').startsWith('HTTP/1.1 200 ')) reject(new Error(String(chunk)));
      bytes += chunk.length;
      // The end may arrive in pieces.
      end = Buffer.concat([end, chunk.subarray(-last_chunk.length)]).subarray(-last_chunk.length);
      if (!end.equals(last_chunk)) return;
      socket.destroy();
      resolve({ seconds: (performance.now() - started) / 1000, bytes });
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the export was cut off')));
  });
}

/** The end of a chunked body (RFC 9112 §7.1). */
const last_chunk = Buffer.from('\r\n0\r\n\r\n');

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

async function measureExport(format: string, name: string, { generatedLog, rows_n }: Context): Promise<Row[]> {
  const url = await generatedLog();
  const copies: number[] = [];
  const exports: number[] = [];
  const service = await startServer({ DATABASE_URL: url });
  const before = await service.usage();
  const after = await withServers([service], async () => {
    for (let i = 0; i < runs; i++) {
      copies.push(await copy(url));
      exports.push((await download(service.port, format)).seconds);
    }
    return service.usage();
  });
  return [
    {
      name,
      value: rows_n / median(exports),
      unit: 'rows/s',
      reference: { name: 'rows/s by COPY', value: rows_n / median(copies) },
      goal: { at_least: 0.5 },
      steady: true,
      more: { 'µs of CPU a row': (after.cpu_us - before.cpu_us) / runs / rows_n },
    },
    {
      name: `${name}: memory growth`,
      value: (after.rss_bytes_max - before.rss_bytes) / 1024 / 1024,
      unit: 'MiB',
      goal: { at_most: rss_growth_bytes_max / 1024 / 1024 },
      steady: false,
    },
  ];
}

export const exportMeasurements: Measurement[] = ['csv', 'ndjson'].map((format) => {
  const name = `export: ${format.toUpperCase()}`;
  return { name, measure: (context) => measureExport(format, name, context) };
});
