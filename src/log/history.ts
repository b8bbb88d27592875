/** Which log this is and how far it goes: the newest position, and whether a position is of this log. */

import { asc, desc, eq, gte, sql } from 'drizzle-orm';
import { limited, literal } from './literals.ts';
import { type Position, positionOf } from './position.ts';
import type { Reads } from './reads.ts';
import {
  activityInbox,
  activityInboxRefused,
  type Database,
  activityLogs as log,
  logBatches,
  logIdentity,
} from './schema.ts';
import { rowColumns, toEntry } from './stored-row.ts';

/** Which log this is, and the position of its newest entry. */
export type Newest = Position & { log_id: string };

/** What one poll reads. */
export type PollState = {
  newest: Newest;
  /** When the batch with the id `known` was committed: another time than before means another history. */
  known_at_ms: number | null;
  /** Whether rows wait in the inbox. */
  waiting: boolean;
  /** The newest row of the inbox that the log refused. */
  refused: number | null;
};

const numberOrNull = (value: unknown) => (value === null ? null : Number(value));

/** Reads the newest batch along the key: each page of the list asks this, whatever the number of batches. */
export function newestQuery(db: Database) {
  const last = db
    .select({ id: logBatches.last_id, at: logBatches.committed_at })
    .from(logBatches)
    .orderBy(desc(logBatches.last_id));
  return db
    .select({
      log_id: logIdentity.log_id,
      id: sql`last.last_id`.mapWith(numberOrNull),
      at: sql<string | null>`last.committed_at`,
    })
    .from(logIdentity)
    .leftJoin(sql`(${limited(last, 1)}) as last`, sql`true`);
}

export function historyOf(db: Database, reads: Reads) {
  /** The position of the newest entry, id 0 in an empty log; and which log it is. */
  async function newest(): Promise<Newest> {
    const [seen] = await reads(newestQuery);
    if (!seen) throw new Error('log_identity has no row');
    return { log_id: seen.log_id, id: seen.id ?? 0, at_ms: seen.at === null ? null : Date.parse(seen.at) };
  }

  /** The id of the newest entry; 0 in an empty log. Ids are dense, so it is also how many there are. */
  const head = async (): Promise<number> => (await newest()).id;

  /** When the batch with this id was committed, in epoch ms, and which log this is; null where the log has no such id. */
  async function batchOf(id: number): Promise<{ log_id: string; at_ms: number } | null> {
    const [seen] = await reads((from) =>
      from
        .select({ log_id: logIdentity.log_id, at: logBatches.committed_at })
        .from(logBatches)
        .innerJoin(logIdentity, sql`true`)
        .where(gte(logBatches.last_id, id))
        .orderBy(asc(logBatches.last_id))
        .limit(1),
    );
    return seen && id > 0 ? { log_id: seen.log_id, at_ms: Date.parse(seen.at) } : null;
  }

  /** Whether a position is of this log. A bare id is taken as one. */
  async function isOwn({ id, at_ms }: Position): Promise<boolean> {
    if (at_ms === null) return true;
    if ((await batchOf(id))?.at_ms === at_ms) return true;
    // An entry that was taken over from an older table is older than its batch.
    const [row] = await reads((from) => from.select(rowColumns).from(log).where(eq(log.id, id)).limit(1));
    return row !== undefined && positionOf(toEntry(row)).at_ms === at_ms;
  }

  /** What a poll reads, in one statement. */
  async function pollState(known: number): Promise<PollState> {
    const at = sql`(extract(epoch from ${logBatches.committed_at}) * 1000)::bigint`;
    const last = sql`from ${logBatches} order by ${logBatches.last_id} desc limit 1`;
    const covering = sql`from ${logBatches} where ${logBatches.last_id} >= ${literal(known)} order by ${logBatches.last_id} limit 1`;
    const [seen] = await db
      .select({
        log_id: logIdentity.log_id,
        id: sql`coalesce((select ${logBatches.last_id} ${last}), 0)`.mapWith(Number),
        at_ms: sql`(select ${at} ${last})`.mapWith(numberOrNull),
        known_at_ms: sql`(select ${at} ${covering})`.mapWith(numberOrNull),
        waiting: sql<boolean>`exists (select from ${activityInbox})`,
        refused: sql`(select max(${activityInboxRefused.n}) from ${activityInboxRefused})`.mapWith(numberOrNull),
      })
      .from(logIdentity);
    if (!seen) throw new Error('log_identity has no row');
    const { known_at_ms, waiting, refused, ...newest } = seen;
    return { newest, known_at_ms, waiting, refused };
  }

  return { newest, head, batchOf, isOwn, pollState };
}
