/** Kills while objects are written: together they are the log's export, byte for byte, and none was ever other bytes. */
import { bucketRun } from '../support/sinks/bucket-run.ts';
import type { FaultRun } from './run.ts';

export const s3: FaultRun = async ({ fresh, say, args: [n_kills = '50'] }) => {
  const run = { DATABASE_URL: await fresh(), n_kills: Number(n_kills), n_events_min: 50_000, lease_ms: 2_000, seed: 3 };
  const { stores, ...numbers } = await bucketRun({ ...run, say }, 30 * 60_000);
  return {
    numbers: { ...numbers, stores },
    claims: {
      'the objects, by name, are the export byte for byte': stores.every(({ isExport }) => isExport),
      'no object was written with other bytes, and each request was signed': stores.every(
        ({ faults }) => faults.length === 0,
      ),
      'objects were written again, with the same bytes': stores.some(({ written_again }) => written_again > 0),
    },
  };
};
