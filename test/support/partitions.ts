/** The partitions of a log, from PostgreSQL's own text of their bounds, and where its events are. */
import { sql } from 'drizzle-orm';
import type { Database } from '../../src/log/schema.ts';
import { createStore } from '../../src/log/store.ts';
import { eventually } from './harness.ts';

/** A range of times in milliseconds; `to` is not included. */
export type Partition = { name: string; from: number; to: number };

const bounds = /FROM \((?:MINVALUE|'([^']+)')\) TO \('([^']+)'\)$/;

export async function partitionsOf(db: Database): Promise<Partition[]> {
  const rows = await db
    .select({ name: sql<string>`c.relname`, bound: sql<string>`pg_get_expr(c.relpartbound, c.oid)` })
    .from(sql`pg_inherits i join pg_class c on c.oid = i.inhrelid`)
    .where(sql`i.inhparent = 'activity_logs'::regclass`);
  const found = rows.map(({ name, bound }) => {
    const [, from, to = ''] = bounds.exec(bound) ?? [];
    return { name, from: from ? Date.parse(from) : Number.NEGATIVE_INFINITY, to: Date.parse(to) };
  });
  return found.sort((a, b) => a.from - b.from);
}

/** The times before `upto` that no partition covers, as texts. */
export function uncovered(partitions: Partition[], upto: number): string[] {
  const faults: string[] = [];
  let covered = Number.NEGATIVE_INFINITY;
  for (const { from, to } of partitions) {
    if (from > covered && covered < upto) faults.push(`${covered} to ${from}`);
    covered = to;
  }
  return covered < upto ? [...faults, `from ${covered}`] : faults;
}

export const monthsAgo = (n: number, now = new Date()) => Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - n, 1);
export const nameOf = (ms: number) => `activity_logs_${new Date(ms).toISOString().slice(0, 7).replace('-', '_')}`;

/** The partitions that have events, with their number. */
export async function filled(db: Database): Promise<Record<string, number>> {
  const rows = await db
    .select({ name: sql<string>`c.relname`, n: sql<number>`count(*)`.mapWith(Number) })
    .from(sql`activity_logs l join pg_class c on c.oid = l.tableoid`)
    .groupBy(sql`c.relname`);
  return Object.fromEntries(rows.map(({ name, n }) => [name, n]));
}

/** How many events of the last ten years are not in the partition of their month. */
export async function misplaced(db: Database): Promise<number> {
  const [row] = await db
    .select({ n: sql<number>`count(*)`.mapWith(Number) })
    .from(sql`activity_logs l join pg_class c on c.oid = l.tableoid`)
    .where(
      sql`l.timestamp >= ${new Date(monthsAgo(120)).toISOString()}::timestamptz
        and c.relname <> 'activity_logs_' || to_char(l.timestamp at time zone 'UTC', 'YYYY_MM')`,
    );
  return row?.n ?? 0;
}

/**
 * Waits until each event of the last ten years is in the partition of its month. What finds the log in use is done by a
 * later call, and on a busy machine that may be any statement.
 */
export const divided = (db: Database) =>
  eventually('each event is in its month', async () => {
    if ((await misplaced(db)) === 0) return true;
    await createStore(db).makePartitions();
    return false;
  });
