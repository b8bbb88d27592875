/** Pages of the list. A page, or the part of it that was found, comes after a bounded time, whatever the filter. */

import { and, sql } from 'drizzle-orm';
import { badField } from '../http/problem.ts';
import { takingTurns, withDeadline } from './deadlines.ts';
import { type Filter, filterOf, isTimeKey, type Term } from './filter.ts';
import { hasIndex, orderedColumns } from './filter-indexes.ts';
import { backward, forward } from './list-order.ts';
import { type Search, searchWindows, windowLimits } from './list-windows.ts';
import { limited } from './literals.ts';
import type { Page } from './paging.ts';
import type { Reads } from './reads.ts';
import { type Database, type Entry, activityLogs as log } from './schema.ts';
import { rowColumns, type StoredRow, storedRows, toEntry } from './stored-row.ts';
import { byIndex, hasRareValue, wholeLimits } from './whole-reads.ts';

export const listLimits = {
  /** The deadline of the plan that the planner prefers, which walks along the time where it expects many matches. */
  preferred_ms_max: 100,
  /** The deadline of the plan that collects all matches from the indexes and sorts them, */
  collected_ms_max: 120,
  /** which takes at most this many. */
  collected_rows_max: 10_000,
  ...wholeLimits,
  ...windowLimits,
} as const;

export type ListLimits = { readonly [K in keyof typeof listLimits]: number };

/**
 * A page of the list, newest first. `searched` is the entry up to which the log was searched when the time was over
 * before the page was full: the next page continues there.
 */
export type FoundPage = { logs: Entry[]; hasOlder: boolean; hasNewer: boolean; searched: Entry | null };

const isRange = ({ key }: Term) => isTimeKey(key);
const isOneValue = ({ key, negated, values }: Term) =>
  orderedColumns[key] !== undefined && !negated && values.length === 1;

/** Whether an index returns the entries in order without reading others: no deadline is needed. */
const isOrdered = (terms: Term[]): boolean => terms.length === 0 || (terms.length === 1 && terms.every(isOneValue));

type Found = { rows: StoredRow[]; searched: Entry | null };

/** Reads pages of the log. `head` returns the number of its entries. */
export function listOf(reads: Reads, head: () => Promise<number>, limits: ListLimits = listLimits) {
  /** A page of the list. Throws a 400 for an offset that cannot be reached in time. */
  async function page(filter: Filter, { limit, offset, before, after }: Page): Promise<FoundPage> {
    const terms = filter.terms.filter((term) => !isRange(term));
    const search: Search = {
      direction: after ? forward : backward,
      start: after ?? before,
      range: filterOf(filter.terms.filter(isRange)).where,
      rest: filterOf(terms).where,
      offset,
      rows_max: limit + 1,
    };
    const { rows, searched } = await find(search, terms);
    if (searched && rows.length === 0 && offset > 0) throw badField('offset', tooSlow);
    const logs = rows.slice(0, limit).map(toEntry);
    const hasMore = rows.length > limit || searched !== null;
    return after
      ? { logs: logs.reverse(), hasOlder: true, hasNewer: hasMore, searched }
      : { logs, hasOlder: hasMore, hasNewer: before !== null || offset > 0, searched };
  }

  async function find(search: Search, terms: Term[]): Promise<Found> {
    const whole = (rows: StoredRow[]): Found => ({ rows, searched: null });
    const rows = await findFirst(search, terms);
    if (rows) return whole(rows);
    return takingTurns(reads, async () => {
      const rows = await findCollected(search, terms);
      return rows ? whole(rows) : searchWindows(reads, search, limits);
    });
  }

  /** All rows of the page by the preferred plan, or null where that takes too long. */
  async function findFirst(search: Search, terms: Term[]): Promise<StoredRow[] | null> {
    if (isOrdered(terms)) return reads((db) => preferred(db, search));
    if (reads.deadline_ms !== null) return withDeadline(reads, limits.preferred_ms_max, (tx) => preferred(tx, search));
    return (await head()) <= limits.short_rows_max ? reads((db) => preferred(db, search)) : null;
  }

  /** The same from the indexes. */
  async function findCollected(search: Search, terms: Term[]): Promise<StoredRow[] | null> {
    if (!terms.some(hasIndex)) return null;
    const { collected_ms_max } = limits;
    if (reads.deadline_ms !== null) return withDeadline(reads, collected_ms_max, (tx) => collected(tx, search, limits));
    return reads((db) =>
      db.transaction(async (tx) => ((await hasRareValue(tx, terms, limits)) ? collected(tx, search, limits) : null)),
    );
  }

  return { page };
}

/** The page in one statement, by the plan that the planner prefers. */
const preferred = (db: Database, { direction, start, range, rest, offset, rows_max }: Search): Promise<StoredRow[]> =>
  storedRows(
    db,
    limited(
      db
        .select(rowColumns)
        .from(log)
        .where(and(range, rest, start ? direction.beyond(start) : undefined))
        .orderBy(...direction.order),
      rows_max,
      offset,
    ),
  );

/**
 * The page from all matches, which are found by the indexes of the filter's fields and sorted afterwards; null when they
 * are too many. It is fast where the preferred plan expects many matches near the start and none is there.
 */
async function collected(
  tx: Database,
  search: Search,
  { collected_rows_max }: ListLimits,
): Promise<StoredRow[] | null> {
  const { direction, start, range, rest, offset, rows_max } = search;
  await byIndex(tx);
  const where = and(range, rest, start ? direction.beyond(start) : undefined);
  // Named like the table, so that the columns of the outer query are those of the matches.
  const matches = sql`(select * from ${log} where ${where} limit ${collected_rows_max + 1}) activity_logs`;
  const rows = await storedRows<{ matched: unknown }>(
    tx,
    limited(
      tx
        .select({ ...rowColumns, matched: sql`count(*) over ()`.as('matched') })
        .from(matches)
        .orderBy(...direction.order),
      rows_max,
      offset,
    ),
  );
  return Number(rows[0]?.matched ?? 0) > collected_rows_max ? null : rows.map(({ matched: _matched, ...row }) => row);
}

const tooSlow = 'is too slow with this filter: follow the cursors of the Link header instead';
