/** The events of a trace, as the picture needs them: without metadata, whose size has no part in it. */
import { asc, eq, sql } from 'drizzle-orm';
import { limited } from '../../log/literals.ts';
import { type Entry, activityLogs as log, logUids } from '../../log/schema.ts';
import type { Store } from '../../log/store.ts';
import { rowColumns, storedRows, toEntry } from '../../log/stored-row.ts';

const description_chars_max = 200;

/** The first `rows_max` events of a trace in the order of their time. One index has them in this order. */
export async function eventsOfTrace(store: Store, trace_id: string, rows_max: number): Promise<Entry[]> {
  const rows = await store.reads((db) =>
    storedRows(
      db,
      limited(
        db
          .select({
            ...rowColumns,
            description: sql<string | null>`left(${log.description}, ${description_chars_max})`.as('description'),
            metadata: sql<null>`null::text`.as('metadata'),
            user_agent: sql<null>`null::text`.as('user_agent'),
          })
          .from(log)
          .where(eq(log.trace_id, trace_id))
          .orderBy(asc(log.timestamp), asc(log.id)),
        rows_max,
      ),
    ),
  );
  return rows.map(toEntry);
}

/** The id of the event that `caused_by` names, by its event_uid or its id; null where there is none. */
export async function idOfCause(store: Store, caused_by: string): Promise<number | null> {
  const [named] = await store.reads((db) =>
    db.select({ id: logUids.id }).from(logUids).where(eq(logUids.event_uid, caused_by)).limit(1),
  );
  if (named) return named.id;
  const id = /^[1-9]\d{0,15}$/.test(caused_by) ? Number(caused_by) : 0;
  return id > 0 && id <= (await store.head()) ? id : null;
}
