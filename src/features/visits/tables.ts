/** The visits in the database: the table that the derivation `visits` (drizzle/) fills, and what is asked of it. */
import { and, inArray, isNull, type SQL, sql } from 'drizzle-orm';
import { bigint, boolean, index, integer, pgTable, primaryKey, uniqueIndex, varchar } from 'drizzle-orm/pg-core';
import { entryLimits } from '../../log/entry.ts';
import { literal } from '../../log/literals.ts';
import type { Derivation } from '../../log/reader.ts';
import { type Database, instant, activityLogs as log, logBatches, logIdentity, logReaders } from '../../log/schema.ts';

export const visitLimits = {
  /** Entries above the reader's cursor that a question reads. With more, its answer is not exact and says so. */
  gap_ids_max: 20_000,
  /** A visit with more events is listed without what its events say: addresses, signing in and out. */
  told_events_max: 2_000,
  addresses_max: 10,
  /** Events of a user, before the one in question, in which two networks are looked for. */
  past_events_max: 20_000,
  /** Visits of the same user, in the order of their ends, among which a list looks for those at the same time. */
  neighbours_max: 200,
} as const;

const { identifier_chars_max } = entryLimits;

/** The functions derive_visits_<version>, visits_beyond_<version> and forget_visits of the migrations. */
export const visits: Derivation = { name: 'visits', version: 1 };

/**
 * One row for each visit. Whether somebody signed in is not in it: the event types that mean this are a setting, and a
 * change of it would leave what was derived before as it was.
 */
export const logVisit = pgTable(
  'log_visit',
  {
    /** The version of the derivation that made the row. */
    version: integer().notNull(),
    /** Its name: the smallest id of its events. */
    visit: bigint({ mode: 'number' }).notNull(),
    /** The user of its first event, by id, that names one. */
    user_id: varchar({ length: identifier_chars_max }),
    session_id: varchar({ length: identifier_chars_max }),
    started: instant().notNull(),
    ended: instant().notNull(),
    n: bigint({ mode: 'number' }).notNull(),
    last_id: bigint({ mode: 'number' }).notNull(),
    /** Its events name more than one user: only a session can. */
    shared: boolean().notNull(),
  },
  (t) => [
    primaryKey({ name: 'log_visit_pkey', columns: [t.version, t.visit] }),
    index('idx_log_visit_user').on(t.version, t.user_id, t.ended, t.visit),
    index('idx_log_visit_ended').on(t.version, t.ended, t.visit),
    uniqueIndex('idx_log_visit_session').on(t.version, t.session_id).where(sql`session_id is not null`),
  ],
);

/** What a visit must be, where something is said. Times are epoch milliseconds. */
export type VisitFilter = {
  users: string[];
  sessions: string[];
  /** It ended at this time or later, and began at that one or earlier. */
  from_ms: number | null;
  to_ms: number | null;
  /** It belongs to no session. */
  sessionless?: boolean;
};

/** A place in the order of the list (ended, visit). */
export type VisitCursor = { ms: number; visit: number };
export type VisitPage = { limit: number; offset: number; before: VisitCursor | null; after: VisitCursor | null };

/** What is derived of a visit. */
export type VisitRow = {
  visit: number;
  user_id: string | null;
  session_id: string | null;
  /** Its events name more than one user: `user_id` is the first. */
  shared: boolean;
  started: string;
  ended: string;
  n: number;
  last_id: number;
};

export type Visit = VisitRow & {
  /** How many others of the same user were at the same time. */
  overlaps: number;
  /** What its events say; null where they are too many. */
  n_addresses: number | null;
  addresses: string[] | null;
  signed_in: number | null;
  signed_out: number | null;
};

/** Up to which id visits are told of, whether the log has no other event, and the log's newest timestamp. */
export type Moment = { cursor: number; exact: boolean; newest: string | null };
export type SignTypes = { in: string[]; out: string[] };

const instantOf = (ms: number) => sql`${new Date(ms).toISOString()}::timestamptz`;

const matches = ({ users, sessions, from_ms, to_ms, sessionless }: VisitFilter): SQL =>
  and(
    users.length > 0 ? inArray(sql`v.user_id`, users) : undefined,
    sessions.length > 0 ? inArray(sql`v.session_id`, sessions) : undefined,
    from_ms === null ? undefined : sql`v.ended >= ${instantOf(from_ms)}`,
    to_ms === null ? undefined : sql`v.started <= ${instantOf(to_ms)}`,
    sessionless ? isNull(sql`v.session_id`) : undefined,
  ) ?? sql`true`;

