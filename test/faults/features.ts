/**
 * What all features cost the writers: events a second with sinks, rules and everything that is derived, and with nothing of
 * it; and how far the derived numbers are behind at 1,000 events a second.
 */
import postgres from 'postgres';
import { ready } from '../../src/features/alerts/ready.ts';
import { features as all } from '../../src/features/index.ts';
import { derivationsOf } from '../../src/runtime/derivations.ts';
import { fastEnv, fastSides } from '../support/sinks/fast-sides.ts';
import { type Fleet, ordersFrom, startFleet, wait } from '../support/sinks/fleet.ts';
import { pacedAppends } from './paced.ts';
import type { FaultRun } from './run.ts';
import { inTurns, token } from './turns.ts';

const names = derivationsOf(all).map(({ name }) => name);
const paced = { requests_per_s: 100, events: 10, ms: 20_000, look_ms: 200 };

/** Holds the rows of the readers that derive: a step that finds its row held does nothing. */
async function holdDerivations(sql: postgres.Sql, fleet: Fleet): Promise<() => Promise<void>> {
  await fleet.until('all readers have begun', async () => {
    const [row] = await sql<{ n: number }[]>`select count(*)::int as n from log_readers where name in ${sql(names)}`;
    return row?.n === names.length;
  });
  const held = await sql.reserve();
  await held`begin`;
  await held`select from log_readers where name in ${sql(names)} for update`;
  return async () => {
    await held`rollback`;
    held.release();
  };
}

/** The age of the oldest event that a reader has not derived yet, in seconds: the largest while events come in. */
async function lagAt(sql: postgres.Sql, writing: Promise<unknown>): Promise<number> {
  let [isOver, largest_s] = [false, 0];
  void writing.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    const [row] = await sql<{ s: number }[]>`
      select coalesce(extract(epoch from clock_timestamp() - min(b.committed_at)), 0)::float8 as s from log_batches b
      where b.last_id > (select min(cursor) from log_readers where name in ${sql(names)})`;
    largest_s = Math.max(largest_s, row?.s ?? 0);
    await wait(paced.look_ms);
  }
  await writing;
  return largest_s;
}

export const features: FaultRun = async ({ fresh, say, args: [wanted = '6'] }) => {
  const [on_url, off_url] = [await fresh(), await fresh()];
  const env = { ...fastEnv, TOKENS: `load:write:${token}` };
  const on = await startFleet({ DATABASE_URL: on_url, env, ms_max: 30 * 60_000 });
  const off = await startFleet({
    DATABASE_URL: off_url,
    env: { ...env, UNUSUAL_PER_DAY_MAX: '0' },
    ms_max: 30 * 60_000,
  });
  const far = await fastSides();
  const sinks = Object.keys(far.specs);
  for (const name of sinks) await on.put(name, far.specs[name] as object);
  for (const { name, rule } of ready) await on.putRule(name, rule);
  const paths = [...sinks.map((name) => `/api/sinks/${name}`), ...ready.map(({ name }) => `/api/rules/${name}`)];
  const [on_sql, off_sql] = [postgres(on_url, { max: 1 }), postgres(off_url, { max: 2 })];
  const release = await holdDerivations(off_sql, off);
  const { numbers, claims } = await inTurns({ on, off, paths, wanted: Number(wanted), say });
  let n = 0;
  const lag_s = await lagAt(
    on_sql,
    pacedAppends(on.url(), paced.requests_per_s, paced.ms, () => {
      n += paced.events;
      return ordersFrom(n, paced.events, { user_id: `u${n % 5_000}`, service: 'shop' });
    }),
  );
  await release();
  far.close();
  await Promise.all([on_sql.end(), off_sql.end(), on.end(), off.end()]);
  return {
    numbers: { sinks: sinks.length, rules: ready.length, derivations: names, ...numbers, lag_s },
    claims: { ...claims, 'at 1,000 events/s no derived number is more than 2 s late': lag_s <= 2 },
  };
};
