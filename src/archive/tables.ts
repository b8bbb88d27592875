/** What the database keeps of the archive: the steps of each month, and the files where no folder has them. */
import { and, asc, eq, gt, gte, lt, lte, type SQL, sql } from 'drizzle-orm';
import { bigint, customType, integer, jsonb, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { rowTexts } from '../log/export-pages.ts';
import { type Marks, newMarks } from '../log/export-rows.ts';
import type { Reads } from '../log/reads.ts';
import { type Database, instant, activityLogs as log, logErasures } from '../log/schema.ts';
import type { IdRange } from '../proof/ranges.ts';
import type { Rows } from './file-format.ts';
import type { Manifest } from './manifest.ts';
import type { KeyCounts } from './metadata-columns.ts';
import { type Month, rangeOf } from './month.ts';

const bytea = customType<{ data: Uint8Array }>({ dataType: () => 'bytea' });

/** What was done with a month: one row for each step, never changed. The newest one holds. */
export const logMonths = pgTable('log_months', {
  n: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  /** `YYYY-MM`, of the events' timestamps in UTC. */
  month: text().notNull(),
  /** `packed`, `checked`. */
  step: text().notNull(),
  at: instant().notNull().default(sql`clock_timestamp()`),
  manifest: jsonb().$type<Manifest>().notNull(),
});

/** The files in parts of 512 KiB. Stored as they are (STORAGE EXTERNAL): they are compressed, and read by ranges. */
export const logArchiveParts = pgTable(
  'log_archive_parts',
  { file: text().notNull(), n: integer().notNull(), bytes: bytea().notNull() },
  (t) => [primaryKey({ name: 'log_archive_parts_pkey', columns: [t.file, t.n] })],
);

/** `packed`: the files are stored. `checked`: they were read back, and have the events of the month. */
export type Step = 'packed' | 'checked';
export type MonthStep = { month: Month; step: Step; at: string; manifest: Manifest };

/** The newest step of each month that has one. */
export async function monthSteps(reads: Reads): Promise<Map<Month, MonthStep>> {
  const rows = await reads((db) =>
    db
      .selectDistinctOn([logMonths.month], {
        month: logMonths.month,
        step: sql<Step>`${logMonths.step}`,
        at: logMonths.at,
        manifest: logMonths.manifest,
      })
      .from(logMonths)
      .orderBy(asc(logMonths.month), sql`${logMonths.n} desc`),
  );
  return new Map(rows.map((row) => [row.month, row]));
}

export async function addStep(db: Database, month: Month, step: Step, manifest: Manifest): Promise<void> {
  await db.insert(logMonths).values({ month, step, manifest });
}

const inMonth = (month: Month): SQL | undefined => {
  const { since, until } = rangeOf(month);
  return and(gte(log.timestamp, since), lt(log.timestamp, until));
};

/** The months with events, from the first one, up to one that is not looked at. Each costs a look at an index. */
export async function monthsWithEvents(reads: Reads, before: Month): Promise<Month[]> {
  const months: Month[] = [];
  const { since: end } = rangeOf(before);
  for (let from = '0001-01-01T00:00:00Z'; ; ) {
    const [first] = await reads((db) =>
      db
        .select({ month: sql<Month | null>`to_char(min(${log.timestamp}) at time zone 'UTC', 'YYYY-MM')` })
        .from(log)
        .where(and(gte(log.timestamp, from), lt(log.timestamp, end))),
    );
    if (!first?.month) return months;
    months.push(first.month);
    from = rangeOf(first.month).until;
  }
}

/** Whether events of a month have a larger id. Events never change, so without one the month is as it was. */
export async function hasLater(reads: Reads, month: Month, upto: number): Promise<boolean> {
  const found = await reads((db) =>
    db
      .select({ id: log.id })
      .from(log)
      .where(and(inMonth(month), gt(log.id, upto)))
      .limit(1),
  );
  return found.length > 0;
}

/**
 * A number that grows with each erasure of values of a month's events: a first one adds rows of what stays and of what goes,
 * a later one turns rows of the one kind into the other.
 */
export async function erasedIn(reads: Reads, month: Month): Promise<number> {
  const [found] = await reads((db) =>
    db
      .select({ n: sql`count(*) + count(${logErasures.commitment})`.mapWith(Number) })
      .from(logErasures)
      .where(sql`exists (select from ${log} where ${and(eq(log.id, logErasures.id), inMonth(month))})`),
  );
  return found?.n ?? 0;
}

/** How many events of a month there are up to an id, and how many have each key at the top of their metadata. */
export async function keyCounts(
  reads: Reads,
  month: Month,
  upto: number,
): Promise<{ rows: number; counts: KeyCounts }> {
  const where = and(inMonth(month), lte(log.id, upto));
  const [total] = await reads((db) =>
    db
      .select({ n: sql`count(*)`.mapWith(Number) })
      .from(log)
      .where(where),
  );
  const object = sql`case when jsonb_typeof(${log.metadata}) = 'object' then ${log.metadata} else '{}' end`;
  const counts = await reads((db) =>
    db
      .select({ key: sql<string>`k.key`, n: sql`count(*)`.mapWith(Number) })
      .from(log)
      .innerJoin(sql`lateral jsonb_object_keys(${object}) as k (key)`, sql`true`)
      .where(where)
      .groupBy(sql`k.key`)
      .having(sql`count(*) * 1000 >= ${total?.n ?? 0}`),
  );
  return { rows: total?.n ?? 0, counts };
}

/** The ids of a month's events, up to one. */
export async function monthIds(reads: Reads, month: Month, upto: number): Promise<IdRange[]> {
  const numbered = sql`select ${log.id} as id, ${log.id} - row_number() over (order by ${log.id}) as gap from ${log} where ${and(inMonth(month), lte(log.id, upto))}`;
  return reads((db) =>
    db
      .select({ first: sql`min(id)`.mapWith(Number), last: sql`max(id)`.mapWith(Number) })
      .from(sql`(${numbered}) as numbered`)
      .groupBy(sql`gap`)
      .orderBy(sql`min(id)`),
  );
}

/** The events of a month up to an id, in the order of their times and ids, as the texts that the database prints. */
export async function* monthRows(reads: Reads, month: Month, upto: number): AsyncGenerator<Rows> {
  const marks = newMarks();
  for await (const { n, text: page } of rowTexts(reads, { where: inMonth(month), upto, whole: true }, marks))
    yield { n, texts: columnsOf(page, n, marks) };
}

function columnsOf(page: string, n: number, marks: Marks): (string | null)[][] {
  const rows = page.split(marks.row).map((line) => line.split(marks.separator));
  const width = rows[0]?.length ?? 0;
  if (rows.length !== n || rows.some((row) => row.length !== width))
    throw new Error('a row of the log holds a mark between rows or values');
  return Array.from({ length: width }, (_, column) =>
    rows.map((row) => (row[column] === marks.absent ? null : (row[column] as string))),
  );
}

/** A part of a file. */
export const part_bytes = 512 * 1024;

/** Stores a file of parts, in one transaction; one of the same name is replaced. */
export async function storeParts(db: Database, file: string, bytes: Uint8Array): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.delete(logArchiveParts).where(eq(logArchiveParts.file, file));
    for (let n = 0; n * part_bytes < bytes.length; n++)
      await tx.insert(logArchiveParts).values({ file, n, bytes: bytes.slice(n * part_bytes, (n + 1) * part_bytes) });
  });
}

