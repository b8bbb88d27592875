/** How a delivery goes, in one word. */
import type { DeliveryState } from './delivery-rows.ts';

export type Status = 'up to date' | 'behind' | 'failing' | 'held' | 'paused';

export function statusOf({ status, attempts, lag_events }: DeliveryState): Status {
  if (status === 'paused' || status === 'held') return status;
  if (attempts > 0) return 'failing';
  return lag_events === 0 ? 'up to date' : 'behind';
}
