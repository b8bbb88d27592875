/** Rules through kills: what they made live is what a preview shows and what the oracle says. */
import { expect, it } from 'vitest';
import { alertRun } from '../../support/alerts/kill-run.ts';
import { freshPostgres } from '../../support/harness.ts';

it('makes the same alerts live through kill -9, in a preview, and as the oracle has them', async () => {
  const DATABASE_URL = await freshPostgres();
  const { rules } = await alertRun({ DATABASE_URL, n_events: 2_000, n_kills: 3, quiet_s: 1, seed: 5 }, 80_000);
  for (const [name, { live, shown, expected }] of Object.entries(rules)) {
    expect([name, expected.length > 0]).toEqual([name, true]);
    expect([name, shown]).toEqual([name, expected]);
    expect([name, live]).toEqual([name, expected]);
  }
});
