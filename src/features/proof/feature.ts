/** Proof: the Merkle tree of the log, its signed checkpoints, and proofs of events that need nobody's trust. */
import type { Metric } from '../../http/metric.ts';
import type { Feature, Parts } from '../../parts.ts';
import { proofSealerOf } from './parts.ts';
import { rangeProofRoutes } from './range-routes.ts';
import { proofRoutes } from './routes.ts';

async function metrics(parts: Parts): Promise<Metric[]> {
  if (!parts.limits.PROOF) return [];
  const { head, newest } = await parts.store.tiles.sealed();
  const sealed = newest?.size ?? 0;
  return [
    {
      name: 'edgetrail_sealed_events',
      help: 'Events in the newest checkpoint',
      type: 'gauge',
      rows: [{ value: sealed }],
    },
    {
      name: 'edgetrail_unsealed_events',
      help: 'Events that are in no checkpoint yet',
      type: 'gauge',
      rows: [{ value: head - sealed }],
    },
    {
      name: 'edgetrail_seal_stopped',
      help: '1 while this process signs nothing, because the log is not what was sealed',
      type: 'gauge',
      rows: [{ value: proofSealerOf(parts).fault() === null ? 0 : 1 }],
    },
  ];
}

export const proof: Feature = {
  name: 'proof',
  routes: (app, parts) => {
    proofRoutes(app, parts);
    rangeProofRoutes(app, parts);
  },
  ofEvent: ({ id }) => [{ path: `/api/logs/${id}/proof`, label: 'Proof', right: 'read' }],
  metrics,
  readers: (parts) =>
    parts.limits.PROOF ? [{ name: 'seal', step: (ids_max) => proofSealerOf(parts).step(ids_max) }] : [],
};
