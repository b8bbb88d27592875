/** Kills `npm run archive -- pack` at random moments: the archive is then the same as one that was packed undisturbed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import postgres from 'postgres';
import { generateLog } from '../../bench/generate.ts';
import { sha256Hex } from '../../src/archive/manifest.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { type Ended, root, runFile } from '../support/command.ts';
import type { FaultRun } from './run.ts';

const rows_n = 120_000;
const kills_min = 25;
/** A run lives for at most so long, and each one for longer than the one before: at last they get on. */
const [kill_ms_max, kill_ms_more] = [400, 30];
const command = 'src/commands/archive.ts';

export const archive: FaultRun = async ({ fresh, say }) => {
  const folders: string[] = [];
  const newFolder = async () => {
    const folder = await mkdtemp(join(tmpdir(), 'edgetrail-archive-'));
    folders.push(folder);
    return folder;
  };
  try {
    const [inFolder, inDatabase] = [
      await killed(await logOf(fresh), { ARCHIVE_DIR: await newFolder() }, say),
      await killed(await logOf(fresh), {}, say),
    ];
    const undisturbed: string[] = [];
    for (const { url } of [inFolder, inDatabase]) undisturbed.push(await packedUndisturbed(url, await newFolder()));
    return {
      numbers: {
        events: 2 * rows_n,
        months: inFolder.months,
        'kills, files in a folder': inFolder.kills,
        'kills, files in the database': inDatabase.kills,
      },
      claims: {
        'many kills met a pack that was running': Math.min(inFolder.kills, inDatabase.kills) >= kills_min,
        'in a folder: the files are those of an undisturbed run, and no other': inFolder.files === undisturbed[0],
        'in the database: the files are those of an undisturbed run, and no other': inDatabase.files === undisturbed[1],
        'each month was packed once and checked once': inFolder.isOnce && inDatabase.isOnce,
        'every event in the files is as in the log': inFolder.verified.status + inDatabase.verified.status === 0,
      },
    };
  } finally {
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  }
};

async function logOf(fresh: () => Promise<string>): Promise<string> {
  const url = await fresh();
  const database = openPostgres(url, 2);
  await database.migrate(() => {});
  await database.close();
  await generateLog(url, rows_n);
  return url;
}

/** Packs until nothing is left, and kills each run but the last. */
async function killed(url: string, more: Record<string, string>, say: (line: string) => void) {
  const env = { DATABASE_URL: url, PACK_AFTER_DAYS: '0', ...more };
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  let kills = 0;
  for (let isDone = false; !isDone; ) {
    const child = start(env);
    const ended = once(child, 'close').then(() => 'ended');
    const begun = connected(sql, child);
    await Promise.race([begun, ended]);
    await Promise.race([wait(Math.random() * (kill_ms_max + kills * kill_ms_more)), ended]);
    isDone = child.exitCode === 0;
    if (child.exitCode === null) {
      child.kill('SIGKILL');
      kills += 1;
    }
    await ended;
    await disconnected(sql);
  }
  const steps = await sql<{ month: string; steps: string }[]>`
    select month, string_agg(step, ' ' order by n) as steps from log_months group by month`;
  const files = more.ARCHIVE_DIR ? await digestOfFolder(more.ARCHIVE_DIR) : await digestOfDatabase(sql);
  const verified = await runFile(command, ['verify'], { env });
  say(`${kills} kills, ${steps.length} months, ${verified.stdout.split('\n').length - 1} verified`);
  await sql.end();
  const isOnce = steps.every((month) => month.steps === 'packed checked');
  return { url, kills, months: steps.length, isOnce, files, verified: verified satisfies Ended };
}

function start(env: Record<string, string>): ChildProcess {
  const { PATH = '', HOME = '' } = process.env;
  return spawn(process.execPath, ['--import', 'tsx', `${root}${command}`, 'pack'], {
    cwd: root,
    env: { PATH, HOME, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

const sessions = (sql: postgres.Sql) => sql`
  select pid from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and application_name = 'edgetrail'`;

async function connected(sql: postgres.Sql, child: ChildProcess): Promise<void> {
  while (child.exitCode === null && (await sessions(sql)).length === 0) await wait(10);
}

/** The server notices a killed client at its next answer. Until then its lock is held, as it should be. */
async function disconnected(sql: postgres.Sql): Promise<void> {
  while ((await sessions(sql)).length > 0) await wait(20);
}

/** The files that a run without a disturbance makes of the same log. */
async function packedUndisturbed(url: string, folder: string): Promise<string> {
  const env = { DATABASE_URL: url, PACK_AFTER_DAYS: '0', ARCHIVE_DIR: folder };
  const sql = postgres(url, { max: 1 });
  const months = await sql<{ month: string }[]>`select distinct month from log_months order by month`;
  await sql.end();
  for (const { month } of months) await runFile(command, ['pack', month], { env });
  return digestOfFolder(folder);
}

/** The names of all files with their digests, as one text; without the manifests, which name the id of their time. */
async function digestOfFolder(folder: string): Promise<string> {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name !== 'manifest.json')
    .map((entry) => join(entry.parentPath, entry.name));
  const lines: string[] = [];
  for (const name of names) lines.push(`${name.slice(folder.length + 1)} ${await sha256Hex(await readFile(name))}`);
  return lines.sort().join('\n');
}

async function digestOfDatabase(sql: postgres.Sql): Promise<string> {
  const rows = await sql<{ file: string; bytes: Buffer }[]>`
    select file, string_agg(bytes, ''::bytea order by n) as bytes from log_archive_parts group by file`;
  const lines = await Promise.all(rows.map(async ({ file, bytes }) => `${file} ${await sha256Hex(bytes)}`));
  return lines.sort().join('\n');
}
