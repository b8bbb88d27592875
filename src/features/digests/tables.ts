/** Numbers of each day by when events were stored, derived from the log, and the queries of a digest. */
import { and, asc, desc, eq, gte, inArray, lt, lte, notExists, sql } from 'drizzle-orm';
import { alias, bigint, date, index, integer, pgTable, primaryKey, varchar } from 'drizzle-orm/pg-core';
import { cursorOf, headSql } from '../../log/derived-rows.ts';
import { entryLimits } from '../../log/entry.ts';
import type { Derivation } from '../../log/reader.ts';
import { type Database, logUids } from '../../log/schema.ts';
import { dayAfter, type Period } from './period.ts';

/** The functions derive_digest_<version> and forget_digest of the migrations. */
export const digest: Derivation = { name: 'digest', version: 1 };

/** What the events of a day are counted by. `late` are the days of `timestamp` before it, `own` what the product itself did. */
export const kinds = ['all', 'event_type', 'entity_type', 'user_id', 'service', 'late', 'own'] as const;
export type Kind = (typeof kinds)[number];

/** By day of `created_at` (UTC), kind and value: how many events, and the smallest and largest of their ids. */
export const logDigestDay = pgTable(
  'log_digest_day',
  {
    version: integer().notNull(),
    kind: varchar({ length: 20 }).$type<Kind>().notNull(),
    value: varchar({ length: entryLimits.identifier_chars_max }).notNull(),
    day: date().notNull(),
    n: bigint({ mode: 'number' }).notNull(),
    first_id: bigint({ mode: 'number' }).notNull(),
    last_id: bigint({ mode: 'number' }).notNull(),
  },
  (t) => [
    primaryKey({ name: 'log_digest_day_pkey', columns: [t.version, t.day, t.kind, t.value] }),
    // For the day on which a value was there first.
    index('idx_log_digest_day_value').on(t.kind, t.value, t.day),
  ],
);

export const digestLimits = {
  /** The values of a kind that a digest names. */
  named_max: 5,
  /** New and silent values that it names. */
  news_max: 10,
  /** A value is silent that was there on so many of the seven days before, and is not. */
  silent_days_min: 5,
} as const;

export type Counted = { value: string; n: number; before: number };
export type News = { total: number; values: { value: string; n: number }[] };
/** The events of a period, or null where there are none. */
export type Range = { n: number; first_id: number; last_id: number };

const own = eq(logDigestDay.version, digest.version);
const total = sql<number>`sum(${logDigestDay.n})`.mapWith(Number);
const within = (from: string, to: string) => and(own, gte(logDigestDay.day, from), lte(logDigestDay.day, to));

/** The events that were stored from one day to another. */
export async function rangeOf(db: Database, { from, to }: Period): Promise<Range | null> {
  const [row] = await db
    .select({
      n: total,
      first_id: sql<number>`min(${logDigestDay.first_id})`.mapWith(Number),
      last_id: sql<number>`max(${logDigestDay.last_id})`.mapWith(Number),
    })
    .from(logDigestDay)
    .where(and(within(from, to), eq(logDigestDay.kind, 'all')));
  return row?.n ? row : null;
}

/** The number of events of each day that has any, newest first. */
export const daysOf = (db: Database, limit: number): Promise<{ day: string; n: number }[]> =>
  db
    .select({ day: logDigestDay.day, n: logDigestDay.n })
    .from(logDigestDay)
    .where(and(own, eq(logDigestDay.kind, 'all')))
    .orderBy(desc(logDigestDay.day))
    .limit(limit);

/** The first day of the log. */
export async function firstDay(db: Database): Promise<string | null> {
  const [row] = await db
    .select({ day: sql<string | null>`min(${logDigestDay.day})::text` })
    .from(logDigestDay)
    .where(and(own, eq(logDigestDay.kind, 'all')));
  return row?.day ?? null;
}

