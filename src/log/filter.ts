/**
 * What may be asked of the log: one row a parameter, with its label, its input, the check of its value and the SQL. The API,
 * the page, the live stream, the export and the table in docs/filters.md all come from these rows.
 */
import { and, gte, ilike, inArray, isNotNull, isNull, lte, not, notInArray, or, type SQL, sql } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import { readAddress } from '../http/addresses.ts';
import { badField, Problem } from '../http/problem.ts';
import { entryLimits, isLonger, textFault } from './entry.ts';
import { latest_ms, parseInstant } from './instant.ts';
import { metadataPrefix, pathFault, pathLimits, readingsOf } from './metadata-path.ts';
import { activityLogs as log } from './schema.ts';
import { hasTrigram, searchForms } from './search-text.ts';

export const filterLimits = {
  values_max: 50,
  /** Every text is compared with every description that the other terms leave. */
  search_values_max: 10,
  search_chars_max: 200,
  /** All values of a filter together: each may cost a comparison with every row. */
  values_all_max: 100,
  /** A filter as a query string, encoded. Its `Link` header holds it twice, and clients refuse headers above 16 KiB. */
  filter_chars_max: 6_500,
  ...pathLimits,
} as const;

type Row = {
  key: string;
  /** What it is called in the line of src/log/syntax.ts; nothing for the text that stands there by itself. */
  word: string;
  label: string;
  input: 'text' | 'search' | 'date' | 'list' | 'unlisted';
  chars_max: number;
  /** The column that it is compared with exactly. */
  column?: PgColumn;
  /** How many values it takes, where that is not `values_max`. */
  values_max?: number;
  /** Why the value is invalid, or null. */
  fault(value: string): string | null;
  /** The rows that match any of the values. */
  sql(values: string[]): SQL;
  /** The rows that match none of them; absent where a negation has no clear meaning. */
  not?(values: string[]): SQL;
};

const noFault = () => null;
const timeFault = (value: string) =>
  parseInstant(value) ? null : 'must be an ISO 8601 date or date-time, such as 2026-03-01 or 2026-03-01T12:30:00Z';

/** 2^53 has 16 digits. */
const id_chars_max = 15;
const idFault = (value: string) => (/^\d+$/.test(value) ? null : 'must be the id of an event');

const pattern_chars = 16;
/** A function of the migrations. No index has it: that would mask each description at each write. */
export const patternKey = sql<string>`pattern_key(${log.service}, ${log.description})`;

/** A column compared exactly. The negation includes rows without a value. */
const exact = (
  key: string,
  word: string,
  label: string,
  column: PgColumn,
  chars_max: number,
  input: Row['input'] = 'text',
): Row => ({
  key,
  word,
  label,
  input,
  chars_max,
  column,
  fault: noFault,
  sql: (values) => inArray(column, values),
  not: (values) => (column.notNull ? notInArray(column, values) : either(isNull(column), notInArray(column, values))),
});

/** drizzle's `or` is undefined only without conditions; here it always has two. */
const either = (a: SQL, b: SQL): SQL => or(a, b) ?? a;

const iso = (ms: number) => new Date(ms).toISOString();
const instantOf = (value: string) => parseInstant(value) ?? { ms: 0, unit_ms: 1 };

/** The first millisecond of a period that begins with any of these times. */
const firstOf = (values: string[]) => Math.min(...values.map((value) => instantOf(value).ms));
/** The last one: the end includes the whole day, minute or second that was given. Times are whole milliseconds. */
const lastOf = (values: string[]) =>
  Math.min(latest_ms, Math.max(...values.map(instantOf).map(({ ms, unit_ms }) => ms + unit_ms - 1)));

/** The first and the last millisecond that the terms allow; infinite where they say nothing. */
export function periodOf(terms: Term[]): { first_ms: number; last_ms: number } {
  const values = (key: string) => terms.flatMap((term) => (term.key === key ? term.values : []));
  const [from, to] = [values('start_date'), values('end_date')];
  return {
    first_ms: from.length > 0 ? firstOf(from) : Number.NEGATIVE_INFINITY,
    last_ms: to.length > 0 ? lastOf(to) : Number.POSITIVE_INFINITY,
  };
}

/** The last id that the terms allow, or null. */
export function lastIdOf(terms: Term[]): number | null {
  const ids = terms.flatMap(({ key, values }) => (key === 'last_id' ? values.map(Number) : []));
  return ids.length > 0 ? Math.max(...ids) : null;
}

