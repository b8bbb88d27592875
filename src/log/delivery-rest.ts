/** Writers come first: how long a delivery rests between two steps while its process stores events. The log is the buffer. */
import { pause } from '../http/pause.ts';
import { type AppendMeter, busyMs } from './append-meter.ts';

export const restLimits = {
  /** How much longer than their own work deliveries rest, while this process does nothing but store events. */
  factor: 19,
  ms_max: 10_000,
  /** How often one that rests looks whether events are still stored, and for which share of the time they must be. */
  look_ms: 250,
  share_min: 0.1,
} as const;

export type StepTimes = { step_ms: number; answering_ms: number; storing_ms: number };

/**
 * How long a delivery that is alone rests after a step: not at all while nobody writes, and the longer the more of the
 * step's time this process was storing events. Waiting for the far side is no work.
 */
export function rest_ms({ step_ms, answering_ms, storing_ms }: StepTimes): number {
  if (step_ms <= 0) return 0;
  return restLimits.factor * Math.min(1, storing_ms / step_ms) * (step_ms - answering_ms);
}

/** Rests for so long, within the limit, or until the writers pause. */
export async function rest(ms: number, appends: AppendMeter, stopped: AbortSignal): Promise<void> {
  const { ms_max, look_ms, share_min } = restLimits;
  for (let left_ms = Math.min(ms, ms_max); left_ms > 0 && !stopped.aborted; left_ms -= look_ms) {
    const [slice_ms, before_ms] = [Math.min(left_ms, look_ms), busyMs(appends)];
    await pause(slice_ms, stopped);
    if (busyMs(appends) - before_ms < share_min * slice_ms) return;
  }
}
