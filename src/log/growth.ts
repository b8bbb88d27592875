/** How the log grows: the events that were stored in the last days, and the events of each month. */
import { eq, sql } from 'drizzle-orm';
import type { Reads } from './reads.ts';
import { rollup } from './rollup-rows.ts';
import { logBatches, logRollupMonth } from './schema.ts';

export const growth_days = [1, 7, 30] as const;

/** The events that were stored within the last `days`. */
export type Growth = { days: number; events: number };

/** The events of each month of their timestamps, by `YYYY_MM`; '' has those with an infinite timestamp. */
export type MonthCounts = ReadonlyMap<string, number>;

/**
 * The events of a partition by its name: of a month, of the months of a gap, or of all times that no other partition of
 * the list has.
 */
export function eventsOf(partition: string, partitions: readonly string[], counts: MonthCounts): number {
  const isIn = (name: string, month: string) => {
    const [, from = '', until] = /^activity_logs_(\d{4}_\d{2})(?:_until_(\d{4}_\d{2}))?$/.exec(name) ?? [];
    return until ? from <= month && month < until : from === month;
  };
  const others = partitions.filter((name) => /\d/.test(name));
  const isOwn = (month: string) =>
    others.includes(partition) ? isIn(partition, month) : !others.some((name) => month !== '' && isIn(name, month));
  return [...counts].reduce((sum, [month, n]) => (isOwn(month) ? sum + n : sum), 0);
}

export function growthOf(reads: Reads) {
  /**
   * Bisects the ids for the last one that was stored before each of the days: `committed_at` has no index, and ascends
   * with the ids. About 24 steps for ten million events, each a look at the primary key.
   */
  async function growth(): Promise<Growth[]> {
    const days = sql.join(
      growth_days.map((n) => sql`(${n}::integer)`),
      sql`, `,
    );
    const head = sql`coalesce((select max(last_id) from ${logBatches}), 0)`;
    return reads((db) =>
      db
        .select({ days: sql`grown.days`.mapWith(Number), events: sql`grown.events`.mapWith(Number) })
        .from(
          sql`(with recursive bisect(days, low, high) as (
            select d.days, 0::bigint, ${head} + 1 from (values ${days}) as d(days)
            union all
            select s.days, case when s.earlier then s.mid else s.low end, case when s.earlier then s.high else s.mid end
            from (
              select b.*, (b.low + b.high) / 2 as mid,
                (select l.committed_at from ${logBatches} l where l.last_id >= (b.low + b.high) / 2 order by l.last_id limit 1)
                  < now() - make_interval(days => b.days) as earlier
              from bisect b where b.high - b.low > 1
            ) s
          ) select bisect.days, ${head} - bisect.low as events from bisect where bisect.high - bisect.low <= 1) as grown`,
        )
        .orderBy(sql`grown.days`),
    );
  }

  /** Counted up to the cursor of the rollup. */
  async function months(): Promise<MonthCounts> {
    const rows = await reads((db) =>
      db
        .select({
          month: sql<string>`coalesce(to_char(${logRollupMonth.month} at time zone 'UTC', 'YYYY_MM'), '')`,
          n: sql`sum(${logRollupMonth.n})`.mapWith(Number),
        })
        .from(logRollupMonth)
        .where(eq(logRollupMonth.version, rollup.version))
        .groupBy(sql`1`),
    );
    return new Map(rows.map(({ month, n }) => [month, n]));
  }

  return { growth, months };
}
