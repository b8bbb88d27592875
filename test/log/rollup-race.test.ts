/** The short form of `npm run test:rollup`: five seconds of racing writers, and readers that are killed. */
import { expect, it } from 'vitest';
import { freshPostgres } from '../support/harness.ts';
import { raceRollup } from '../support/rollup-race.ts';

it('every count equals a recount of its snapshot, and no event is derived twice or left out', async () => {
  const end = Date.now() + 5_000;
  const { checks, mismatches, steps, killed, events, wrong_rows } = await raceRollup(
    await freshPostgres(),
    (n) => n > 20 && Date.now() > end,
  );
  expect(mismatches).toEqual([]);
  expect(wrong_rows).toBe(0);
  expect(checks).toBeGreaterThan(20);
  expect(steps).toBeGreaterThan(5);
  expect(killed).toBeGreaterThan(0);
  expect(events).toBeGreaterThan(100);
});
