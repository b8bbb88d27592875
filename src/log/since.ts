/** Reads of the entries after a position, for one filter, or in one statement for many filters at the same position. */

import { and, asc, type SQL, sql } from 'drizzle-orm';
import { eventLoopTurn } from '../http/pause.ts';
import { isStatementTimeout, isTransient } from '../http/problem.ts';
import type { Filter } from './filter.ts';
import type { Newest } from './history.ts';
import { limited, literal } from './literals.ts';
import { positionOf } from './position.ts';
import type { Reads } from './reads.ts';
import { type Entry, activityLogs as log } from './schema.ts';
import { rowColumns, storedRows, toEntry } from './stored-row.ts';

export const sinceLimits = {
  /** The range of ids that one read covers: a rare filter must not scan the whole log in one statement. */
  ids_max: 20_000,
  /** In an embedded database, which holds the process meanwhile. */
  embedded_ids_max: 5_000,
  rows_max: 256,
  /** Filters in one statement. Each has up to 100 values, and PostgreSQL takes 65,535 parameters. */
  filters_max: 100,
} as const;

/** Matching entries in the order of their ids, the id up to which there are no others, and its time where it is known. */
export type SinceRead = { entries: Entry[]; cursor: number; at_ms: number | null };

type Request = { filter: Filter; resolve(read: SinceRead): void; reject(error: unknown): void };

/** Requests with the same position and the same end of the log, which wait to be read together. */
type Gathered = { after: number; end: Newest; requests: Request[] };

/** The ids after one and up to another. */
const between = (after: number, upto: number): SQL =>
  sql`${log.id} > ${literal(after)} and ${log.id} <= ${literal(upto)}`;

export function sinceOf(reads: Reads, newest: () => Promise<Newest>) {
  const gathering = new Map<number, Gathered>();

  /** The matching entries after an id: a follower's cursor must also advance when nothing matches. */
  async function since(
    after: number,
    filter: Filter,
    { rows_max = sinceLimits.rows_max }: { rows_max?: number } = {},
  ): Promise<SinceRead> {
    return one(after, filter, await newest(), rows_max);
  }

  /** The same up to a known end of the log. */
  async function one(after: number, filter: Filter, end: Newest, rows_max: number): Promise<SinceRead> {
    const upto = Math.min(
      end.id,
      after + (reads.deadline_ms !== null ? sinceLimits.ids_max : sinceLimits.embedded_ids_max),
    );
    if (upto <= after) return { entries: [], cursor: after, at_ms: null };
    const where = and(between(after, upto), filter.where);
    const found = await reads((from) =>
      storedRows(from, limited(from.select(rowColumns).from(log).where(where).orderBy(asc(log.id)), rows_max)),
    );
    const entries = found.map(toEntry);
    const last = entries.at(-1);
    if (last && found.length === rows_max) return { entries, cursor: last.id, at_ms: positionOf(last).at_ms };
    return { entries, cursor: upto, at_ms: upto === end.id ? end.at_ms : null };
  }

  /**
   * The same up to a known end of the log. Near the end, requests of one turn of the event loop are read in one statement:
   * it reads the new rows once, and says of each which filters it matches. Filters with the same matches get the same
   * object.
   */
  function sinceTogether(after: number, filter: Filter, end: Newest): Promise<SinceRead> {
    const n = end.id - after;
    if (n <= 0 || n > sinceLimits.rows_max) return one(after, filter, end, sinceLimits.rows_max);
    return new Promise((resolve, reject) => {
      const request = { filter, resolve, reject };
      const open = gathering.get(after);
      if (open?.end === end && open.requests.length < sinceLimits.filters_max) return void open.requests.push(request);
      const gathered: Gathered = { after, end, requests: [request] };
      gathering.set(after, gathered);
      // The followers of other filters ask in the same turn.
      void eventLoopTurn().then(() => {
        if (gathering.get(after) === gathered) gathering.delete(after);
        void readGathered(gathered);
      });
    });
  }

  async function readGathered({ after, end, requests }: Gathered): Promise<void> {
    const alone = ({ filter, resolve, reject }: Request) =>
      one(after, filter, end, sinceLimits.rows_max).then(resolve, reject);
    if (requests.length === 1) return void requests.forEach(alone);
    try {
      const read = await many(
        after,
        requests.map(({ filter }) => filter),
        end,
      );
      for (const [i, { resolve }] of requests.entries()) resolve(read[i] as SinceRead);
    } catch (error) {
      // A database that is away is so for all of them. Else what fails for one filter must not fail for the others.
      if (isTransient(error) && !isStatementTimeout(error)) for (const { reject } of requests) reject(error);
      else requests.forEach(alone);
    }
  }

  async function many(after: number, filters: Filter[], end: Newest): Promise<SinceRead[]> {
    const places = filters.map(({ where }, i) => sql`case when ${where ?? sql`true`} then ${sql.raw(String(i))} end`);
    // As text: the driver knows no type of arrays.
    const matched: SQL<string> = sql`array_to_string(array[${sql.join(places, sql`, `)}]::integer[], ',')`;
    const found = await reads((from) =>
      storedRows<{ matched: string }>(
        from,
        from
          .select({ ...rowColumns, matched: matched.as('matched') })
          .from(log)
          .where(between(after, end.id))
          .orderBy(asc(log.id))
          .getSQL(),
      ),
    );
    const entriesOf: Entry[][] = filters.map(() => []);
    for (const { matched, ...row } of found) {
      if (matched === '') continue;
      const entry = toEntry(row);
      for (const place of matched.split(',')) entriesOf[Number(place)]?.push(entry);
    }
    const readOf = new Map<string, SinceRead>();
    return entriesOf.map((entries) => {
      const key = entries.map(({ id }) => id).join();
      const read = readOf.get(key) ?? { entries, cursor: end.id, at_ms: end.at_ms };
      readOf.set(key, read);
      return read;
    });
  }

  return { since, sinceUpto: one, sinceTogether };
}
