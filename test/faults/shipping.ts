/** 50 kills and 8 pauses while 90,000 events go to a far side with faults: none is lost, doubled or wrongly refused. */
import { killRun } from '../support/sinks/kill-run.ts';
import type { FaultRun } from './run.ts';

const run = { n_events: 90_000, n_kills: 50, n_pauses: 8, n_poison: 50, lease_ms: 4_000, seed: 7 };

export const shipping: FaultRun = async ({ fresh, say }) => {
  const { refused, poison, ...numbers } = await killRun({ ...run, DATABASE_URL: await fresh(), say }, 40 * 60_000);
  return {
    numbers: { ...numbers, refused: refused.length, poison: poison.length },
    claims: {
      'no event is lost': numbers.lost === 0,
      'no event is there twice': numbers.doubled === 0,
      'at most 10 % were sent again': numbers.sent_again_percent <= 10,
      'exactly the poison is refused': JSON.stringify(refused) === JSON.stringify(poison),
      'each request was as the protocol says': numbers.faults.length === 0,
    },
  };
};
