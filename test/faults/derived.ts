/** Two instances that are killed while they derive: what is derived is what an undisturbed run derives, whatever its steps. */
import postgres from 'postgres';
import { generateLog } from '../../bench/generate.ts';
import { features } from '../../src/features/index.ts';
import { createStore } from '../../src/log/store.ts';
import { derivationsOf } from '../../src/runtime/derivations.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { spawnService } from '../support/process.ts';
import { seeded } from '../support/sinks/far-side.ts';
import type { FaultRun } from './run.ts';

const rows_n = 200_000;
const n_kills_default = 20;
/** How long an instance that is ready lives at most. */
const life_ms_max = 600;
const step_sizes = [20_000, 97];
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export const derived: FaultRun = async ({ fresh, say, args: [kills = `${n_kills_default}`, rows = `${rows_n}`] }) => {
  const [n_kills, n_rows] = [Number(kills), Number(rows)];
  const random = seeded(12);
  const DATABASE_URL = await fresh();
  const settings = { DATABASE_URL, USERS: 'admin:admin:admin-password' };
  const database = openPostgres(DATABASE_URL, 3);
  const sql = postgres(DATABASE_URL, { max: 1, onnotice: () => {} });
  const derivations = derivationsOf(features);
  await database.migrate(() => {});
  await generateLog(DATABASE_URL, n_rows);

  const behind = async () => {
    const [row] = await sql<{ n: number }[]>`
      select ${derivations.length} - count(*)::integer as n from log_readers where kind = 'derive' and cursor = ${n_rows}`;
    return row?.n ?? derivations.length;
  };
  let killed = 0;
  let killed_behind = 0;
  async function instance(): Promise<void> {
    for (;;) {
      const service = spawnService(settings);
      await service.ready;
      if (killed >= n_kills) {
        while ((await behind()) > 0) await wait(200);
        service.child.kill('SIGTERM');
        await service.ended;
        return;
      }
      await wait(random() * life_ms_max);
      killed += 1;
      killed_behind += Number((await behind()) > 0);
      service.child.kill('SIGKILL');
      await service.ended;
    }
  }
  await Promise.all([instance(), instance()]);
  say(`${killed} kills, ${killed_behind} of them while something was behind`);

  const tables = (
    await sql<{ name: string }[]>`
      select table_name as name from information_schema.columns
      where table_schema = current_schema() and column_name = 'version' and table_name <> 'log_readers' order by 1`
  ).map(({ name }) => name);
  /** A digest of each derived table's rows. */
  const state = async () =>
    Object.fromEntries(
      await Promise.all(
        tables.map(async (table) => {
          const [row] = await sql<{ n: number; digest: string }[]>`
            select count(*)::integer as n, md5(coalesce(string_agg(t::text, e'\n' order by t::text), '')) as digest
            from ${sql(table)} t`;
          return [table, `${row?.n} rows ${row?.digest}`] as const;
        }),
      ),
    );
  const disturbed = await state();
  const store = createStore(database.db);
  const differing: Record<string, string[]> = {};
  for (const ids_max of step_sizes) {
    for (const { name, version } of derivations) await sql`select ${sql(`forget_${name}`)}(${version})`;
    await sql`delete from log_readers where kind = 'derive'`;
    for (const derivation of derivations) while ((await store.stepDerivation(derivation, ids_max)).remaining > 0);
    const undisturbed = await state();
    differing[ids_max] = tables.filter((table) => undisturbed[table] !== disturbed[table]);
    say(`steps of ${ids_max}: ${differing[ids_max]?.length} of ${tables.length} tables differ`);
  }
  await sql.end();
  await database.close();
  return {
    numbers: { events: n_rows, kills: killed, kills_while_behind: killed_behind, tables: disturbed, differing },
    claims: {
      'the kills met readers at work': killed_behind >= killed / 2,
      'every table has rows': Object.values(disturbed).every((text) => !text.startsWith('0 ')),
      'every table is that of an undisturbed run, with both step sizes': Object.values(differing).flat().length === 0,
    },
  };
};