/** The length of a file in bytes, or null when it is not there. */
export async function partsLength(reads: Reads, file: string): Promise<number | null> {
  const [found] = await reads((db) =>
    db
      .select({ bytes: sql<string | null>`sum(octet_length(${logArchiveParts.bytes}))` })
      .from(logArchiveParts)
      .where(eq(logArchiveParts.file, file)),
  );
  return found?.bytes == null ? null : Number(found.bytes);
}

/** The bytes of a file from `start` to `end`, which is not included. */
export async function readParts(reads: Reads, file: string, start: number, end: number): Promise<Uint8Array> {
  const first = Math.floor(start / part_bytes);
  const last = Math.floor(Math.max(start, end - 1) / part_bytes);
  const bytes = new Uint8Array(end - start);
  let read_n = 0;
  for (let n = first; n <= last; n++) {
    const from = Math.max(start - n * part_bytes, 0);
    const upto = Math.min(end - n * part_bytes, part_bytes);
    const [part] = await reads((db) =>
      db
        .select({
          bytes: sql<Uint8Array>`substring(${logArchiveParts.bytes} from ${from + 1}::integer for ${upto - from}::integer)`,
        })
        .from(logArchiveParts)
        .where(and(eq(logArchiveParts.file, file), eq(logArchiveParts.n, n))),
    );
    if (part?.bytes.length !== upto - from) throw new Error(`${file}: part ${n} is missing or too short`);
    bytes.set(part.bytes, read_n);
    read_n += part.bytes.length;
  }
  return bytes;
}

/** The names of the files that begin with a text. */
export async function partsFiles(reads: Reads, prefix: string): Promise<string[]> {
  const rows = await reads((db) =>
    db
      .select({ file: logArchiveParts.file })
      .from(logArchiveParts)
      .where(and(eq(logArchiveParts.n, 0), sql`starts_with(${logArchiveParts.file}, ${prefix})`)),
  );
  return rows.map(({ file }) => file);
}

export async function removeParts(db: Database, file: string): Promise<void> {
  await db.delete(logArchiveParts).where(eq(logArchiveParts.file, file));
}
