/** The order of the list, (timestamp, id), in both directions. */
import { asc, desc, gte, lte, type SQL, sql } from 'drizzle-orm';
import { writeDatabaseTime } from './instant.ts';
import type { Cursor } from './paging.ts';
import { activityLogs as log } from './schema.ts';

// A row comparison does not prune partitions; the additional comparison of the time does.
const at = (cursor: Cursor) => writeDatabaseTime(cursor.ms);
export const older = (cursor: Cursor): SQL =>
  sql`(${lte(log.timestamp, at(cursor))} and (${log.timestamp}, ${log.id}) < (${at(cursor)}::timestamptz, ${cursor.id}))`;
export const newer = (cursor: Cursor): SQL =>
  sql`(${gte(log.timestamp, at(cursor))} and (${log.timestamp}, ${log.id}) > (${at(cursor)}::timestamptz, ${cursor.id}))`;

/** One direction of reading the list. */
export type Direction = { beyond(cursor: Cursor): SQL; order: SQL[]; reversed: SQL[] };
const descending = [desc(log.timestamp), desc(log.id)];
const ascending = [asc(log.timestamp), asc(log.id)];
export const backward: Direction = { beyond: older, order: descending, reversed: ascending };
export const forward: Direction = { beyond: newer, order: ascending, reversed: descending };
