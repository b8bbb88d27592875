/** `npm run archive`: months are packed, compared with the log, exported as the service exports them, and repaired. */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { sql } from 'drizzle-orm';
import { afterAll, describe, expect, it } from 'vitest';
import { openPglite } from '../../src/runtime/pglite.ts';
import { type Ended, runFile } from '../support/command.ts';
import { databases, freshDatabase, sqlClient, startService, type TestService } from '../support/harness.ts';

/** The exports that are compared. */
const wanted = [
  ['2024-02-29', 'ndjson'],
  ['2024-03-31', 'ndjson'],
  ['2024-03-31', 'spreadsheet'],
] as const;

/** Rows of two months, among them some that no writer may store: texts and metadata that are too long or too deep. */
const insertRows = `
  insert into activity_logs (id, "timestamp", event_type, entity_type, entity_id, user_id, description, metadata, ip_address,
                             service, trace_id, event_uid, span_id, parent_span_id, caused_by, created_at)
  select n, '2024-02-20'::timestamptz + n * interval '20 min 1 ms', case when n % 3 = 0 then 'PAY' else 'CREATE' end, 'order',
         'order-' || n % 70, case when n % 5 > 0 then 'user-' || n % 9 end,
         case n when 11 then repeat('x', 300000) when 12 then E'=1,\\ufeff"\\n' else 'order ' || n || ' äßé🧾' end,
         case n % 10 when 0 then null when 1 then '{}' when 2 then '[1, "a"]' when 3 then 'null'
           when 4 then '{"total": 9007199254740993, "status": "paid"}' when 5 then '{"total": "12", "status": null, "z": {"a": [1]}}'
           else jsonb_build_object('total', n / 7.0, 'status', 'open', 'n' || n, n) end,
         ('10.0.0.' || n % 250)::inet, case when n % 2 = 0 then 'shop' end, 'trace-' || n / 4, 'uid-' || n,
         case when n % 4 = 0 then 'span' end, case when n % 4 = 1 then 'parent' end, case when n % 4 = 2 then (n - 1)::text end,
         case n when 13 then 'infinity' else '2024-04-01'::timestamptz end
  from generate_series(1, 1500) n
  union all
  select 1501, '2024-03-03', 'DEEP', 'order', null, null, null, (repeat('{"a":', 6000) || '1' || repeat('}', 6000))::jsonb,
         null, null, null, null, null, null, null, now()`;
const insertBatch = `insert into log_batches (last_id, n, committed_at) values (1501, 1501, now())`;

/** Runs statements as the owner of the tables, while no service runs. */
async function asOwner(place: TestService['place'], ...statements: string[]): Promise<void> {
  const all = ["select set_config('edgetrail.append', 'on', true)", ...statements];
  if ('DATABASE_URL' in place)
    await sqlClient(place.DATABASE_URL, 1).begin(async (tx) => {
      for (const statement of all) await tx.unsafe(statement);
    });
  else {
    const { db, close } = await openPglite(place.DATA_DIR);
    await db.transaction(async (tx) => {
      for (const statement of all) await tx.execute(sql.raw(statement));
    });
    await close();
  }
}

const digestOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe.each(databases)('the archive of a log on %s', { timeout: 300_000 }, async (database) => {
  const place = await freshDatabase(database);
  await asOwner(place, insertRows, insertBatch);
  const archive = (...args: string[]): Promise<Ended> =>
    runFile('src/commands/archive.ts', args, { env: { ...place } });

  /** Changes an event, as only the owner of the tables can. */
  const change = (text: string) =>
    asOwner(
      place,
      'alter table activity_logs disable trigger refuse_change',
      `update activity_logs set description = ${text} where id = 900`,
      'alter table activity_logs enable trigger refuse_change',
    );

  /** The digests of what the service exports. */
  async function exportedByService(): Promise<string[]> {
    const service = await startService(database, { place });
    const digests: string[] = [];
    for (const [last, format] of wanted) {
      const days = `start_date=${last.slice(0, 7)}-01&end_date=${last}`;
      const answer = await service.request(`/api/logs/export?format=${format}&${days}`);
      digests.push(digestOf(Buffer.from(await answer.arrayBuffer())));
    }
    await service.stop();
    return digests;
  }

  async function exportedByArchive(): Promise<string[]> {
    const digests: string[] = [];
    for (const [last, format] of wanted) {
      const chunks: Buffer[] = [];
      const { status, stderr } = await runFile(
        'src/commands/archive.ts',
        ['export', last.slice(0, 7), '--format', format],
        { env: { ...place }, meanwhile: (child) => child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk)) },
      );
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      digests.push(digestOf(Buffer.concat(chunks)));
    }
    return digests;
  }

  it('has no month before one is packed, and nothing is verified then', async () => {
    expect(await archive('list')).toMatchObject({ status: 0, stdout: 'no month was packed\n' });
    expect(await archive('verify')).toMatchObject({ status: 2 });
    expect(await archive('export', '2024-03')).toMatchObject({ status: 2, stderr: '2024-03 was not packed\n' });
  });

  it('packs the months that have ended, once', async () => {
    const packed = await archive('pack');
    expect(packed).toMatchObject({ status: 0, stderr: '' });
    expect(packed.stdout).toMatch(/^2024-02: packed and checked, \d+ events, .* in 1 file /m);
    expect(packed.stdout).toMatch(/^2024-03: packed and checked, [\d,]+ events, /m);
    expect((await archive('pack')).stdout).toBe('2024-02: is packed already\n2024-03: is packed already\n');
    expect((await archive('list')).stdout).toMatch(/^2024-02 {2}checked .*\n2024-03 {2}checked .*\n$/);
  });

  it('has each event as the log has it', async () => {
    const { status, stdout } = await archive('verify');
    expect(status).toBe(0);
    const counts = [...stdout.matchAll(/: ([\d,]+) events in the files, each as in the log$/gm)].map(([, n = '']) =>
      Number(n.replace(',', '')),
    );
    expect(counts).toHaveLength(2);
    expect(counts.reduce((sum, n) => sum + n, 0)).toBe(1501);
  });

  it('exports a month with the bytes of the service', async () => {
    expect(await exportedByArchive()).toEqual(await exportedByService());
  });

  it('notices a file that was changed, exports no part of it as whole, and packs it again', async () => {
    const files = 'DATA_DIR' in place ? await parquetFiles(join(place.DATA_DIR, 'archive')) : [];
    const damage = async () => {
      if (database === 'postgres')
        await asOwner(
          place,
          `update log_archive_parts set bytes = set_byte(bytes, 500, get_byte(bytes, 500) # 1) where file like '%month=2024-03%'`,
        );
      else {
        const file = files.find((name) => name.includes('2024-03')) ?? '';
        const bytes = await readFile(file);
        bytes[500] = (bytes[500] ?? 0) ^ 1;
        await writeFile(file, bytes);
      }
    };
    await damage();
    const wrong = await archive('verify');
    expect(wrong.status).toBe(1);
    expect(wrong.stderr).toMatch(/^2024-03: log=.*\.parquet was changed: its SHA-256 is another one$/m);
    expect(wrong.stdout).toMatch(/^2024-02: .* each as in the log$/m);
    const cut = await archive('export', '2024-03');
    expect(cut).toMatchObject({ status: 1, stdout: 'TRUNCATED: THIS FILE IS INCOMPLETE' });
    expect((await archive('pack', '2024-03')).status).toBe(0);
    expect((await archive('verify')).status).toBe(0);
  });

  it('notices that an event of the log was changed', async () => {
    await change(`'order 900 forged'`);
    const { status, stderr } = await archive('verify', '2024-03');
    expect(status).toBe(1);
    expect(stderr).toContain('2024-03: event 900 has another description in the archive than in the log');
    await change(`'order 900 äßé🧾'`);
    expect((await archive('verify', '2024-03')).status).toBe(0);
  });

  it('packs a month anew when events came later, and with a proof when they were sealed', async () => {
    const service = await startService(database, { place });
    await service.write({ event_type: 'LATE', entity_type: 'order', timestamp: '2024-03-31T23:59:59.999Z' });
    expect((await service.request('/checkpoint')).status).toBe(200);
    await service.stop();
    expect((await archive('list')).stdout).toMatch(/^2024-03 .*, and events came later: pack it again$/m);
    expect((await archive('verify')).status).toBe(0);
    const packed = await archive('pack');
    expect(packed).toMatchObject({ status: 0, stderr: '' });
    expect(packed.stdout).toMatch(/^2024-02: packed and checked.*\n2024-03: packed and checked/);
    expect((await archive('pack')).stdout).toBe('2024-02: is packed already\n2024-03: is packed already\n');
    expect((await archive('verify')).stdout).toMatch(
      / as in the log and as sealed in the checkpoint of 1,502 events$/m,
    );
    expect(await exportedByArchive()).toEqual(await exportedByService());
  });

  it('notices when it packs that the log is not what was sealed', async () => {
    await change(`'order 900 forged'`);
    const forged = await archive('pack', '2024-03');
    expect(forged).toMatchObject({ status: 1, stdout: '' });
    expect(forged.stderr).toContain('2024-03: the events do not lead to the checkpoint of 1502 events');
    await change(`'order 900 äßé🧾'`);
    expect((await archive('pack', '2024-03')).status).toBe(0);
    expect((await archive('verify')).status).toBe(0);
  });

  it('has no erased value any more when it has packed again, and the same leaves', async () => {
    const erased = await runFile('src/commands/erase.ts', ['--user', 'user-3', '--reason', 'a test'], { env: place });
    expect(erased).toMatchObject({ status: 0 });
    expect((await archive('list')).stdout).toMatch(/^2024-03 .*, and values were erased later: pack it again$/m);
    const old = await archive('verify', '2024-03');
    expect(old.status).toBe(1);
    expect(old.stderr).toMatch(/has another user_id .* \(values were erased later: pack it again\)$/m);
    expect((await archive('export', '2024-03')).stdout).toContain('"user-3"');
    expect(await archive('pack')).toMatchObject({ status: 0, stderr: '' });
    const exported = await archive('export', '2024-03');
    expect(exported.status).toBe(0);
    expect(exported.stdout).not.toContain('"user-3"');
    expect((await archive('verify')).stdout).toMatch(/^2024-03: .* and as sealed in the checkpoint of 1,50\d events$/m);
  });
});

