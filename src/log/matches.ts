/** Reads of the entries that a rule is about: which of its filters each matches, and the values that it is grouped by. */
import { and, asc, type SQL, sql } from 'drizzle-orm';
import { type Filter, valueSql } from './filter.ts';
import { literal } from './literals.ts';
import type { Reads } from './reads.ts';
import { activityLogs as log } from './schema.ts';
import { sinceLimits } from './since.ts';

export type MatchQuery = {
  filters: Filter[];
  /** Keys of filters, whose values are read. */
  group_by: string | null;
  field: string | null;
};

export type Match = {
  id: number;
  /** When the log took it and when it happened, in epoch ms. */
  at: number;
  happened: number;
  group: string | null;
  value: string | null;
  /** The places of the filters that it matches. */
  matched: number[];
};

/** `cursor`: up to where it was read. `start` and `at` are when the log took the entries at both ends of the range. */
export type Matches = { matches: Match[]; cursor: number; start: number | null; at: number | null };

/** What rules have made is not read by rules: an alert about alerts would have no end. */
const isOfRules = sql`(${log.entity_type} = 'rule' and ${log.service} is not distinct from 'edgetrail')`;
const epochMs = (column: unknown) => sql`(extract(epoch from ${column}) * 1000)::float8`;
const textOf = (key: string | null): SQL => (key === null ? undefined : valueSql(key)) ?? sql`null::text`;

type Row = { id: unknown; at: number; happened: number; grp: string | null; val: string | null; matched: string };

export function matchesOf(reads: Reads) {
  /** The matching entries after an id, in the order of their ids, from a range of limited length. */
  async function matches(after: number, end: number, { filters, group_by, field }: MatchQuery): Promise<Matches> {
    const { ids_max, embedded_ids_max } = sinceLimits;
    const upto = Math.min(end, after + (reads.deadline_ms !== null ? ids_max : embedded_ids_max));
    const conditions = filters.map(({ where }) => where ?? sql`true`);
    const places = conditions.map((condition, i) => sql`case when ${condition} then ${sql.raw(`'${i}'`)} end`);
    const rows = await reads(async (db) => {
      const result: unknown = await db.execute(
        db
          .select({
            id: sql`${log.id}`.as('id'),
            at: epochMs(log.created_at).as('at'),
            happened: epochMs(log.timestamp).as('happened'),
            grp: sql`${textOf(group_by)}`.as('grp'),
            val: sql`${textOf(field)}`.as('val'),
            matched: sql`case when ${isOfRules} then '' else concat(${sql.join(places, sql`, `)}) end`.as('matched'),
          })
          .from(log)
          .where(
            and(
              sql`${log.id} >= ${literal(after)} and ${log.id} <= ${literal(upto)}`,
              sql`(${sql.join(conditions, sql` or `)} or ${log.id} in (${literal(after)}, ${literal(upto)}))`,
            ),
          )
          .orderBy(asc(log.id))
          .getSQL(),
      );
      return (Array.isArray(result) ? result : (result as { rows: unknown[] }).rows) as Row[];
    });
    const found = rows.map(({ id, at, happened, grp, val, matched }) => ({
      id: Number(id),
      at: Math.round(at),
      happened: Math.round(happened),
      group: grp,
      value: val,
      matched: [...matched].map(Number),
    }));
    const atOf = (wanted: number) => found.find(({ id }) => id === wanted)?.at ?? null;
    return {
      matches: found.filter(({ id, matched }) => id > after && matched.length > 0),
      cursor: upto,
      start: atOf(after),
      at: atOf(upto),
    };
  }

  /** Which of some values of a field an entry has that matches a filter and is not after an id. */
  async function known(
    values: string[],
    upto: number,
    { filters: [filter], group_by }: MatchQuery,
  ): Promise<Set<string>> {
    const expression = group_by === null ? undefined : valueSql(group_by);
    if (values.length === 0 || !expression) return new Set();
    const where = and(
      sql`${expression} = v.value`,
      sql`${log.id} <= ${literal(upto)}`,
      filter?.where,
      sql`not ${isOfRules}`,
    );
    const rows = await reads((db) =>
      db
        .select({ value: sql<string>`v.value` })
        .from(sql`jsonb_array_elements_text(${JSON.stringify(values)}::jsonb) as v (value)`)
        .where(sql`exists (select from ${log} where ${where})`),
    );
    return new Set(rows.map(({ value }) => value));
  }

  return { matches, known };
}
