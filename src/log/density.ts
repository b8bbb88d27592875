/** Whether ids are dense: each id once, in the batches and in the log itself. */
import { and, gt, lte, sql } from 'drizzle-orm';
import type { Reads } from './reads.ts';
import { activityLogs as log, logBatches } from './schema.ts';

/** Ids that one check counts. A log of ten million is checked whole by 5,000 checks, each of a few milliseconds. */
const stretch_ids = 2_000;

/**
 * Checks the newest 100 batches, the newest ids, and one more stretch of ids, which moves through the log from check to
 * check. The batches alone would not show a row that was inserted or deleted past append_logs. Resolves to the reason
 * when an id is missing or was given twice, else to null. It is a reader: a slow check must not hold a writer's connection.
 */
export function densityCheck(reads: Reads): (head: number) => Promise<string | null> {
  let from = 0;

  async function batchesFault(): Promise<boolean> {
    const [seen] = await reads((db) =>
      db
        .select({
          dense: sql<boolean>`not exists (select from (select ${logBatches.last_id} - ${logBatches.n} as first, lead(${logBatches.last_id}) over (order by ${logBatches.last_id} desc) as previous from ${logBatches} order by ${logBatches.last_id} desc limit 100) b where b.previous is not null and b.previous <> b.first)`,
        })
        .from(sql`(select) as nothing`),
    );
    return !seen?.dense;
  }

  async function stretchFault(after: number, upto: number): Promise<boolean> {
    const [seen] = await reads((db) =>
      db
        .select({ rows: sql`count(*)`.mapWith(Number), ids: sql`count(distinct ${log.id})`.mapWith(Number) })
        .from(log)
        .where(and(gt(log.id, after), lte(log.id, upto))),
    );
    return seen?.rows !== upto - after || seen.ids !== upto - after;
  }

  return async (head) => {
    if (await batchesFault()) return 'The log has a gap or an overlap: ids were handed out twice or lost.';
    if (from >= head) from = 0;
    const stretches = [
      [Math.max(0, head - stretch_ids), head],
      [from, Math.min(head, from + stretch_ids)],
    ] as const;
    for (const [after, upto] of stretches)
      if (await stretchFault(after, upto))
        return `The log has a gap or an overlap between the ids ${after + 1} and ${upto}: rows were inserted or deleted past append_logs.`;
    from += stretch_ids;
    return null;
  };
}