describe('the command', { timeout: 120_000 }, () => {
  const DATABASE_URL = 'postgres://nobody:nothing@127.0.0.1:1/none';

  it.concurrent.each([
    [[], 'usage'],
    [['restore', '2024-03'], 'usage'],
    [['pack', '2024-13'], '2024-13 is not a month'],
    [['export'], 'usage'],
    [['export', '2024-03', '--format', 'xml'], 'usage'],
    [['verify'], 'nothing was verified'],
  ])('refuses %j', async (args, words) => {
    const ended = await runFile('src/commands/archive.ts', args, { env: { DATABASE_URL } });
    expect(ended).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining(words) });
  });

  it('packs no month that has not ended', async () => {
    const place = await freshDatabase('postgres');
    const month = new Date().toISOString().slice(0, 7);
    const ended = await runFile('src/commands/archive.ts', ['pack', month], { env: { ...place } });
    expect(ended).toMatchObject({ status: 2, stderr: expect.stringContaining('has not ended') });
  });
});

const parquetFiles = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { recursive: true }))
    .filter((name) => name.endsWith('.parquet'))
    .map((name) => join(folder, name));

describe('the files', () => {
  it('are read by DuckDB as the events of the log', { timeout: 120_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'edgetrail-archive-'));
    afterAll(() => rm(folder, { recursive: true, force: true }));
    const place = await freshDatabase('postgres');
    await asOwner(place, insertRows, insertBatch);
    const packed = await runFile('src/commands/archive.ts', ['pack'], { env: { ...place, ARCHIVE_DIR: folder } });
    expect(packed.status).toBe(0);
    const duckdb = await (await DuckDBInstance.create()).connect();
    const ask = async (query: string) => (await duckdb.runAndReadAll(query)).getRowsJson();
    const from = `from read_parquet('${folder}/**/*.parquet', union_by_name = true, hive_partitioning = true)`;
    const database = 'DATABASE_URL' in place ? sqlClient(place.DATABASE_URL, 1) : null;
    const rows = await database?.unsafe(`
      select to_char("timestamp" at time zone 'UTC', 'YYYY-MM') as month, event_type, user_id, count(*)::text as n,
             min("timestamp" at time zone 'UTC')::text as first, sum(id)::text as ids, count(metadata->'status')::text as statuses
      from activity_logs group by 1, 2, 3 order by 1, 2, 3 nulls first`);
    const theirs = await ask(`
      select month::varchar, event_type, user_id, count(*)::varchar, min("timestamp" at time zone 'UTC')::varchar, sum(id)::varchar,
             count("metadata.status")::varchar ${from} group by 1, 2, 3 order by 1, 2, 3 nulls first`);
    expect(theirs).toEqual(rows?.map((row) => Object.values(row)));
  });
});
