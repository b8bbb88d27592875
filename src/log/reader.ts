/** Readers of the log: each derives rows from the entries in the order of their ids, and keeps its cursor beside them. */
import { sql } from 'drizzle-orm';
import { pause } from '../http/pause.ts';
import type { Database } from './schema.ts';

export const readerLimits = {
  /** Ids of one step. Steps of 20,000 cost a tenth of steps of 200 for each entry. */
  step_ids_max: 20_000,
  /** PGlite runs in the process: a step holds the event loop, of 5,000 ids for up to 640 ms, of 2,000 for up to 230 ms. */
  embedded_step_ids_max: 2_000,
  /** The interval of the steps of a reader that has caught up. */
  step_ms: 1_000,
  /** The longest pause after a failure, and the interval in which failures are logged. */
  retry_ms_max: 60_000,
} as const;

/**
 * What a reader derives, as the functions `derive_<name>_<version>` and `forget_<name>` of the migrations. The same log
 * must give the same rows, whatever the step sizes and restarts. A new version starts at id 0 beside the old one, and
 * takes the name when it has caught up.
 */
export type Derivation = { name: string; version: number };

/** The number of ids that a step has read, and how many remain after it. */
export type Step = { n_ids: number; remaining: number };

/**
 * One step of a reader: reads the next ids, at most `ids_max`, unless fewer than `ids_min` are new. Any number of
 * instances may call it: who finds another one in a step does nothing. One statement and no transaction around it, so
 * that a lost connection leaves neither half a step nor an open transaction.
 */
export async function stepReader(
  db: Database,
  { name, version }: Derivation,
  ids_max: number = readerLimits.step_ids_max,
  ids_min = 1,
): Promise<Step> {
  const [step] = await db
    .select({
      n_ids: sql<number>`step.n_ids`.mapWith(Number),
      remaining: sql<number>`step.remaining`.mapWith(Number),
    })
    .from(sql`step_reader(${name}, ${version}::integer, ${ids_max}::bigint, ${ids_min}::bigint) as step`);
  return step ?? { n_ids: 0, remaining: 0 };
}

/** What a loop steps: a derivation with its database. */
export type Reader = { name: string; step(): Promise<Step> };

/**
 * Steps all readers until the signal fires, one after the other: together, their catch-ups would take all connections of the
 * writers. Once a second, and during a catch-up after a pause as long as the steps, so that writers get the same time. A
 * reader that fails is logged at once, then at most once a minute, and is left out for a time that doubles; the others go on.
 * Resolves after the last step has ended.
 */
export async function runReaders(
  readers: readonly Reader[],
  report: (what: string, error: unknown) => void,
  stopped: AbortSignal,
): Promise<void> {
  const { step_ms, retry_ms_max } = readerLimits;
  const states = readers.map((reader) => ({
    ...reader,
    due: 0,
    retry_ms: step_ms as number,
    reported_at: Number.NEGATIVE_INFINITY,
  }));
  while (!stopped.aborted) {
    const round = performance.now();
    let isBehind = false;
    for (const state of states) {
      const started = performance.now();
      if (stopped.aborted || started < state.due) continue;
      try {
        const { remaining } = await state.step();
        isBehind ||= remaining > 0;
        state.retry_ms = step_ms;
      } catch (error) {
        if (!stopped.aborted && started - state.reported_at >= retry_ms_max) {
          report(`the reader ${state.name} cannot step`, error);
          state.reported_at = started;
        }
        state.due = performance.now() + state.retry_ms;
        state.retry_ms = Math.min(state.retry_ms * 2, retry_ms_max);
      }
    }
    await pause(isBehind ? Math.min(step_ms, performance.now() - round) : step_ms, stopped);
  }
}
