/** What the sealer needs, from the parts of the app. */
import type { Parts } from '../../parts.ts';
import { type Sealer, sealerOf } from './sealer.ts';

export type ProofParts = Pick<Parts, 'store' | 'sha256' | 'anchors' | 'report'> & {
  limits: Pick<Parts['limits'], 'SEAL_KEYS'>;
};

export const proofSealerOf = ({ store, sha256, anchors, report, limits }: ProofParts): Sealer =>
  sealerOf({ store, sha256, keys: limits.SEAL_KEYS, anchors, report });
