/** Moves rows of the inbox into the log, without their secrets. */
import { sql } from 'drizzle-orm';
import type { NewEntry } from './entry.ts';
import { noRedaction, type Redact, redactAll, redactedFields } from './redaction.ts';
import type { Database } from './schema.ts';
import type { SecretKind } from './secret-keys.ts';

export const drainLimits = {
  inbox_rows_max: 1_000,
  /** About as many bytes are read at once: of metadata as text, which may be stored compressed. */
  inbox_bytes_max: 4 * 1024 * 1024,
} as const;

/** A row of the inbox with the fields that may hold a secret. */
type Waiting = Pick<NewEntry, (typeof redactedFields)[number] | 'entity_type'> & { n: number };

/**
 * Moves committed rows into the log, oldest first; returns how many. The service looks for secrets, and not the database:
 * the rules are written once, and the settings hold at every door. The rows are named: one that is committed while others
 * are looked at waits for the next call.
 */
export async function drainInbox(db: Database, redact: Redact, counts: Record<SecretKind, number>): Promise<number> {
  const { inbox_rows_max } = drainLimits;
  if (redact === noRedaction) return moved(db, sql`drain_inbox(${inbox_rows_max})`);
  const rows = await waitingRows(db);
  if (rows.length === 0) return 0;
  const kept = [...rows] as unknown as NewEntry[];
  const changed = [...redactAll(redact, kept, counts).keys()].map((i) => [rows[i]?.n, changesOf(rows[i], kept[i])]);
  const ns = sql.param(rows.map(({ n }) => n).join(','));
  return moved(
    db,
    sql`drain_inbox_rows(string_to_array(${ns}, ',')::bigint[], ${JSON.stringify(Object.fromEntries(changed))}::jsonb)`,
  );
}

async function moved(db: Database, call: ReturnType<typeof sql>): Promise<number> {
  const [drained] = await db.select({ n: sql<number>`n`.mapWith(Number) }).from(sql`${call} as n`);
  return drained?.n ?? 0;
}

const changesOf = (row: Waiting | undefined, kept: NewEntry | undefined): Partial<NewEntry> =>
  Object.fromEntries(
    redactedFields.filter((field) => row?.[field] !== kept?.[field]).map((field) => [field, kept?.[field]]),
  );

/** The oldest rows that wait: at most so many, and not many more bytes. */
async function waitingRows(db: Database): Promise<Waiting[]> {
  const { inbox_rows_max, inbox_bytes_max } = drainLimits;
  const [read] = await db.select({ rows: sql<string | null>`rows` }).from(sql`(
    select json_agg(w order by w.n)::text as rows
    from (
      select o.*, sum(o.bytes) over (order by o.n) - o.bytes as bytes_before
      from (
        select i.*, coalesce(octet_length(i.description), 0) + coalesce(octet_length(i.user_agent), 0)
               + coalesce(octet_length(i.metadata::text), 0) as bytes
        from activity_inbox i order by i.n limit ${inbox_rows_max}
      ) o
    ) w
    where w.bytes_before < ${inbox_bytes_max}) as waiting`);
  return JSON.parse(read?.rows ?? '[]') as Waiting[];
}
