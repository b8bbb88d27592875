/** Erasing values of events, for the owner of the tables: the one change that an event can undergo (drizzle/0022). */
import { and, asc, gt, lte, or, type SQL, sql } from 'drizzle-orm';
import { toHex } from '../http/digest.ts';
import { type Database, type Entry, activityLogs as log } from './schema.ts';
import { rowColumns, storedRows, toEntry } from './stored-row.ts';
import type { Erasure } from './tiles.ts';

/** Ids that one statement looks through: each reads all texts of its events. */
export const mention_ids = 20_000;

const texts = sql`concat_ws(E'\n', ${log.entity_id}, ${log.user_id}, ${log.description}, ${log.metadata}::text,
  ${log.ip_address}::text, ${log.user_agent}, ${log.trace_id}, ${log.session_id}, ${log.event_uid}, ${log.span_id},
  ${log.parent_span_id}, ${log.caused_by})`;

/** The entries after an id and up to another in which a text occurs, in upper or lower case. */
export async function mentionsBetween(db: Database, after: number, upto: number, value: string): Promise<Entry[]> {
  // In metadata, quotes and backslashes are escaped.
  const forms = [...new Set([value, JSON.stringify(value).slice(1, -1)])];
  const occurs = forms.map((form): SQL => sql`strpos(lower(${texts}), lower(${form})) > 0`);
  const rows = await storedRows(
    db,
    db
      .select(rowColumns)
      .from(log)
      .where(and(gt(log.id, after), lte(log.id, upto), or(...occurs)))
      .orderBy(asc(log.id))
      .getSQL(),
  );
  return rows.map(toEntry);
}

/** Erases values of events of a tile; false when its keys are not `before` any more, and nothing was done. */
export async function eraseEvents(
  db: Database,
  tile: number,
  before: Uint8Array,
  after: Uint8Array,
  erased: ({ id: number } & Erasure)[],
): Promise<boolean> {
  const rows = JSON.stringify(
    erased.map(({ id, field, commitment, salt }) => ({
      id,
      field,
      commitment: commitment && toHex(commitment),
      salt: salt && toHex(salt),
    })),
  );
  const [row] = await db
    .select({ done: sql<boolean>`done` })
    .from(sql`erase_events(${tile}::bigint, ${toHex(before)}::text, ${toHex(after)}::text, ${rows}::jsonb) as done`);
  return row?.done === true;
}

/** Has readers derive everything anew, and forgets what has the value as its subject. */
export async function forgetDerived(db: Database, readers: readonly string[], value: string | null): Promise<void> {
  await db.execute(
    sql`select forget_derived(array(select jsonb_array_elements_text(${JSON.stringify(readers)}::jsonb)), ${value}::text)`,
  );
}

/** Removes the old versions of changed rows from the disk. */
export async function vacuumLog(db: Database): Promise<void> {
  await db.execute(sql`vacuum activity_logs`);
}

/** The tables in which a text still occurs, in upper or lower case, with the number of rows. */
export async function tablesWith(db: Database, value: string): Promise<{ name: string; n: number }[]> {
  const tables = await db
    .select({ name: sql<string>`c.relname` })
    .from(sql`pg_class c`)
    .where(
      sql`c.relnamespace = (select p.relnamespace from pg_class p where p.oid = 'activity_logs'::regclass)
        and c.relkind in ('r', 'p') and not c.relispartition`,
    )
    .orderBy(sql`c.relname`);
  const found: { name: string; n: number }[] = [];
  for (const { name } of tables) {
    const [row] = await db
      .select({ n: sql`count(*)`.mapWith(Number) })
      .from(sql`${sql.identifier(name)} as t`)
      .where(sql`strpos(lower(t::text), lower(${value})) > 0`);
    if (row && row.n > 0) found.push({ name, n: row.n });
  }
  return found;
}
