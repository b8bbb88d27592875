/** The archive of a generated log: how small it is, how fast it is packed and checked, and the memory that this takes. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { packMonth } from '../src/archive/pack.ts';
import { monthsWithEvents } from '../src/archive/tables.ts';
import { createStore } from '../src/log/store.ts';
import { folderPlace } from '../src/runtime/archive-folder.ts';
import { archiveGzip } from '../src/runtime/archive-gzip.ts';
import { openPostgres } from '../src/runtime/postgres.ts';
import { sha256 } from '../src/runtime/sha256.ts';
import type { Context, Measurement, Row } from './measurement.ts';

const read_ms_max = 600_000;
const mib = 1024 * 1024;

async function measure(context: Context): Promise<Row[]> {
  const database = openPostgres(await context.generatedLog(), 6, read_ms_max);
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-bench-archive-'));
  const archive = {
    db: database.db,
    reads: database.reads,
    place: folderPlace(folder),
    ...archiveGzip,
    sha256,
  };
  const { log_id, id: upto } = await createStore(database.db, database.reads).newest();
  const [sizes] = await database.db
    .select({ bytes: sql`sum(pg_total_relation_size(inhrelid))`.mapWith(Number) })
    .from(sql`pg_inherits`)
    .where(sql`inhparent = 'activity_logs'::regclass`);
  const rss_before = process.memoryUsage.rss();
  let rss = rss_before;
  const sampling = setInterval(() => {
    rss = Math.max(rss, process.memoryUsage.rss());
  }, 20);
  let [n, bytes] = [0, 0];
  const cpu_before = process.cpuUsage();
  const started = performance.now();
  for (const month of await monthsWithEvents(database.reads, '9999-12')) {
    const manifest = await packMonth(archive, { log_id, upto, month }, undefined);
    n += manifest?.rows ?? 0;
    bytes += manifest?.files.reduce((sum, file) => sum + file.bytes, 0) ?? 0;
  }
  const seconds = (performance.now() - started) / 1_000;
  const { user, system } = process.cpuUsage(cpu_before);
  clearInterval(sampling);
  await database.close();
  await rm(folder, { recursive: true });
  const cpu_seconds = (user + system) / 1e6;
  return [
    {
      name: 'archive: size',
      value: bytes / n,
      unit: 'bytes an event',
      reference: { name: 'bytes an event in PostgreSQL', value: (sizes?.bytes ?? 0) / n },
      goal: { at_most: 0.05 },
      steady: true,
    },
    {
      name: 'archive: pack and check',
      value: n / seconds,
      unit: 'events/s',
      goal: { at_least: 15_000 },
      steady: false,
      more: { 'events per CPU second': n / cpu_seconds, events: n },
    },
    {
      name: 'archive: memory',
      value: (rss - rss_before) / mib,
      unit: 'MiB more',
      goal: { at_most: 300 },
      steady: false,
    },
  ];
}

export const archiveMeasurements: Measurement[] = [{ name: 'archive: a generated log', measure }];
