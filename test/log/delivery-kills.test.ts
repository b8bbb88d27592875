/** A delivery through kills: two instances, a far side with faults, and nothing lost or doubled (the short form of test:faults). */
import { expect, it } from 'vitest';
import { freshPostgres } from '../support/harness.ts';
import { killRun } from '../support/sinks/kill-run.ts';

it('loses and doubles nothing through kill -9, and sets aside exactly what is refused', async () => {
  const DATABASE_URL = await freshPostgres();
  const run = {
    DATABASE_URL,
    n_events: 10_000,
    n_kills: 8,
    n_pauses: 1,
    n_poison: 12,
    lease_ms: 1_000,
    seed: 11,
    say: console.log,
  };
  const result = await killRun(run, 80_000);
  console.log(JSON.stringify(result));
  expect(result).toMatchObject({ events: 10_001, lost: 0, doubled: 0, faults: [] });
  expect(result.refused).toEqual(result.poison);
  expect(result.refused).toHaveLength(12);
});
