/** Reads all matching entries for an export: in pages of bounded size, the next ones while one is used. */
import { and, asc, lte, type SQL, sql } from 'drizzle-orm';
import { type ExportPage, exportColumns, type Marks, newMarks, pageReader } from './export-rows.ts';
import type { Filter } from './filter.ts';
import { readDatabaseTime } from './instant.ts';
import { newer } from './list-order.ts';
import type { Cursor } from './paging.ts';
import type { Reads } from './reads.ts';
import { activityLogs as log } from './schema.ts';
import { readLimits, type StoredRow } from './stored-row.ts';

export const exportLimits = {
  /** The rows of the first page. The next has at most twice as many, and as many as fit by the size of these. */
  first_rows: 500,
  rows_max: 4_000,
  /** How much a page is meant to hold. */
  page_bytes: 512 * 1024,
  /** So many pages are read while one is used: with one, database and service wait for each other on a busy machine. */
  pages_ahead: 2,
  /** How much it may hold: it bounds the memory whatever the rows hold. One row may exceed it. */
  page_bytes_max: 4 * 1024 * 1024,
} as const;

/** A row that does not fit into its page has an empty line, and the page ends before it. */
type PageText = { n_read: number; longest_bytes: number; text: string };
type PageSize = { rows_max: number; line_bytes_max: number };

const bounded = new Set<keyof StoredRow>(['description', 'metadata', 'user_agent']);
const required = new Set<keyof StoredRow>(['id', 'timestamp', 'event_type', 'entity_type', 'created_at']);

/**
 * A row as one text. Joined with `||`, which takes half of the time of array_to_string, and in halves: a chain copies
 * what it has at each value. `left` counts characters, which costs more than all else: it is for long texts only.
 */
function lineSql({ separator, absent }: Marks, whole: boolean): SQL {
  const chars_max = sql.raw(String(readLimits.text_chars_max));
  const valueSql = (name: keyof StoredRow, i: number): SQL => {
    const column = sql.raw(`r.${name === 'timestamp' ? '"timestamp"' : name}`);
    const text =
      name === 'ip_address'
        ? sql`abbrev(${column})` // A cast to text adds the mask /32.
        : bounded.has(name) && !whole
          ? sql`case when octet_length(${column}) <= ${chars_max} then ${column} else left(${column}, ${chars_max} + 1) end`
          : sql`${column}::text`;
    const value = required.has(name) ? text : sql`coalesce(${text}, ${absent})`;
    return i === 0 ? value : sql`(${separator} || ${value})`;
  };
  const joined = (parts: SQL[]): SQL => {
    const half = Math.ceil(parts.length / 2);
    return half === parts.length
      ? (parts[0] as SQL)
      : sql`(${joined(parts.slice(0, half))} || ${joined(parts.slice(half))})`;
  };
  return joined(exportColumns.map(valueSql));
}

/** A page as one text: the driver's and drizzle's work for each column of each row costs several times what the database needs. */
function pageQuery(where: SQL | undefined, { rows_max, line_bytes_max }: PageSize, marks: Marks, whole: boolean) {
  const rows = sql`
    select ${sql.join(
      exportColumns.map((name) =>
        name === 'metadata' ? sql`${log.metadata}::text as metadata` : sql`${log[name as 'user_id']}`,
      ),
      sql`, `,
    )}
    from ${log} ${where && sql`where ${where}`} order by ${asc(log.timestamp)}, ${asc(log.id)} limit ${rows_max}`;
  // Without OFFSET the planner would write the line's expression into each use of it, and make each line several times.
  const lines = sql`select ${lineSql(marks, whole)} as line from (${rows}) r offset 0`;
  // The rows come in order, and string_agg takes them as they come. A window that adds up their bytes costs a fifth.
  return sql`(
    select count(*) as n_read, max(octet_length(line)) as longest_bytes,
           string_agg(case when octet_length(line) <= ${sql.raw(String(line_bytes_max))} then line else '' end, ${marks.row}) as text
    from (${lines}) l) as page`;
}

/** The lines of a page before the first row that does not fit. */
function fittingText({ n_read, longest_bytes, text }: PageText, { line_bytes_max }: PageSize, { row }: Marks) {
  if (longest_bytes <= line_bytes_max) return { n: n_read, text };
  const lines = text.split(row);
  const n = lines.indexOf('');
  return { n, text: lines.slice(0, n).join(row) };
}

