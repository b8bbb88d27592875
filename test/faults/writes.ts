/** What five sinks and twelve rules cost the writers: events a second with them and without, in turns. */
import { ready } from '../../src/features/alerts/ready.ts';
import { fastEnv, fastSides } from '../support/sinks/fast-sides.ts';
import { startFleet } from '../support/sinks/fleet.ts';
import type { FaultRun } from './run.ts';
import { inTurns, token } from './turns.ts';

export const writes: FaultRun = async ({ fresh, say, args: [wanted = '6'] }) => {
  const env = { ...fastEnv, TOKENS: `load:write:${token}` };
  const start = async () => startFleet({ DATABASE_URL: await fresh(), env, ms_max: 30 * 60_000 });
  const [withReaders, without] = [await start(), await start()];
  const far = await fastSides();
  const names = Object.keys(far.specs);
  for (const name of names) await withReaders.put(name, far.specs[name] as object);
  for (const { name, rule } of ready) await withReaders.putRule(name, rule);
  const paths = [...names.map((name) => `/api/sinks/${name}`), ...ready.map(({ name }) => `/api/rules/${name}`)];
  const result = await inTurns({ on: withReaders, off: without, paths, wanted: Number(wanted), say });
  far.close();
  await Promise.all([withReaders.end(), without.end()]);
  return { ...result, numbers: { sinks: names.length, rules: ready.length, ...result.numbers } };
};