/** The one value that a field must have, where the terms say one. */
export function onlyValue(terms: Term[], key: string): string | undefined {
  const [value, more] = terms.find((term) => term.key === key && !term.negated)?.values ?? [];
  return more === undefined ? value : undefined;
}

/** Escapes the wildcards of ILIKE, so that they match themselves. */
const likeLiteral = (value: string) => value.replace(/[\\%_]/g, '\\$&');

/**
 * The rows whose description contains the text in one of its forms. A text without a trigram is compared with an
 * expression that has no index: PostgreSQL would read the complete index for it, which takes seconds and does not end at
 * a deadline.
 */
const containsText = (value: string): SQL => {
  const compared = hasTrigram(value) ? log.description : sql`(${log.description} || '')`;
  return or(...searchForms(value).map((form) => ilike(compared, `%${likeLiteral(form)}%`))) ?? sql`false`;
};

const { label_chars_max, identifier_chars_max, service_chars_max, trace_id_chars_max } = entryLimits;
const time_chars_max = 40;
/** An IPv6 address that ends in an IPv4 address. */
const address_chars_max = 45;

const utc = sql`(${log.timestamp} at time zone 'UTC')`;
const hourOfWeek = sql`((extract(isodow from ${utc}) - 1) * 24 + extract(hour from ${utc}))::integer`;

/** The fields that an event may be without, by their parameters. */
const optionalColumns = {
  entity_id: log.entity_id,
  ip_address: log.ip_address,
  service: log.service,
  session_id: log.session_id,
  trace_id: log.trace_id,
  user_id: log.user_id,
} as const;
const optionalKeys = Object.keys(optionalColumns);
const isOptional = (key: string): key is keyof typeof optionalColumns => Object.hasOwn(optionalColumns, key);
const columnsOf = (keys: string[]): PgColumn[] => keys.filter(isOptional).map((key) => optionalColumns[key]);

export const filterRows: Row[] = [
  exact('event_type', 'type', 'Event', log.event_type, label_chars_max, 'list'),
  exact('entity_type', 'entity', 'Entity', log.entity_type, label_chars_max, 'list'),
  exact('entity_id', 'id', 'Entity id', log.entity_id, identifier_chars_max),
  exact('user_id', 'user', 'User', log.user_id, identifier_chars_max),
  {
    key: 'start_date',
    word: 'from',
    label: 'From',
    input: 'date',
    chars_max: time_chars_max,
    fault: timeFault,
    sql: (values) => gte(log.timestamp, iso(firstOf(values))),
  },
  {
    key: 'end_date',
    word: 'to',
    label: 'To',
    input: 'date',
    chars_max: time_chars_max,
    fault: timeFault,
    sql: (values) => lte(log.timestamp, iso(lastOf(values))),
  },
  {
    key: 'search',
    word: '',
    label: 'Search',
    input: 'search',
    chars_max: filterLimits.search_chars_max,
    values_max: filterLimits.search_values_max,
    fault: noFault,
    // All texts must match, unlike the values of a field: one description can contain several texts.
    sql: (values) => and(...values.map(containsText)) ?? sql`true`,
    not: (values) => either(isNull(log.description), not(or(...values.map(containsText)) ?? sql`false`)),
  },
  exact('service', 'service', 'Service', log.service, service_chars_max),
  exact('trace_id', 'trace', 'Trace', log.trace_id, trace_id_chars_max),
  exact('session_id', 'session', 'Session', log.session_id, identifier_chars_max),
  {
    ...exact('ip_address', 'address', 'Address', log.ip_address, address_chars_max),
    fault: (value) => (readAddress(value) ? null : 'must be an IPv4 or IPv6 address'),
  },
  {
    key: 'without',
    word: 'without',
    label: 'Without',
    input: 'unlisted',
    chars_max: 20,
    fault: (value) => (isOptional(value) ? null : `must be one of ${optionalKeys.join(', ')}`),
    // All of them must be empty: a count by two fields has a group without either.
    sql: (values) => and(...columnsOf(values).map((column) => isNull(column))) ?? sql`true`,
    not: (values) => and(...columnsOf(values).map((column) => isNotNull(column))) ?? sql`true`,
  },
  {
    key: 'hour_of_week',
    word: 'hour_of_week',
    label: 'Hour of the week',
    input: 'unlisted',
    chars_max: 3,
    fault: (value) => (/^\d+$/.test(value) && Number(value) < 168 ? null : 'must be a whole number from 0 to 167'),
    sql: (values) => inArray(hourOfWeek, values.map(Number)),
  },
  {
    key: 'pattern',
    word: 'pattern',
    label: 'Pattern',
    input: 'unlisted',
    chars_max: pattern_chars,
    fault: (value) => (/^[0-9a-f]{16}$/.test(value) ? null : 'must be the key of a pattern: 16 hexadecimal digits'),
    sql: (values) => inArray(patternKey, values),
    not: (values) => notInArray(patternKey, values),
  },
  {
    key: 'first_id',
    word: 'first_id',
    label: 'First id',
    input: 'unlisted',
    chars_max: id_chars_max,
    fault: idFault,
    sql: (values) => gte(log.id, Math.min(...values.map(Number))),
  },
  {
    key: 'last_id',
    word: 'last_id',
    label: 'Last id',
    input: 'unlisted',
    chars_max: id_chars_max,
    fault: idFault,
    sql: (values) => lte(log.id, Math.max(...values.map(Number))),
  },
];

