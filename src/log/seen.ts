/** First sights: the entry in which a user, a service or anybody first had a value. */
import { and, desc, eq, gte, inArray, lt, sql } from 'drizzle-orm';
import { unavailable } from '../http/problem.ts';
import { withTimeout } from './deadlines.ts';
import { isoOf } from './instant.ts';
import type { Derivation } from './reader.ts';
import type { Reads } from './reads.ts';
import { type Database, logSeen } from './schema.ts';

/**
 * The reader of first sights. It is of the log and of no feature: features do not import each other, and more than one
 * asks for it.
 */
export const seen: Derivation = { name: 'seen', version: 1 };

/**
 * What is seen of a subject. `action`: event type and entity type, as a JSON array, of anybody (the subject is ''), of a
 * service or of a user. `user_network`: the /24 of an IPv4 address, the /48 of an IPv6 address. `user_agent`: the browser,
 * or the first word of the user agent. `user_slot`: the two hours of the day (UTC), by their first one.
 */
export const seenKinds = [
  'action',
  'service_action',
  'user_action',
  'user_network',
  'user_agent',
  'user_slot',
] as const;
export type SeenKind = (typeof seenKinds)[number];

/** `value` is '' where the subject has more values than are kept. `first_at` is the entry's `timestamp`. */
export type Seen = { kind: SeenKind; subject: string; value: string; first_id: number; first_at: string };

export type SeenQuery = {
  kinds: readonly SeenKind[];
  subject?: string | undefined;
  /** In epoch ms; `before` is exclusive. */
  from?: number | undefined;
  before?: number | undefined;
  rows_max: number;
};

export function seenOf(reads: Reads) {
  async function found(db: Database, { kinds, subject, from, before, rows_max }: SeenQuery): Promise<Seen[]> {
    const rows = await db
      .select({
        kind: sql<SeenKind>`${logSeen.kind}`,
        subject: logSeen.subject,
        value: logSeen.value,
        first_id: logSeen.first_id,
        first_at: logSeen.first_at,
      })
      .from(logSeen)
      .where(
        and(
          eq(logSeen.version, seen.version),
          inArray(logSeen.kind, [...kinds]),
          subject === undefined ? undefined : eq(logSeen.subject, subject),
          from === undefined ? undefined : gte(logSeen.first_at, isoOf(from)),
          before === undefined ? undefined : lt(logSeen.first_at, isoOf(before)),
        ),
      )
      .orderBy(desc(logSeen.first_id))
      // An entry has at most one of each kind: those of the last entry are all there, and sorted here they need no sort there.
      .limit(rows_max + seenKinds.length);
    return rows.sort((a, b) => b.first_id - a.first_id || (a.kind < b.kind ? -1 : 1)).slice(0, rows_max);
  }

  /**
   * The newest first sights, by the ids of their entries. Up to a second late: what is above the reader's cursor is not in
   * it. Throws a 503 where they are not found in time: those of a period long past, of all subjects.
   */
  async function firstSeen(query: SeenQuery): Promise<Seen[]> {
    if (query.subject !== undefined) return reads((db) => found(db, query));
    const newest = await withTimeout(reads, async (tx) => {
      // The planner believes that a time after its statistics has no rows, and reads the whole table for them.
      await tx.execute(sql`select set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true)`);
      return found(tx, query);
    });
    if (newest === null)
      throw unavailable(
        'First sights of this period take too long to find: name a user or a service.',
        'nothing',
        'timeout',
      );
    return newest;
  }
  return { firstSeen };
}
