/** The patterns of the descriptions: what is derived, and the counts of one moment. */
import { eq, type SQL, sql } from 'drizzle-orm';
import { takingTurns } from '../../log/deadlines.ts';
import { patternKey } from '../../log/filter.ts';
import { patternCursor, patternGap, patterns } from '../../log/pattern-counts.ts';
import { activityLogs as log, logBatches, logPattern } from '../../log/schema.ts';
import type { Store } from '../../log/store.ts';

export const patternLimits = {
  /** Patterns of a service that are counted by themselves (pattern_rows in the migration): the first ones. */
  service_keys_max: 5_000,
  /** The most frequent keys of an answer. The others are summed. */
  keys_max: 5_000,
} as const;

/** What all later patterns of a service are counted under. */
export const other = 'other';

export type Counted = { service: string; key: string; text: string; n: number; first_id: number; last_id: number };
/** `upto`: the id up to which all entries are counted. `head`: the newest id. `n`: the sum of all rows, listed or not. */
export type Counts = { rows: Counted[]; upto: number; head: number; n: number };

type Row = { [K in keyof Counted]: unknown } & { upto: unknown; head: unknown };

const place = sql`(
  select head, cursor, case when head - cursor <= ${patternGap.ids_max} then head else cursor end as upto
  from (
    select coalesce((select ${logBatches.last_id} from ${logBatches} order by ${logBatches.last_id} desc limit 1), 0) as head,
      coalesce(${patternCursor}, 0) as cursor
  ) as ends
)`;

/** The rows of a statement, whichever driver. */
const rowsOf = (result: unknown): Row[] =>
  (Array.isArray(result) ? result : (result as { rows: unknown[] }).rows) as Row[];

/**
 * The counts by pattern, of one service or of all, the most frequent first: what is derived and, unless there are too many,
 * the entries above it. One statement, so one snapshot.
 */
export async function countsByPattern({ reads }: Pick<Store, 'reads'>, service: string | null): Promise<Counts> {
  const ofService: SQL = service === null ? sql`true` : sql`service = ${service}`;
  const result = await takingTurns(reads, () =>
    reads((db) =>
      db.execute(sql`
        with place as materialized ${place},
        counted as materialized (
          select service, key, min(text) as text, sum(n) as n, min(first_id) as first_id, max(last_id) as last_id
          from (
            select service, key, text, n, first_id, last_id from ${logPattern}
            where ${logPattern.version} = ${patterns.version} and (select cursor from place) > 0
            union all
            select p.* from place cross join lateral pattern_rows(cursor, upto, ${patterns.version}) p
          ) as parts where ${ofService} group by service, key
        )
        (select null as service, '' as key, '' as text, (select coalesce(sum(n), 0) from counted) as n, 0 as first_id,
          0 as last_id, upto, head from place)
        union all
        (select *, 0, 0 from counted order by key = ${other} desc, n desc, first_id limit ${patternLimits.keys_max})`),
    ),
  );
  const rows = rowsOf(result);
  const all = rows.find(({ service }) => service === null);
  const counted = rows.flatMap(({ service, key, text, n, first_id, last_id }) =>
    service === null
      ? []
      : [{ service, key, text, n: Number(n), first_id: Number(first_id), last_id: Number(last_id) } as Counted],
  );
  return { rows: counted, upto: Number(all?.upto), head: Number(all?.head), n: Number(all?.n) };
}

/** The key of an event's pattern; null where the log has no such event. */
export async function keyOfEvent({ reads }: Pick<Store, 'reads'>, id: number): Promise<string | null> {
  const [found] = await reads((db) => db.select({ key: patternKey }).from(log).where(eq(log.id, id)));
  return found?.key ?? null;
}