/**
 * The size of the next page, by the rows of this one: as many as fit by their average, and so few that the longest fits
 * as often as the page has rows.
 */
function nextSize({ n_read, longest_bytes, text }: PageText): PageSize {
  const { page_bytes, page_bytes_max } = exportLimits;
  const fitting = Math.ceil((page_bytes * n_read) / Math.max(1, text.length));
  const certain = Math.floor(page_bytes_max / Math.max(1, longest_bytes));
  return sizeOf(Math.min(2 * n_read, fitting, certain));
}

/** One row is read whatever its size. */
function sizeOf(rows: number): PageSize {
  const rows_max = Math.max(1, Math.min(exportLimits.rows_max, rows));
  return {
    rows_max,
    line_bytes_max: rows_max === 1 ? one_line_bytes_max : Math.floor(exportLimits.page_bytes_max / rows_max),
  };
}
/** More than PostgreSQL's texts can have. */
const one_line_bytes_max = 2 ** 31 - 1;

/** Which rows, up to which id; `whole`: also texts that are too long for a reader. */
type Wanted = { where: SQL | undefined; upto: number; whole: boolean };

/** A page as one text, with its number of rows. */
type RowsText = { n: number; text: string };

/**
 * Every wanted row up to an id, in the order of time, in pages. Entries appended meanwhile are excluded: ids are in
 * commit order, so `id <= upto` is a snapshot without an open transaction.
 */
export async function* rowTexts(reads: Reads, wanted: Wanted, marks: Marks): AsyncGenerator<RowsText> {
  let size = sizeOf(exportLimits.first_rows);

  async function read(place: Cursor | null): Promise<RowsText & { isLast: boolean }> {
    const where = and(wanted.where, lte(log.id, wanted.upto), place ? newer(place) : undefined);
    for (;;) {
      const [page] = await reads((from) =>
        from
          .select({
            n_read: sql`n_read`.mapWith(Number),
            longest_bytes: sql`coalesce(longest_bytes, 0)`.mapWith(Number),
            text: sql<string>`coalesce(text, '')`,
          })
          .from(pageQuery(where, size, marks, wanted.whole)),
      );
      if (!page) throw new Error('the page of an export has no row');
      const { n, text } = fittingText(page, size, marks);
      const isLast = n === page.n_read && n < size.rows_max;
      size = nextSize(page);
      // The first row did not fit: it does in a page of the next size.
      if (n > 0 || isLast) return { n, text, isLast };
    }
  }

  async function* pageTexts() {
    for (let place: Cursor | null = null; ; ) {
      const { n, text, isLast }: Awaited<ReturnType<typeof read>> = await read(place);
      if (n === 0) return;
      yield { n, text };
      if (isLast) return;
      place = placeOfLast(text, marks);
    }
  }

  yield* readAhead(pageTexts(), exportLimits.pages_ahead);
}

/** Every matching entry up to an id, as the pages of an export. */
export async function* exportPages(reads: Reads, { where }: Filter, upto: number): AsyncGenerator<ExportPage> {
  const marks = newMarks();
  const pageOf = pageReader(marks);
  for await (const { n, text } of rowTexts(reads, { where, upto, whole: false }, marks)) yield pageOf(text, n);
}

/** Passes on what a generator yields, and lets it run ahead by `ahead` values. */
async function* readAhead<T>(source: AsyncGenerator<T>, ahead: number): AsyncGenerator<T> {
  const pending: Promise<IteratorResult<T>>[] = [];
  const ask = () => {
    const next = source.next();
    next.catch(() => {}); // Awaited in its turn; this only prevents an unhandled rejection.
    pending.push(next);
  };
  for (let i = 0; i < ahead; i++) ask();
  for (let next = pending.shift(); next; next = pending.shift()) {
    const { done, value } = await next;
    if (done) return;
    ask();
    yield value;
  }
}

/** The place of the last row of a page. */
function placeOfLast(text: string, { row, separator }: Marks): Cursor {
  const begins = text.lastIndexOf(row);
  const values = text.slice(begins < 0 ? 0 : begins + row.length).split(separator);
  const value = (name: keyof StoredRow) => values[exportColumns.indexOf(name)] ?? '';
  return { ms: readDatabaseTime(value('timestamp')), id: Number(value('id')) };
}
