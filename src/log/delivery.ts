/** Deliveries: readers of the log that send it elsewhere. Finds what is due, and does several at once; keeps no state. */
import { pause } from '../http/pause.ts';
import { busyMs } from './append-meter.ts';
import { rest, rest_ms } from './delivery-rest.ts';
import { type StepParts, stepDelivery } from './delivery-step.ts';

export const loopLimits = {
  /** How often it looks for what is due, and the shortest interval when events arrive. */
  look_ms: 1_000,
  look_ms_min: 200,
  /** Deliveries at the same time. */
  running_max: 4,
  /** How long one of them may go on while others wait. */
  turn_ms: 10_000,
  /** The length of a pass, where a platform wakes the process up for each. */
  pass_ms: 20_000,
  /** The steps of a pass, each with at most one request: Cloudflare allows 50 requests for each time that a Worker is woken. */
  pass_steps_max: 40,
  /** When the next pass is due after one that failed. */
  pass_retry_ms: 5_000,
  /** How long a request may still take when the process ends. */
  grace_ms: 2_000,
  /** How long the loop waits in all for what runs, when the process ends. */
  end_ms: 5_000,
  /** The interval in which failures of the database are logged. */
  report_ms: 60_000,
} as const;

export type DeliveryLoop = {
  /** Says that events were appended: a hint. */
  wake(): void;
  /** Resolves when everything that runs has ended, after the signal. */
  ended: Promise<void>;
};

/** Delivers until the signal fires. */
export function runDeliveries(parts: StepParts, stopped: AbortSignal): DeliveryLoop {
  let sleeping = new AbortController();
  const running = new Map<string, Promise<void>>();
  const giveUp = new AbortController();
  const report = rarely(parts.report);

  async function look(): Promise<void> {
    const due = await parts.store.deliveries.due(parts.me, loopLimits.running_max + running.size);
    for (const name of due) {
      if (running.size >= loopLimits.running_max) return;
      if (running.has(name)) continue;
      const turn = takeTurn(parts, name, stopped, giveUp.signal, () => running.size)
        .then((due_ms) => {
          // Sooner than at the next look; a longer wait ends with one.
          if (due_ms !== null && due_ms < loopLimits.look_ms) setTimeout(() => sleeping.abort(), due_ms);
        })
        .catch((error) => {
          if (!stopped.aborted) report(`the delivery ${name} cannot step`, error);
        })
        .finally(() => running.delete(name));
      running.set(name, turn);
    }
  }

  async function loop(): Promise<void> {
    while (!stopped.aborted) {
      sleeping = new AbortController();
      await look().catch((error) => {
        if (!stopped.aborted) report('the deliveries cannot be looked at', error);
      });
      await pause(loopLimits.look_ms_min, stopped);
      if (!stopped.aborted) await pause(loopLimits.look_ms - loopLimits.look_ms_min, sleeping.signal);
    }
    const late = setTimeout(() => giveUp.abort(), loopLimits.grace_ms);
    const ended = new AbortController();
    // What does not end then either is left behind: its lease runs out, and another process goes on.
    await Promise.race([Promise.all(running.values()), pause(loopLimits.end_ms, ended.signal)]);
    ended.abort();
    clearTimeout(late);
  }

  stopped.addEventListener('abort', () => sleeping.abort());
  return {
    // Each append calls it, and each call of `abort` makes an error with a stack, also when it was called before.
    wake: () => {
      if (!sleeping.signal.aborted) sleeping.abort();
    },
    ended: loop(),
  };
}

/** Steps of one delivery until none is due, for at most one turn. Resolves to when the next one is due, as `stepDelivery`. */
async function takeTurn(
  parts: StepParts,
  name: string,
  stopped: AbortSignal,
  giveUp: AbortSignal,
  n_running: () => number,
  left: { until: number; steps: number } = { until: Number.POSITIVE_INFINITY, steps: Number.POSITIVE_INFINITY },
): Promise<number | null> {
  const until = Math.min(left.until, parts.now() + loopLimits.turn_ms);
  let due_ms: number | null = 0;
  const { appends } = parts.store;
  while (due_ms === 0 && !stopped.aborted && parts.now() < until && left.steps > 0) {
    left.steps -= 1;
    const [started, storing_ms] = [parts.now(), busyMs(appends)];
    let answering_ms = 0;
    const answered = (ms: number) => {
      answering_ms = ms;
    };
    due_ms = await stepDelivery({ ...parts, answered }, name, giveUp);
    const times = { step_ms: parts.now() - started, answering_ms, storing_ms: busyMs(appends) - storing_ms };
    // Also after the last step: with more readers than turns at the same time, those that wait are then as slow.
    await rest(n_running() * rest_ms(times), appends, stopped);
  }
  return due_ms;
}

export type DeliveryPasses = ReturnType<typeof deliveryPasses>;

/** Delivers in passes of bounded length, where a platform wakes a process up and lets it sleep. */
export function deliveryPasses(parts: StepParts) {
  const never = new AbortController().signal;
  let running: Promise<void> | null = null;
  let again = false;
  let next_ms: number | null = null;
  let hasAny = true;

  async function pass(): Promise<void> {
    const left = { until: parts.now() + loopLimits.pass_ms, steps: loopLimits.pass_steps_max };
    next_ms = loopLimits.pass_retry_ms;
    do {
      again = false;
      const due = await parts.store.deliveries.due(parts.me, loopLimits.running_max);
      if (due.length === 0) break;
      // All of them, also after one has failed: a pass that ended earlier would let the next one step the same delivery.
      const turns = await Promise.allSettled(
        due.map((name) => takeTurn(parts, name, never, never, () => due.length, left)),
      );
      const failed = turns.find((turn) => turn.status === 'rejected');
      if (failed) throw failed.reason;
    } while (parts.now() < left.until && left.steps > 0);
    const next = await parts.store.deliveries.nextDue();
    hasAny = next.hasAny;
    next_ms = again
      ? loopLimits.look_ms_min
      : next.due_ms === null
        ? null
        : Math.max(loopLimits.look_ms_min, next.due_ms);
  }

  return {
    /** One pass; a call while one runs waits for that one, after which the next is due at once. */
    run: (): Promise<void> => {
      if (running) again = true;
      running ??= pass().finally(() => {
        running = null;
      });
      return running;
    },
    /** When the next pass is due, after the last one; null when an append will say so. */
    get next_ms(): number | null {
      return next_ms;
    },
    /** False while there is no delivery at all: then an append need not look for one. */
    mayHaveWork: () => hasAny,
  };
}

/** Passes on the first report, and then one a minute. */
function rarely(report: StepParts['report']): StepParts['report'] {
  let last = Number.NEGATIVE_INFINITY;
  return (what, error) => {
    if (performance.now() - last < loopLimits.report_ms) return;
    last = performance.now();
    report(what, error);
  };
}
