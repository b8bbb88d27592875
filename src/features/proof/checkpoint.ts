/** The newest checkpoint, for a request. */
import { Problem } from '../../http/problem.ts';
import type { StoredCheckpoint } from '../../log/tiles.ts';
import type { Parts } from '../../parts.ts';
import { proofSealerOf } from './parts.ts';

/** Events that a request seals where no reader has done it yet. */
const seal_ids_max = 5_000;

/** The newest checkpoint. New events are sealed first, so that what a client has just written is in it. */
export async function newestCheckpoint(parts: Parts): Promise<StoredCheckpoint> {
  const { tiles } = parts.store;
  const { head, newest } = await tiles.sealed();
  if (newest && !parts.limits.PROOF) return newest;
  if (!parts.limits.PROOF) throw new Problem(404, 'This log is not sealed: PROOF is off.');
  const sealer = proofSealerOf(parts);
  // Once something was wrong, the newest checkpoint may be a forged one.
  if (newest?.size === head && sealer.fault() === null) return newest;
  await sealer.step(seal_ids_max).catch((error) => {
    if (sealer.fault() !== null) throw new Problem(503, `Nothing is sealed any more: ${sealer.fault()}.`);
    throw error;
  });
  const after = (await tiles.sealed()).newest;
  if (!after) throw new Problem(404, 'There is no checkpoint: the log has no events.');
  return after;
}
