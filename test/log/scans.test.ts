/** Reads that may scan the log: one at a time in a process, so that writers keep the processors of the database. */
import { sql } from 'drizzle-orm';
import { afterAll, describe, expect, it } from 'vitest';
import { deadlineLimits, takingTurns } from '../../src/log/deadlines.ts';
import { readFilter } from '../../src/log/filter.ts';
import { listLimits, listOf } from '../../src/log/list.ts';
import { readPage } from '../../src/log/paging.ts';
import type { Reads } from '../../src/log/reads.ts';
import { createStore } from '../../src/log/store.ts';
import { totalLimits } from '../../src/log/total.ts';
import { readWindows, wholeLimits } from '../../src/log/whole-reads.ts';
import { openPostgres } from '../../src/runtime/postgres.ts';
import { freshPostgres } from '../support/harness.ts';

const open = openPostgres(await freshPostgres(), 12);
afterAll(open.close);
const store = createStore(open.db, open.reads);
const events = 40;
await open.db.execute(sql`select count(*) from append_logs((
  select jsonb_agg(jsonb_build_object('event_type', 'UPDATE', 'entity_type', 'order', 'user_id', 'u' || n % 3))
  from generate_series(1, ${events}::int) n))`);

/** Reads that know how many run at once. */
function countedReads(deadline_ms: number | null) {
  const running = { now: 0, most: 0 };
  const reads: Reads = Object.assign(
    async <T>(run: Parameters<typeof open.reads<T>>[0]) => {
      running.now += 1;
      running.most = Math.max(running.most, running.now);
      return open.reads(run).finally(() => {
        running.now -= 1;
      });
    },
    { deadline_ms },
  );
  return { reads, running };
}

const filter = readFilter(new URLSearchParams('user_id!=u1&search=nowhere'));
const page = readPage(new URLSearchParams('limit=5'));
/** No way to read but windows. */
const windows = { ...listLimits, short_rows_max: 0, rare_rows_max: 0 };

describe('scans', () => {
  it('of many searches run one at a time', async () => {
    const { reads, running } = countedReads(null);
    const { page: search } = listOf(reads, store.head, windows);
    const found = await Promise.all(Array.from({ length: 10 }, () => search(filter, page)));
    expect(found.map(({ logs }) => logs)).toEqual(Array.from({ length: 10 }, () => []));
    expect(running.most).toBe(1);
  });

  it('of more readers than may wait are refused, and those that wait are answered', async () => {
    const { reads } = countedReads(null);
    const { running_max: _, scans_running_max, waiting_max } = deadlineLimits;
    const asked = Array.from({ length: scans_running_max + waiting_max + 1 }, (_, i) =>
      takingTurns(reads, async () => i),
    );
    const answers = await Promise.allSettled(asked);
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(scans_running_max + waiting_max);
    expect(answers.at(-1)).toMatchObject({ status: 'rejected', reason: { status: 503 } });
  });

  it('that are long let others have their turn between two windows', async () => {
    const { reads } = countedReads(null);
    const n_windows = 5;
    const order: string[] = [];
    let other: Promise<void> | undefined;
    const long = readWindows(reads, n_windows * wholeLimits.embedded_window_ids, async () => {
      order.push('window');
      other ??= takingTurns(reads, async () => void order.push('other'));
    });
    expect(await long).toBe(0);
    await other;
    expect(order).toEqual(['window', 'other', ...Array.from({ length: n_windows - 1 }, () => 'window')]);
  });
});

/** Locks the log against everything for so long; resolves when it is locked. */
async function lockLog(ms: number): Promise<{ holding: Promise<void> }> {
  let locked: (() => void) | undefined;
  const isLocked = new Promise<void>((resolve) => {
    locked = resolve;
  });
  const holding = open.db.transaction(async (tx) => {
    await tx.execute(sql`lock table activity_logs in access exclusive mode`);
    locked?.();
    await new Promise((resolve) => setTimeout(resolve, ms));
  });
  await isLocked;
  return { holding };
}

it('the total of a list of a short log is exact, also when the database is busy for longer than counting may take', async () => {
  const { holding } = await lockLog(3 * totalLimits.total_ms_max);
  const users = readFilter(new URLSearchParams('user_id=u2'));
  expect(await store.total(users, events, 'fast')).toEqual({ total: Math.floor(events / 3), total_is_exact: true });
  await holding;
});

describe('the statistics and the exact total of a filter that the rollup does not know', () => {
  const users = readFilter(new URLSearchParams('user_id!=u1'));
  const n = events - Math.ceil(events / 3);
  const exact = async () => {
    const { by_event_type, total_logs } = await store.stats(users);
    return [by_event_type, total_logs, await createStore(open.db, open.reads).total(users, events, 'exact')];
  };
  const expected = [{ UPDATE: n }, n, { total: n, total_is_exact: true }];

  it('are exact', async () => expect(await exact()).toEqual(expected));

  it('are exact also where one statement takes too long: they are then counted in windows', async () => {
    // Each first statement waits for the lock until its deadline.
    const { holding } = await lockLog(2 * deadlineLimits.statement_ms_max);
    expect(await exact()).toEqual(expected);
    await holding;
  });
});
