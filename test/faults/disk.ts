/** A full disk under the embedded database and under PostgreSQL: writes are refused with the reason, reads go on, and writes too when there is room. */
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { diskLimits } from '../../src/runtime/disk-room.ts';
import { databaseOn, startServer } from '../support/postgres-server.ts';
import { spawnService } from '../support/process.ts';
import { wait } from '../support/sinks/fleet.ts';
import { fillDisk, mountDisk, unmountDisks } from '../support/small-disk.ts';
import type { FaultRun } from './run.ts';
import { acknowledgedAfter, type Load, type Result, underLoad } from './under-load.ts';

const mib = 1024 * 1024;
const { events_free_bytes_min } = diskLimits;
const tiny_mib = 64;
/** The empty database has about 60 MiB. */
const embedded_mib = events_free_bytes_min / mib + 400;
const server_mib = 250;
const reasons = {
  disk: /^503 .*"detail":"The disk of the (service|database) is full/,
  /** PostgreSQL ends when it cannot write its WAL. */
  server: /^503 .*"detail":"The (disk of the database is full|database (went away|cannot be reached))/,
};
const again_ms_max = 5_000;
const authorization = `Basic ${btoa('admin:admin-password')}`;

/** An event that no database compresses, in a field without an index of its words. */
const large = () => ({
  event_type: 'A',
  entity_type: 'large',
  metadata: { bytes: randomBytes(9_000).toString('base64') },
});

/** The first refusal of a batch of large events. */
async function refusal({ url }: Load): Promise<{ status: number; text: string }> {
  for (;;) {
    const body = JSON.stringify(Array.from({ length: 20 }, large));
    const headers = { authorization, 'content-type': 'application/json' };
    const answer = await fetch(`${url}/api/logs`, { method: 'POST', headers, body });
    const text = await answer.text();
    if (answer.status !== 201) return { status: answer.status, text };
  }
}

type Filling = {
  disk: string;
  rounds: number;
  /** Another file takes all but this; the events take the rest. */
  left_bytes: number;
  /** What a refusal must say. */
  why: RegExp;
  /** Whether the log can be read while nothing is free. */
  isRead?: boolean;
  /** Called when there is room again. */
  restart?(): Promise<void>;
};

/** Writes until the disk is full, fills it to the last byte, makes room, and waits for the next acknowledgement. */
async function filled(load: Load, { disk, rounds, left_bytes, why, isRead = true, restart }: Filling): Promise<Result> {
  const refusals: string[] = [];
  const again_ms: number[] = [];
  let is_newest_read = true;
  for (let n = 0; n < rounds; n += 1) {
    const makeRoom = await fillDisk(disk, left_bytes);
    const { status, text } = await refusal(load);
    refusals.push(`${status} ${text}`);
    const makeAllRoom = await fillDisk(disk, 0);
    await wait(2_000);
    const answer = await fetch(`${load.url}/api/logs?limit=20`, { headers: { authorization } });
    is_newest_read &&= answer.status === 200 && ((await answer.json()) as { logs: object[] }).logs.length === 20;
    await makeRoom();
    await makeAllRoom();
    const since = performance.now();
    await restart?.();
    again_ms.push(await acknowledgedAfter(load.writing, since));
  }
  return {
    numbers: {
      rounds,
      refusals: [...new Set(refusals)].slice(0, 3),
      again_ms: again_ms.map(Math.round),
      is_newest_read,
    },
    claims: {
      ...(isRead && { 'the newest events are read while nothing is free': is_newest_read }),
      'a write is refused with 503 and the reason': refusals.every((text) => why.test(text)),
      'writes go on within 5 s after there is room, without a restart of the service': again_ms.every(
        (ms) => ms <= again_ms_max,
      ),
    },
  };
}

async function embedded(runtime: 'node' | 'bun', folder: string, rounds: number): Promise<Result> {
  const [disk, tiny] = [join(folder, runtime), join(folder, `${runtime}-tiny`)];
  if (!mountDisk(disk, embedded_mib) || !mountDisk(tiny, tiny_mib))
    throw new Error('this run needs the right to mount');
  const refused = spawnService({ USERS: 'admin:admin:admin-password', DATA_DIR: join(tiny, 'data') }, runtime);
  const code = await refused.ended;
  const isSaid = /the disk is full. \d+ MiB are free/.test(refused.output());
  const settings = { DATA_DIR: join(disk, 'data') };
  const filling = { disk, rounds, left_bytes: events_free_bytes_min + 20 * mib, why: reasons.disk };
  const result = await underLoad({ settings, runtime }, (load) => filled(load, filling));
  const claim = `a start on a disk of ${tiny_mib} MiB is refused in one sentence`;
  return { ...result, claims: { [claim]: code === 1 && isSaid, ...result.claims } };
}

/** The WAL has a disk of its own: the server survives a full disk of its data, and ends when its WAL has no room. */
async function onServer(folder: string, which: 'data' | 'wal', rounds: number): Promise<Result> {
  const disks = { data: join(folder, `${which}-data`), wal: join(folder, `${which}-wal`) };
  for (const disk of Object.values(disks))
    if (!mountDisk(disk, server_mib)) throw new Error('this run needs the right to mount');
  const server = await startServer(join(disks.data, 'postgres'), {
    initdbFlags: ['--waldir', join(disks.wal, 'wal')],
    flags: ['-c', 'max_wal_size=64MB', '-c', 'min_wal_size=32MB', '-c', 'checkpoint_timeout=30s'],
  });
  const settings = { DATABASE_URL: await databaseOn(server, 'run') };
  const isData = which === 'data';
  // What a supervisor does. A server whose WAL is full has ended, and nothing can be read.
  const restart = async () => {
    if (!server.isRunning()) await server.start();
  };
  const why = isData ? reasons.disk : reasons.server;
  const filling = { disk: disks[which], rounds, left_bytes: 20 * mib, why, isRead: isData, restart };
  const result = await underLoad({ settings }, (load) => filled(load, filling));
  await server.stop();
  return result;
}

export const disk: FaultRun = async ({ say, args: [rounds = '3'] }) => {
  const folder = await mkdtemp(join(tmpdir(), 'edgetrail-disk-'));
  await chmod(folder, 0o755); // The server's own user must get through.
  const all: Result = { numbers: {}, claims: {} };
  const runs: [string, () => Promise<Result>][] = [
    ['node · pglite', () => embedded('node', folder, Number(rounds))],
    ['bun · pglite', () => embedded('bun', folder, Number(rounds))],
    ['postgres, its data', () => onServer(folder, 'data', Number(rounds))],
    // Once: afterwards it has enough segments, which it uses again.
    ['postgres, its WAL', () => onServer(folder, 'wal', 1)],
  ];
  try {
    for (const [name, run] of runs) {
      const { numbers, claims } = await run();
      all.numbers[name] = numbers;
      for (const [claim, isSo] of Object.entries(claims)) all.claims[`${name}: ${claim}`] = isSo;
      say(`${name}: ${JSON.stringify(numbers)}`);
    }
  } finally {
    unmountDisks();
    await rm(folder, { recursive: true, force: true });
  }
  return all;
};