/**
 * The visits at the moment of the statement, as common table expressions: those that the reader has derived, without the
 * ones that the events above its cursor change; and `beyond`, these as they are with them. Both are of one snapshot. So a
 * question writes nothing, waits for no step, and on Workers is as exact between two runs of the schedule.
 *
 * Without a reader of this log, all events count as above the cursor, and no row as derived.
 */
const visitsNow = sql`
  place as materialized (
    select own.cursor is not null as is_derived, coalesce(own.cursor, 0) as cursor, head,
           least(head, coalesce(own.cursor, 0) + ${literal(visitLimits.gap_ids_max)}) as upto
    from (
      select coalesce((select ${logBatches.last_id} from ${logBatches} order by ${logBatches.last_id} desc limit 1), 0) as head
    ) as newest left join ${logReaders} as own
      on own.name = ${visits.name} and own.version = ${literal(visits.version)} and own.cursor <= head
     and own.log_id = (select ${logIdentity.log_id} from ${logIdentity})
  ), beyond as materialized (
    select b.* from place, lateral visits_beyond_1(place.cursor, place.upto) as b
  ), changed as materialized (
    select coalesce(array_agg(visit), '{}') as visits from (select unnest(replaced) as visit from beyond) as replaced
  )`;

/** The condition of rows of log_visit (as v) that the events above the cursor do not change. */
const unchanged = sql`v.version = ${literal(visits.version)} and (select is_derived from place)
  and v.visit <> all ((select visits from changed)::bigint[])`;

const columns = sql`v.visit, v.user_id, v.session_id, v.shared, v.started, v.ended, v.n, v.last_id`;

/** The events of the visit `page`, with conditions that an index of the log answers for each kind of visit. */
const eventsOf = (what: SQL) => {
  const within = sql`l."timestamp" between page.started and page.ended and l.id <= page.last_id
    and l.service is distinct from 'edgetrail' and page.n <= ${literal(visitLimits.told_events_max)}`;
  return sql`(
    select ${what} from ${log} l where page.session_id is not null and l.session_id = page.session_id and ${within}
    union all
    select ${what} from ${log} l
    where page.session_id is null and l.user_id = page.user_id and l.session_id is null and ${within}) as l`;
};

const textArray = (values: string[]) =>
  sql`array[${sql.join(
    values.map((value) => sql`${value}`),
    sql`, `,
  )}]::text[]`;

const isoEnds = ({ started, ended }: { started: string; ended: string }) => ({
  started: new Date(started).toISOString(),
  ended: new Date(ended).toISOString(),
});

/** A page of the visits in the order of their ends, the latest first; `after` is the page before one. One statement. */
export async function visitsPage(
  db: Database,
  filter: VisitFilter,
  { limit, offset, before, after }: VisitPage,
  signs: SignTypes,
): Promise<{ visits: Visit[]; hasMore: boolean } & Moment> {
  const place = after ?? before;
  const beyondPlace = place
    ? sql`(v.ended, v.visit) ${sql.raw(after ? '>' : '<')} (${instantOf(place.ms)}, ${literal(place.visit)}::bigint)`
    : sql`true`;
  const where = sql`${matches(filter)} and ${beyondPlace}`;
  const order = sql.raw(after ? 'v.ended, v.visit' : 'v.ended desc, v.visit desc');
  const rows = literal(offset + limit + 1);
  const query = sql`(
    with ${visitsNow}, page as materialized (
      select v.*, row_number() over (order by ${order}) as ordinal from (
        (select ${columns} from ${logVisit} v where ${unchanged} and ${where} order by ${order} limit ${rows})
        union all
        (select ${columns} from beyond v where ${where})
      ) as v order by ${order} limit ${literal(limit + 1)} offset ${literal(offset)}
    )
    select json_build_object(
      'cursor', place.upto, 'exact', place.upto = place.head,
      'newest', (select l."timestamp" from ${log} l where l."timestamp" <= '9999-12-31 23:59:59.999+00'
                 order by l."timestamp" desc limit 1),
      'visits', (
        select coalesce(json_agg(told order by told.ordinal), '[]') from (
          select page.*, said.*, (
            select count(*) from (
              (select v.visit, v.started from ${logVisit} v
               where ${unchanged} and v.user_id = page.user_id and v.ended >= page.started
               order by v.ended limit ${literal(visitLimits.neighbours_max)})
              union all
              (select v.visit, v.started from beyond v where v.user_id = page.user_id and v.ended >= page.started)
            ) as other where other.started <= page.ended and other.visit <> page.visit
          ) as overlaps
          from page left join lateral (
            select count(distinct l.ip_address) as n_addresses,
                   coalesce((array_agg(distinct host(l.ip_address)) filter (where l.ip_address is not null))
                            [1:${literal(visitLimits.addresses_max)}], '{}') as addresses,
                   min(l.id) filter (where l.event_type = any (${textArray(signs.in)})) as signed_in,
                   max(l.id) filter (where l.event_type = any (${textArray(signs.out)})) as signed_out
            from ${eventsOf(sql`l.id, l.ip_address, l.event_type`)}
          ) as said on page.n <= ${literal(visitLimits.told_events_max)}
        ) as told
      )
    )::text as answer from place) as asked`;
  const [row] = await db.select({ answer: sql<string>`answer` }).from(query);
  if (!row) throw new Error('the visits gave no answer');
  const { visits: found, ...moment } = JSON.parse(row.answer) as Moment & { visits: (Visit & { ordinal: number })[] };
  const page = found.slice(0, limit).map(({ ordinal: _, ...visit }) => ({ ...visit, ...isoEnds(visit) }));
  return { ...moment, visits: after ? page.reverse() : page, hasMore: found.length > limit };
}

