/** A Splunk with acknowledgement: our restart between answer and ack sends nothing again, and a forgotten ack one batch. */
import { ackRun } from '../support/sinks/ack-run.ts';
import type { FaultRun } from './run.ts';

export const splunk: FaultRun = async ({ fresh, say, args: [n_kills = '20'] }) => {
  const run = { DATABASE_URL: await fresh(), n_kills: Number(n_kills), early_every: 5, waits: true };
  const result = await ackRun({ ...run, say }, 20 * 60_000);
  return {
    numbers: result,
    claims: {
      'a restart between answer and ack sends nothing again': result.sent_again_by_kills === 0,
      'an indexer that forgets gets one batch again, once':
        result.forgotten > 0 && result.batches_again === 1 && result.sent_again_by_forgetting === result.forgotten,
      'it is sent again after 5 minutes': result.waited_s >= 300,
      'no event is lost': result.lost === 0,
      'each request was as the protocol says': result.faults.length === 0,
    },
  };
};
