/** Two instances that are killed while they derive: what is derived is what an undisturbed run derives, whatever its steps. */
import { generateLog } from '../../bench/generate.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { spawnService } from '../support/process.ts';
import { seeded } from '../support/sinks/far-side.ts';
import { derivedRows } from './derived-rows.ts';
import type { FaultRun } from './run.ts';

const rows_n = 200_000;
const n_kills_default = 20;
/** How long an instance that is ready lives at most. */
const life_ms_max = 600;
const step_sizes = [20_000, 97];
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export const derived: FaultRun = async ({ fresh, say, args: [kills = `${n_kills_default}`, events = `${rows_n}`] }) => {
  const [n_kills, n_rows] = [Number(kills), Number(events)];
  const random = seeded(12);
  const DATABASE_URL = await fresh();
  const settings = { DATABASE_URL, USERS: 'admin:admin:admin-password' };
  const database = openPostgres(DATABASE_URL, 1);
  await database.migrate(() => {});
  await database.close();
  await generateLog(DATABASE_URL, n_rows);
  const rows = await derivedRows(DATABASE_URL);
  const behind = () => rows.behind(n_rows);

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

  const disturbed = await rows.state();
  const differing: Record<string, string[]> = {};
  for (const ids_max of step_sizes) {
    const undisturbed = await rows.again(ids_max);
    differing[ids_max] = rows.tables.filter((table) => undisturbed[table] !== disturbed[table]);
    say(`steps of ${ids_max}: ${differing[ids_max]?.length} of ${rows.tables.length} tables differ`);
  }
  await rows.close();
  return {
    numbers: { events: n_rows, kills: killed, kills_while_behind: killed_behind, tables: disturbed, differing },
    claims: {
      'the kills met readers at work': killed_behind >= killed / 2,
      'every table has rows': Object.values(disturbed).every((text) => !text.startsWith('0 ')),
      'every table is that of an undisturbed run, with both step sizes': Object.values(differing).flat().length === 0,
    },
  };
};