/** The latest visits without what their events say, and whether the log has no event that they do not know. One statement. */
export async function latestVisits(
  db: Database,
  filter: VisitFilter,
  limit: number,
): Promise<{ visits: VisitRow[]; exact: boolean }> {
  const latest = sql`${matches(filter)} order by v.ended desc, v.visit desc limit ${literal(limit)}`;
  const [row] = await db.select({ answer: sql<string>`answer` }).from(sql`(
    with ${visitsNow}, latest as (
      select * from (
        (select ${columns} from ${logVisit} v where ${unchanged} and ${latest})
        union all (select ${columns} from beyond v where ${latest})
      ) as v order by v.ended desc, v.visit desc limit ${literal(limit)}
    )
    select json_build_object(
      'exact', place.upto = place.head,
      'visits', (select coalesce(json_agg(v order by v.ended desc, v.visit desc), '[]') from latest v)
    )::text as answer from place) as asked`);
  if (!row) throw new Error('the visits gave no answer');
  const { visits, exact } = JSON.parse(row.answer) as { visits: VisitRow[]; exact: boolean };
  return { exact, visits: visits.map((visit) => ({ ...visit, ...isoEnds(visit) })) };
}

/** How many visits match, at the moment of the statement. */
export async function countVisits(db: Database, filter: VisitFilter): Promise<number> {
  const [row] = await db.select({ n: sql`n`.mapWith(Number) }).from(sql`(
    with ${visitsNow}
    select (select count(*) from ${logVisit} v where ${unchanged} and ${matches(filter)})
         + (select count(*) from beyond v where ${matches(filter)}) as n) as counted`);
  return row?.n ?? 0;
}

/** Whether the user went from one of two networks to the other within the gap before a time. */
export async function wasBetween(
  db: Database,
  {
    user_id,
    networks,
    before,
    gap_ms,
  }: { user_id: string; networks: [string, string]; before: string; gap_ms: number },
): Promise<boolean> {
  const [a, b] = networks.map((network) => sql`${network}::cidr`) as [SQL, SQL];
  const [row] = await db.select({ seen: sql<boolean>`seen` }).from(sql`(
    select exists (
      select from (
        select is_a, at, lag(is_a) over (order by at, id) as was_a, lag(at) over (order by at, id) as was_at from (
          select l.id, l."timestamp" as at, l.ip_address, l.ip_address <<= ${a} as is_a from ${log} l
          where l.user_id = ${user_id} and l."timestamp" < ${before}::timestamptz
          order by l."timestamp" desc, l.id desc limit ${literal(visitLimits.past_events_max)}
        ) as past where is_a or past.ip_address <<= ${b}
      ) as steps where is_a <> was_a and at <= was_at + make_interval(secs => ${literal(gap_ms / 1_000)})
    ) as seen) as past`);
  return row?.seen === true;
}