/** What docs/filters.md says about each row. Not in the rows: the bundle for Workers leaves this out. */
export const filterSentences: Record<string, string> = {
  event_type: 'what happened: CREATE, UPDATE, DELETE, PAYMENT or any other word',
  entity_type: 'the kind of thing it happened to: order, customer, …',
  entity_id: 'which thing it happened to',
  user_id: 'who did it',
  start_date: 'not earlier than this ISO 8601 date or date-time (no zone means UTC)',
  end_date: 'not later than this; the whole day, minute or second that is given is included',
  search:
    'the description contains this text, in upper or lower case, and given twice all of them; `%`, `_` and `\\` are themselves',
  service: 'which service wrote it',
  trace_id: 'the trace it belongs to',
  session_id: 'the session it belongs to',
  ip_address: 'the address that it came from',
  without:
    'it has nothing in this field: `entity_id`, `ip_address`, `service`, `session_id`, `trace_id` or `user_id`; given twice, in neither',
  hour_of_week: 'its hour of the week in UTC, from 0 (Monday from midnight to one o’clock) to 167',
  pattern: 'its service and description have this pattern, by its key in [Patterns](patterns.md)',
  first_id: 'its own id is this one or larger',
  last_id: 'its own id is this one or smaller',
};

const rowOf = new Map(filterRows.map((row) => [row.key, row]));
const jsonScalar = /^(true|false|null|-?(0|[1-9]\d{0,15})(\.\d{1,20})?([eE][+-]?\d{1,3})?)$/;

/**
 * `metadata.order.status=paid`: the value at the path is this text, or this number, true, false or null. Containment,
 * because that is what the jsonb_path_ops index answers.
 */
function metadataRow(key: string): Row {
  const readings = readingsOf(key);
  const contains = (values: string[]) =>
    or(
      ...values
        .flatMap((value) => [JSON.stringify(value), ...(jsonScalar.test(value) ? [value] : [])])
        .flatMap((json) =>
          readings.map((path) => path.reduceRight((inner, step) => `{${JSON.stringify(step)}:${inner}}`, json)),
        )
        .map((object) => sql`${log.metadata} @> ${object}::jsonb`),
    ) ?? sql`false`;
  return {
    key,
    word: key,
    label: key,
    input: 'text',
    chars_max: identifier_chars_max,
    fault: noFault,
    sql: contains,
    not: (values) => either(isNull(log.metadata), not(contains(values))),
  };
}

/** One condition: a field has any of these values, or (negated) none of them. */
export type Term = { key: string; negated: boolean; values: string[] };

/** A filter. Equal filters have the same `key`, so that followers can share reads. */
export type Filter = { terms: Term[]; key: string; where: SQL | undefined };

/** Whether a key is an end of the time range. */
export const isTimeKey = (key: string): boolean => key === 'start_date' || key === 'end_date';

/** Parameters that do not select events but say how they are returned. */
export type Paging =
  | ('limit' | 'offset' | 'before' | 'after' | 'count' | 'format' | 'live' | 'on' | 'last')
  | ('group_by' | 'measure' | 'interval' | 'compare');

/**
 * Reads a filter from a query string. An empty value is ignored; a repeated parameter means any of its values (search
 * texts: all of them); a key that ends in `!` means none of them. Throws a 400 that names the parameter, also for an
 * unknown one: a misspelt filter would otherwise return everything.
 */