/** The most frequent values of a kind, each with its number in the period before, and how many values there are. */
export async function topOf(
  db: Database,
  kind: Kind,
  { from, to }: Period,
  before: Period,
  limit: number = digestLimits.named_max,
): Promise<{ values: Counted[]; distinct: number }> {
  const of = (period: { from: string; to: string }) => and(within(period.from, period.to), eq(logDigestDay.kind, kind));
  const rows = await db
    .select({ value: logDigestDay.value, n: total, distinct: sql<number>`count(*) over ()`.mapWith(Number) })
    .from(logDigestDay)
    .where(of({ from, to }))
    .groupBy(logDigestDay.value)
    .orderBy(desc(total), asc(logDigestDay.value))
    .limit(limit);
  const values = rows.map(({ value }) => value);
  const past = new Map(
    values.length === 0
      ? []
      : (
          await db
            .select({ value: logDigestDay.value, n: total })
            .from(logDigestDay)
            .where(and(of(before), inArray(logDigestDay.value, values)))
            .groupBy(logDigestDay.value)
        ).map(({ value, n }) => [value, n] as const),
  );
  return {
    values: rows.map(({ value, n }) => ({ value, n, before: past.get(value) ?? 0 })),
    distinct: rows[0]?.distinct ?? 0,
  };
}

const newsColumns = { value: logDigestDay.value, n: total, total: sql<number>`count(*) over ()`.mapWith(Number) };
const newsOf = (rows: { value: string; n: number; total: number }[]): News => ({
  total: rows[0]?.total ?? 0,
  values: rows.map(({ value, n }) => ({ value, n })),
});

/** The values of a kind that no day before has, most frequent first. */
export async function newOf(db: Database, kind: Kind, { from, to }: Period): Promise<News> {
  const earlier = alias(logDigestDay, 'earlier');
  const rows = await db
    .select(newsColumns)
    .from(logDigestDay)
    .where(
      and(
        within(from, to),
        eq(logDigestDay.kind, kind),
        notExists(
          db
            .select({ one: sql`1` })
            .from(earlier)
            .where(
              and(
                eq(earlier.version, digest.version),
                eq(earlier.kind, kind),
                eq(earlier.value, logDigestDay.value),
                lt(earlier.day, from),
              ),
            ),
        ),
      ),
    )
    .groupBy(logDigestDay.value)
    .orderBy(desc(total), asc(logDigestDay.value))
    .limit(digestLimits.news_max);
  return newsOf(rows);
}

/** The values of a kind that were there on most of the seven days before, and not in the period, most frequent first. */
export async function silentOf(db: Database, kind: Kind, { from, to }: Period): Promise<News> {
  const now = alias(logDigestDay, 'now_there');
  const rows = await db
    .select(newsColumns)
    .from(logDigestDay)
    .where(
      and(
        within(dayAfter(from, -7), dayAfter(from, -1)),
        eq(logDigestDay.kind, kind),
        notExists(
          db
            .select({ one: sql`1` })
            .from(now)
            .where(
              and(
                eq(now.version, digest.version),
                eq(now.kind, kind),
                eq(now.value, logDigestDay.value),
                gte(now.day, from),
                lte(now.day, to),
              ),
            ),
        ),
      ),
    )
    .groupBy(logDigestDay.value)
    .having(sql`count(*) >= ${digestLimits.silent_days_min}`)
    .orderBy(desc(total), asc(logDigestDay.value))
    .limit(digestLimits.news_max);
  return newsOf(rows);
}

/** Whether the numbers are those of all events of this log: of another one that was restored here they are none. */
export async function isCounted(db: Database): Promise<boolean> {
  const [row] = await db
    .select({ is: sql<boolean>`coalesce(${cursorOf(digest)}, 0) = ${headSql}` })
    .from(sql`(select) as nothing`);
  return row?.is ?? false;
}

/** Whether an event with this event_uid is stored. */
export async function isStored(db: Database, event_uid: string): Promise<boolean> {
  const rows = await db.select({ id: logUids.id }).from(logUids).where(eq(logUids.event_uid, event_uid)).limit(1);
  return rows.length > 0;
}
