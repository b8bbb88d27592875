/** Reads rows of the log as entries, also rows that an older version or the tables' owner stored and no writer may store. */
import { type GetColumnData, getTableColumns, type SQL, sql } from 'drizzle-orm';
import type { Json } from './entry.ts';
import { earliest_ms, isoOf, latest_ms, plainIsoOf, readDatabaseTime } from './instant.ts';
import { jsonTextFaults } from './json-text.ts';
import { type Database, type Entry, activityLogs as log } from './schema.ts';

export const readLimits = {
  /** A longer text or metadata is not read: it must not use up the memory of the service. */
  text_chars_max: 262_144,
  /** JSON.stringify is recursive and overflows the stack at some thousand levels. Writers may send 20. */
  metadata_depth_max: 100,
} as const;

const bounded = (text: unknown) => sql<string | null>`left(${text}, ${sql.raw(String(readLimits.text_chars_max + 1))})`;

/** The columns as expressions: Drizzle refuses a column in a query from a subquery of its table. */
const columns = getTableColumns(log);
const expressions = Object.fromEntries(
  Object.entries(columns).map(([name, column]) => [name, sql`${column}`.mapWith(column)]),
) as { [K in keyof typeof columns]: SQL<GetColumnData<(typeof columns)[K]>> };

/**
 * The columns of a query for entries. Metadata is selected as text, because the driver's JSON.parse rounds numbers that
 * a double does not hold; times as text, because they may be infinite.
 */
export const rowColumns = {
  ...expressions,
  timestamp: sql<string>`${log.timestamp}`,
  description: bounded(log.description).as('description'),
  metadata: bounded(sql`${log.metadata}::text`).as('metadata'),
  user_agent: bounded(log.user_agent).as('user_agent'),
  created_at: sql<string>`${log.created_at}`,
};

/** A row as the query returns it. */
export type StoredRow = Omit<Entry, 'metadata'> & { metadata: string | null };

/**
 * The rows of a query that selects `rowColumns`, and maybe others, without drizzle's mapping: for a page it takes longer
 * than the read. Only the id is not what the driver returns.
 */
export async function storedRows<Others extends Record<string, unknown> = Record<never, never>>(
  db: Database,
  query: SQL,
): Promise<(StoredRow & Others)[]> {
  const result: unknown = await db.execute(query);
  const rows = (Array.isArray(result) ? result : (result as { rows: unknown[] }).rows) as (StoredRow & Others)[];
  for (const row of rows) row.id = Number(row.id);
  return rows;
}

/** The real times of entries whose `timestamp` RFC 3339 cannot express: cursors need them. */
const realTimes = new WeakMap<object, number>();

/** When an entry happened, in epoch milliseconds; infinite where the database says so. */
export const timeOf = (entry: { timestamp: string }): number => realTimes.get(entry) ?? Date.parse(entry.timestamp);

/**
 * A row as an entry. What cannot be read is null (of a time: the nearest one that can be) and named in `unreadable`: one
 * row must not keep the rows beside it from being read. Metadata is then also there as its text, unless it is too long.
 */
export function toEntry(row: StoredRow): Entry {
  const faults: string[] = [];
  const timestamp = isoTime('timestamp', row.timestamp, faults);
  const metadataText = boundedText('metadata', row.metadata, faults);
  const fault = metadataText === null ? null : metadataFault(metadataText);
  if (fault) faults.push(`metadata: ${fault}`);
  const entry: Entry = {
    ...row,
    timestamp,
    description: boundedText('description', row.description, faults),
    metadata: metadataText === null || fault ? null : (JSON.parse(metadataText) as Json),
    user_agent: boundedText('user_agent', row.user_agent, faults),
    created_at: isoTime('created_at', row.created_at, faults),
  };
  if (faults.length === 0) return entry;
  const ms = readDatabaseTime(row.timestamp);
  if (ms !== Date.parse(timestamp)) realTimes.set(entry, ms);
  return Object.assign(entry, {
    unreadable: faults.join('; '),
    ...(fault && metadataText !== null && { metadata_text: metadataText }),
  });
}

/** The RFC 3339 form of a time, or of the nearest one that it can express. */
function isoTime(field: string, text: string, faults: string[]): string {
  const plain = plainIsoOf(text);
  if (plain) return plain;
  const ms = readDatabaseTime(text);
  if (!(ms >= earliest_ms && ms <= latest_ms)) faults.push(`${field}: ${text} is outside of the years 1 to 9999`);
  return isoOf(ms);
}

function boundedText(field: string, value: string | null, faults: string[]): string | null {
  if (value === null || value.length <= readLimits.text_chars_max) return value;
  faults.push(`${field}: longer than ${readLimits.text_chars_max} characters`);
  return null;
}

/** A run of digits that may be more than a double holds; jsonb prints no exponents. */
const longNumber = /[0-9.]{16}/;

/** Why the text of a jsonb value cannot be given out as JSON that reads the same everywhere, or null. */
function metadataFault(text: string): string | null {
  const { metadata_depth_max } = readLimits;
  if (text.length > metadata_depth_max && depthOf(text) > metadata_depth_max)
    return `more than ${metadata_depth_max} levels deep`;
  const [fault] = longNumber.test(text) ? jsonTextFaults(text) : [];
  return fault ? `${fault.path.join('.')}: ${fault.reason}` : null;
}

/** How deep a JSON text is at most: brackets within strings are counted, too, until they would decide. */
function depthOf(text: string): number {
  const { metadata_depth_max } = readLimits;
  if ((text.match(/[[{]/g)?.length ?? 0) <= metadata_depth_max) return 0;
  let depth = 0;
  let deepest = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[{]|[\]}]/g)) {
    if (token === '[' || token === '{') depth += 1;
    else if (token === ']' || token === '}') depth -= 1;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}
