/**
 * Whole numbers as part of the text of a statement. The driver asks the database for the types of parameters before it
 * sends them: a statement without parameters saves that round trip.
 */
import { type SQL, sql } from 'drizzle-orm';

/** A whole number as a literal; throws for any other value. */
export function literal(n: number): SQL {
  if (!Number.isSafeInteger(n)) throw new RangeError(`${n} is no whole number`);
  return sql.raw(String(n));
}

/** A query with a limit and an offset. */
export const limited = (query: { getSQL(): SQL }, rows: number, offset = 0): SQL =>
  sql`${query.getSQL()} limit ${literal(rows)} offset ${literal(offset)}`;
