/** Random panels in small: `npm run test:faults -- panels` is the same with 200 of them in a longer log. */
import { expect, it } from 'vitest';
import { demoHistory } from '../../../src/commands/demo-shop.ts';
import { startService } from '../../support/harness.ts';
import { panelClaims } from '../../support/panel-claims.ts';

const seed = Math.floor(Math.random() * 2 ** 31);
const rounds_max = 8;
const service = await startService('postgres');
const history = demoHistory({ n_events: 1_500, days: 60, seed, now_ms: Date.now() });
while (history.length > 0) await service.write(history.splice(0, 1_000));

it(`each number of random panels is a recount of the export, and the total of the list behind it (seed ${seed})`, async () => {
  const ask = (path: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    headers.set('origin', service.url);
    return service.request(path, { ...init, headers });
  };
  // The panels of a seed may be empty for the most part: others are asked for until enough numbers were compared.
  let [numbers, lists] = [0, 0];
  for (let round = 0; round < rounds_max && (numbers <= 100 || lists <= 25); round += 1) {
    const found = await panelClaims(ask, 25, seed + round, 6);
    expect(found.wrong).toEqual([]);
    numbers += found.numbers;
    lists += found.lists;
  }
  expect([numbers > 100, lists > 25]).toEqual([true, true]);
});
