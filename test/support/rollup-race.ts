/** The rollup under racing writers, late events, several reading instances, and readers that are killed in a step. */
import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { isTransient } from '../../src/http/problem.ts';
import type { Database } from '../../src/log/schema.ts';
import { createStore } from '../../src/log/store.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { answers, describeQuestion, event, question, wrongRows } from '../log/rollup-oracle.ts';

export type RaceResult = {
  /** Questions that were answered from the rollup and compared with a recount, and those that differed. */
  checks: number;
  mismatches: string[];
  steps: number;
  /** Steps that ended with their connection. */
  killed: number;
  events: number;
  /** Rows of the rollup at the end that differ from a count of the log. */
  wrong_rows: number;
};

const n_writers = 3;
const n_readers = 3;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const random = (n: number) => Math.floor(Math.random() * n);

/** Races on an empty, migrated database until `isOver` says so, which is asked after each check. */
export async function raceRollup(url: string, isOver: (checks: number) => boolean): Promise<RaceResult> {
  const result: RaceResult = { checks: 0, mismatches: [], steps: 0, killed: 0, events: 0, wrong_rows: 0 };
  const databases = Array.from({ length: n_readers + 1 }, () => openPostgres(url, 4));
  const [main, ...instances] = databases.map(({ db }) => ({ db, store: createStore(db) }));
  if (!main) throw new Error('no database');
  let over = false;

  async function write(): Promise<void> {
    while (!over) {
      const events = fc.sample(event, { numRuns: 1 + random(40) });
      result.events += (await main?.store.append(events as never))?.length ?? 0;
      await pause(random(30));
    }
  }
  async function read({ store }: { store: ReturnType<typeof createStore> }): Promise<void> {
    while (!over) {
      try {
        result.steps += Number((await store.rollUp(1 + random(200))).n_ids > 0);
      } catch (error) {
        if (!isTransient(error)) throw error;
        result.killed += 1;
      }
      await pause(random(20));
    }
  }
  async function kill(db: Database): Promise<void> {
    while (!over) {
      await db.execute(sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and state = 'active' and query like '%step_reader%'`);
      await pause(random(60));
    }
  }
  async function check(db: Database): Promise<void> {
    const [asked] = fc.sample(question, 1);
    if (!asked) return;
    const { rolled, counted } = await answers(db, asked);
    if (!rolled) return;
    result.checks += 1;
    if (JSON.stringify(rolled) !== JSON.stringify(counted))
      result.mismatches.push(`${describeQuestion(asked)}\n${JSON.stringify(rolled)}\n${JSON.stringify(counted)}`);
  }
  async function checkUntilOver(): Promise<void> {
    try {
      while (!isOver(result.checks)) await check(main?.db as Database);
    } finally {
      over = true;
    }
  }

  try {
    await Promise.all([
      checkUntilOver(),
      kill(main.db),
      ...Array.from({ length: n_writers }, write),
      ...instances.map(read),
    ]);
    while ((await main.store.rollUp()).remaining > 0);
    const [seen] = await main.db.select({ wrong: wrongRows }).from(sql`(select) as nothing`);
    result.wrong_rows = seen?.wrong ?? -1;
    return result;
  } finally {
    await Promise.all(databases.map(({ close }) => close()));
  }
}
