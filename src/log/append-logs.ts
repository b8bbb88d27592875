/** Calls append_logs, and reads what it has made of each event. */
import { sql } from 'drizzle-orm';
import type { Json, NewEntry } from './entry.ts';
import { type Database, type Entry, activityLogs as log } from './schema.ts';

/** What became of an event: its entry, or null when its event_uid was stored before as `id`. */
export type AppendedRow = { id: number; entry: Entry | null };

/** A row of append_logs: what the database decides, or writes in a form of its own. The rest of an event is as it was sent. */
type Decided = [
  ordinal: number,
  duplicate: boolean,
  id: number,
  timestamp: string,
  metadata: Json,
  ip_address: string | null,
  created_at: string,
];

/** As one text: the driver's and drizzle's work for each column of each row costs a third of a batch. */
const rowsQuery = (json: string) => sql`(
  select json_agg(json_build_array(a.ordinal, a.duplicate, a.stored_id, (a.log)."timestamp"::text, (a.log).metadata,
                                   (a.log).ip_address, (a.log).created_at::text))::text as rows
  from append_logs(${json}::jsonb) a) as appended`;

/** Appends events, which are also given as JSON; returns what became of each, in the order given. */
export async function appendRows(db: Database, batch: NewEntry[], json: string): Promise<AppendedRow[]> {
  const [appended] = await db.select({ rows: sql<string>`rows` }).from(rowsQuery(json));
  const rows = JSON.parse(appended?.rows ?? '[]') as Decided[];
  return rows.map((row) => ({ id: row[2], entry: row[1] ? null : storedEntry(row, batch[row[0] - 1]) }));
}

const timeOf = (text: string): string => log.timestamp.mapFromDriverValue(text) as string;

function storedEntry([ordinal, , id, timestamp, metadata, ip_address, created_at]: Decided, sent?: NewEntry): Entry {
  if (!sent) throw new Error(`append_logs answered for event ${ordinal}, which was not sent`);
  return {
    id,
    timestamp: timeOf(timestamp),
    event_type: sent.event_type,
    entity_type: sent.entity_type,
    entity_id: sent.entity_id,
    user_id: sent.user_id,
    description: sent.description,
    metadata,
    ip_address,
    user_agent: sent.user_agent,
    service: sent.service,
    trace_id: sent.trace_id,
    session_id: sent.session_id,
    event_uid: sent.event_uid,
    span_id: sent.span_id,
    parent_span_id: sent.parent_span_id,
    caused_by: sent.caused_by,
    created_at: timeOf(created_at),
  };
}
