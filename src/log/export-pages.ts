/** Reads all matching entries for an export: in pages of bounded size, the next one while the one before is used. */
import { and, asc, getTableColumns, lte, type SQL, sql } from 'drizzle-orm';
import type { Filter } from './filter.ts';
import { newer } from './list-order.ts';
import type { Cursor } from './paging.ts';
import type { Reads } from './reads.ts';
import { type Entry, activityLogs as log } from './schema.ts';
import { readLimits, type StoredRow, timeOf, toEntry } from './stored-row.ts';

export const exportLimits = {
  /** The rows of the first page. The next has as many as fit by the size of these, at most twice as many. */
  first_rows: 500,
  rows_max: 4_000,
  /** A page ends with the row that exceeds it: it bounds the memory whatever the rows hold. */
  page_bytes_max: 1024 * 1024,
  /** So many entries are made at a time: with those of a whole page, collecting garbage costs more than all else. */
  portion_rows: 100,
} as const;

const names = Object.keys(getTableColumns(log)) as (keyof StoredRow)[];

/**
 * What stands between two rows, between two values and for a null in the text of a page. Random, so that no writer can
 * put them into a value; a page with one too many is refused.
 */
function newMarks(): { row: string; separator: string; absent: string } {
  const secret = (chars: number) => crypto.randomUUID().replaceAll('-', '').slice(0, chars);
  return { row: `\u001e${secret(6)}`, separator: `\u001f${secret(4)}`, absent: `\u0001${secret(12)}` };
}

type Marks = ReturnType<typeof newMarks>;
type PageText = { n: number; isLast: boolean; text: string };

/**
 * A page as one text: the driver's and drizzle's work for each column of each row costs several times what the database
 * needs. `left` counts characters, which costs more than all else: it is for long texts only.
 */
function pageQuery(where: SQL | undefined, rows_max: number, { row, separator, absent }: Marks) {
  const bounded = new Set<keyof StoredRow>(['description', 'metadata', 'user_agent']);
  const chars_max = sql.raw(String(readLimits.text_chars_max));
  const texts = sql.join(
    names.map((name) => {
      const column = sql.raw(`r.${name === 'timestamp' ? '"timestamp"' : name}`);
      if (name === 'ip_address') return sql`abbrev(${column})`; // A cast to text adds the mask /32.
      return bounded.has(name)
        ? sql`case when octet_length(${column}) <= ${chars_max} then ${column} else left(${column}, ${chars_max} + 1) end`
        : sql`${column}::text`;
    }),
    sql`, `,
  );
  const rows = sql`
    select ${log.id}, ${log.timestamp}, ${sql.join(
      names
        .filter((name) => name !== 'id' && name !== 'timestamp')
        .map((name) => (name === 'metadata' ? sql`${log.metadata}::text as metadata` : sql`${log[name as 'user_id']}`)),
      sql`, `,
    )}
    from ${log} ${where && sql`where ${where}`} order by ${asc(log.timestamp)}, ${asc(log.id)} limit ${rows_max}`;
  // Without OFFSET the planner would write the line's expression into each use of it, and make each line three times.
  const lines = sql`select r."timestamp", r.id, array_to_string(array[${texts}], ${separator}, ${absent}) as line from (${rows}) r offset 0`;
  const placed = sql`
    select line, sum(octet_length(line)) over (order by "timestamp", id rows unbounded preceding) - octet_length(line) as bytes_before
    from (${lines}) l`;
  // The rows come in the order of the window, and string_agg takes them as they come.
  return sql`(
    select count(*) filter (where kept) as n, count(*) as n_read, string_agg(line, ${row}) filter (where kept) as text
    from (select line, bytes_before <= ${sql.raw(String(exportLimits.page_bytes_max))} as kept from (${placed}) p) k) as page`;
}

/**
 * Every matching entry up to an id, in the order of time, in pages. Entries appended meanwhile are excluded: ids are in
 * commit order, so `id <= upto` is a snapshot without an open transaction.
 */
export async function* exportPages(reads: Reads, filter: Filter, upto: number): AsyncGenerator<Entry[]> {
  const marks = newMarks();
  let rows_max: number = exportLimits.first_rows;

  async function read(place: Cursor | null): Promise<PageText> {
    const where = and(filter.where, lte(log.id, upto), place ? newer(place) : undefined);
    const [page] = await reads((from) =>
      from
        .select({
          n: sql`n`.mapWith(Number),
          n_read: sql`n_read`.mapWith(Number),
          text: sql<string | null>`text`,
        })
        .from(pageQuery(where, rows_max, marks)),
    );
    if (!page) throw new Error('the page of an export has no row');
    const isLast = page.n === page.n_read && page.n < rows_max;
    // As many rows as fit by the size of these: rows beyond the bytes of a page are read for nothing.
    const fitting = Math.ceil((exportLimits.page_bytes_max * page.n) / Math.max(1, page.text?.length ?? 0));
    rows_max = Math.max(1, Math.min(exportLimits.rows_max, 2 * page.n, fitting));
    return { n: page.n, isLast, text: page.text ?? '' };
  }

  for (let next: Promise<PageText> | null = read(null); next; ) {
    const { n, isLast, text }: PageText = await next;
    if (n === 0) return;
    const lines = text.split(marks.row);
    if (lines.length !== n) throw new Error('a row of the export holds the mark between two rows');
    const entryOf = (line: string) => toEntry(rowOf(line, marks));
    if (!isLast) {
      const last = entryOf(lines[n - 1] ?? '');
      next = read({ ms: timeOf(last), id: last.id });
      next.catch(() => {}); // Awaited when this page has been used; this only prevents an unhandled rejection.
    } else next = null;
    for (let from = 0; from < n; from += exportLimits.portion_rows)
      yield lines.slice(from, from + exportLimits.portion_rows).map(entryOf);
  }
}

/** A line of a page as a row, its columns in the order of the table. */
function rowOf(line: string, { separator, absent }: Marks): StoredRow {
  const values = line.split(separator);
  if (values.length !== names.length) throw new Error('a row of the export holds the mark between two values');
  const row: Record<string, string | number | null> = {};
  let at = 0;
  for (const name of names) {
    const value = values[at++] as string;
    row[name] = value === absent ? null : name === 'id' ? Number(value) : value;
  }
  return row as StoredRow;
}