export function readFilter(query: URLSearchParams, alsoAllowed: readonly Paging[] = []): Filter {
  const asked = new Map<string, Term>();
  let comparisons = 0;
  for (const [key, raw] of query) {
    if ((alsoAllowed as readonly string[]).includes(key) || raw === '') continue;
    const value = rowFor(splitNegation(key).key)?.input === 'date' ? restorePlus(raw) : raw;
    const fault = faultOf(key, value);
    if (fault) throw badField(key, fault);
    const term = asked.get(key) ?? { ...splitNegation(key), values: [] };
    if (!term.values.includes(value)) term.values.push(value);
    if (term.values.length > valuesMax(key)) throw badField(key, `takes at most ${valuesMax(key)} values`);
    asked.set(key, term);
    comparisons += key.startsWith(metadataPrefix) ? readingsOf(term.key).length : 1;
    if (comparisons > filterLimits.values_all_max) throw badField(key, tooManyValues);
  }
  const filter = filterOf([...asked.values()]);
  if (filter.key.length > filterLimits.filter_chars_max)
    throw new Problem(
      400,
      `The filter is too long: at most ${filterLimits.filter_chars_max} characters, as encoded in an address.`,
    );
  return filter;
}

const tooManyValues = `is too much: a filter takes at most ${filterLimits.values_all_max} values in all, where a metadata path counts once for each way to read its dots; keys in quotes have one`;

/** In a query string a plus means a blank: one before an offset can only have been a plus. */
const restorePlus = (time: string): string =>
  time.replace(/([T ]\d\d:?\d\d(?::?\d\d(?:[.,]\d+)?)?) (\d\d(?::?\d\d)?)$/i, '$1+$2');

/** The filter of terms that have been checked before. */
export const filterOf = (terms: Term[]): Filter => ({
  terms,
  key: writeFilter(terms).toString(),
  where: and(...terms.map(termSql)),
});

/** The filter without the terms of one field: a facet counted under it shows the other values to choose from. */
export const withoutField = (filter: Filter, key: string): Filter =>
  filterOf(filter.terms.filter((term) => term.key !== key));

/** The value of a field, as text, or undefined where a key has no one value: a time or the text that is searched. */
export function valueSql(key: string): SQL | undefined {
  const column = rowOf.get(key)?.column;
  if (column) return sql`${column}`;
  if (!key.startsWith(metadataPrefix) || pathFault(key)) return undefined;
  const steps = readingsOf(key).map((path) =>
    sql.join([sql`${log.metadata}`, ...path.map((step) => sql`${step}::text`)], sql`, `),
  );
  return sql`coalesce(${sql.join(
    steps.map((path) => sql`jsonb_extract_path_text(${path})`),
    sql`, `,
  )})`;
}

function rowFor(name: string): Row | undefined {
  return rowOf.get(name) ?? (name.startsWith(metadataPrefix) ? metadataRow(name) : undefined);
}

/** Splits a parameter's name into its key and whether it ends in `!`. */
function splitNegation(parameter: string): { key: string; negated: boolean } {
  const negated = parameter.endsWith('!');
  return { key: negated ? parameter.slice(0, -1) : parameter, negated };
}

/** How many values a parameter (with its `!`) takes. */
export const valuesMax = (parameter: string): number =>
  rowFor(splitNegation(parameter).key)?.values_max ?? filterLimits.values_max;

/** Why a parameter (with its `!`) or its value is invalid, or null. */
export function faultOf(parameter: string, value: string): string | null {
  const { key, negated } = splitNegation(parameter);
  const wrongPath = key.startsWith(metadataPrefix) ? pathFault(key) : null;
  if (wrongPath) return wrongPath;
  const row = rowFor(key);
  if (!row || (negated && !row.not)) return 'is not a parameter of this request';
  return (
    textFault(value) ??
    textFault(key) ??
    (isLonger(value, row.chars_max) ? `must be at most ${row.chars_max} characters long` : row.fault(value))
  );
}

function termSql({ key, negated, values }: Term): SQL {
  const row = rowFor(key);
  const condition = negated ? row?.not?.(values) : row?.sql(values);
  return condition ?? sql`false`;
}

/** The terms as a query string, in canonical order. */
export function writeFilter(terms: Term[]): URLSearchParams {
  const query = new URLSearchParams();
  const parameters = terms.map(({ key, negated, values }) => ({
    name: negated ? `${key}!` : key,
    // Search texts keep their order; it is the order that the user typed.
    values: rowFor(key)?.input === 'search' ? values : [...values].sort(),
  }));
  for (const { name, values } of parameters.sort((a, b) => (a.name < b.name ? -1 : 1)))
    for (const value of values) query.append(name, value);
  return query;
}
