/** The tables. drizzle-kit reads this; partitions, functions and triggers are in the custom migrations in drizzle/. */
import { sql } from 'drizzle-orm';
import {
  bigint,
  bit,
  boolean,
  check,
  customType,
  index,
  inet,
  integer,
  jsonb,
  type PgDatabase,
  type PgQueryResultHKT,
  pgTable,
  primaryKey,
  text,
  uuid,
  varchar,
} from 'drizzle-orm/pg-core';
import { entryLimits, type Json, type Metadata } from './entry.ts';
import { isoOf, plainIsoOf, readDatabaseTime } from './instant.ts';

/**
 * timestamptz(3), read as RFC 3339 in UTC. Milliseconds, because a JS `Date` holds no more: a cursor that loses the
 * microseconds loses rows. Strings, because PostgreSQL writes the session's offset and the drivers parse dates differently.
 */
export const instant = customType<{ data: string; driverData: string }>({
  dataType: () => 'timestamp (3) with time zone',
  fromDriver: (value) => plainIsoOf(value) ?? isoOf(readDatabaseTime(value)),
});

/**
 * timestamptz, for a time that is compared with the clock: rounded to milliseconds it could be half of one ahead, and what is
 * due at once would not be due yet.
 */
const moment = customType<{ data: string; driverData: string }>({
  dataType: () => 'timestamp with time zone',
  fromDriver: (value) => isoOf(readDatabaseTime(value)),
});

/** Read and written as hex (tiles.ts): the drivers have different types for bytes. */
const bytes = customType<{ data: Uint8Array; driverData: Uint8Array }>({ dataType: () => 'bytea' });

const { label_chars_max, service_chars_max, trace_id_chars_max, identifier_chars_max } = entryLimits;

/** The columns that a writer fills: the same in the log and in the inbox. */
const eventColumns = {
  event_type: varchar({ length: label_chars_max }).notNull(),
  entity_type: varchar({ length: label_chars_max }).notNull(),
  entity_id: varchar({ length: identifier_chars_max }),
  user_id: varchar({ length: identifier_chars_max }),
  description: text(),
  metadata: jsonb().$type<Json>(),
  ip_address: inet(),
  user_agent: text(),
  service: varchar({ length: service_chars_max }),
  trace_id: varchar({ length: trace_id_chars_max }),
  session_id: varchar({ length: identifier_chars_max }),
  event_uid: varchar({ length: identifier_chars_max }),
  span_id: varchar({ length: trace_id_chars_max }),
  parent_span_id: varchar({ length: trace_id_chars_max }),
  /** The event that led to this one: its id or its event_uid. */
  caused_by: varchar({ length: identifier_chars_max }),
};

/**
 * The log. `id` is dense and in commit order (append_logs hands it out), `timestamp` is when it happened, `created_at`
 * when the log took it. Indexes are plain ascending: drizzle's .desc() writes DESC NULLS LAST, which no
 * `ORDER BY … DESC` can use.
 */
export const activityLogs = pgTable(
  'activity_logs',
  {
    id: bigint({ mode: 'number' }).notNull(),
    timestamp: instant().notNull().default(sql`clock_timestamp()`),
    ...eventColumns,
    created_at: instant().notNull().default(sql`clock_timestamp()`),
  },
  (t) => [
    primaryKey({ name: 'activity_logs_pkey', columns: [t.id, t.timestamp] }),
    index('idx_activity_logs_timestamp').on(t.timestamp, t.id),
    index('idx_activity_logs_event_type').on(t.event_type, t.timestamp, t.id),
    index('idx_activity_logs_entity_type').on(t.entity_type, t.timestamp, t.id),
    index('idx_activity_logs_entity_id').on(t.entity_id, t.timestamp, t.id),
    index('idx_activity_logs_user_id').on(t.user_id, t.timestamp, t.id),
    index('idx_activity_logs_metadata').using('gin', t.metadata.op('jsonb_path_ops')),
    index('idx_activity_logs_description').using('gin', t.description.op('gin_trgm_ops')),
    // Partial: a log without traces or sessions pays nothing for them.
    index('idx_activity_logs_trace_id').on(t.trace_id, t.timestamp, t.id).where(sql`trace_id is not null`),
    index('idx_activity_logs_session_id').on(t.session_id, t.timestamp, t.id).where(sql`session_id is not null`),
  ],
);

/** One row for each appended batch, never updated. The newest `last_id` is the head of the log. */
export const logBatches = pgTable(
  'log_batches',
  {
    last_id: bigint({ mode: 'number' }).primaryKey(),
    n: integer().notNull(),
    committed_at: instant().notNull(),
  },
  (t) => [check('log_batches_n', sql`${t.n} > 0`)],
);

/** The one row that writers lock. Never updated: dead versions of an updated row pile up under a held snapshot. */
export const logLock = pgTable('log_lock', { only_row: boolean().primaryKey() }, (t) => [
  check('log_lock_only_row', sql`${t.only_row}`),
]);

/** The id of each event_uid: a partitioned table cannot have a unique constraint without its partition key. */
export const logUids = pgTable('log_uids', {
  event_uid: varchar({ length: identifier_chars_max }).primaryKey(),
  id: bigint({ mode: 'number' }).notNull(),
});

/** How far the old dashboard's table has been copied: one row for each copied batch. */
export const logTakeover = pgTable('log_takeover', {
  legacy_id: bigint({ mode: 'number' }).primaryKey(),
  last_id: bigint({ mode: 'number' }).notNull(),
});

/** Open sessions of people. The only table that is not append-only: an ended session is deleted. */
export const logSessions = pgTable('log_sessions', {
  /** SHA-256 of the cookie's secret: reading the table does not allow anybody to sign in. */
  digest: text().primaryKey(),
  /** Without the role, which is looked up at each use: a removed user loses access at once. */
  user_name: text().notNull(),
  /** A digest of the secret and the password that opened the session: a changed password ends it. */
  proof: text().notNull(),
  created_at: instant().notNull().default(sql`now()`),
  expires_at: instant().notNull(),
});

/**
 * Where other SQL writers insert events inside their own transaction, without taking the log's lock. Its trigger
 * (check_event) applies the rules of an event at the INSERT, so that a row is refused while its writer can still correct
 * it.
 */
export const activityInbox = pgTable('activity_inbox', {
  n: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  timestamp: instant().notNull().default(sql`clock_timestamp()`),
  ...eventColumns,
});

/** Rows of the inbox that the log could not take, each with its reason: they must not stop the rows behind them. */
export const activityInboxRefused = pgTable('activity_inbox_refused', {
  n: bigint({ mode: 'number' }).primaryKey(),
  reason: text().notNull(),
  event: jsonb().$type<Json>().notNull(),
  refused_at: instant().notNull().default(sql`clock_timestamp()`),
});

/** Which log this is: one row, made by the first migration and never changed. */
export const logIdentity = pgTable(
  'log_identity',
  {
    only_row: boolean().primaryKey().default(true),
    log_id: uuid().notNull().default(sql`gen_random_uuid()`),
  },
  (t) => [check('log_identity_only_row', sql`${t.only_row}`)],
);

/**
 * How far each reader has read the log. A derivation (reader.ts) changes its rows and its cursor in one transaction; a new
 * version of one has a row of its own, named `<name>@<version>`, until it has caught up. A delivery (delivery.ts) sends
 * events elsewhere: it has a lease, because what it does cannot be rolled back.
 */
export const logReaders = pgTable('log_readers', {
  name: text().primaryKey(),
  version: integer().notNull(),
  /** The log that was read: after another log was restored into this database, everything is derived anew. */
  log_id: uuid().notNull(),
  /** Every entry up to this id is derived or delivered, and none above it. */
  cursor: bigint({ mode: 'number' }).notNull(),
  moved_at: instant().notNull().default(sql`clock_timestamp()`),
  /** `derive`, or what the delivery does: `sink`. The columns below are of deliveries. */
  kind: text().notNull().default('derive'),
  /** What the kind needs to know. Secrets are in it as references only. */
  spec: jsonb().$type<Metadata>(),
  /** The events it is about, as the query string that writeFilter makes. */
  filter: text().notNull().default(''),
  /** The last id of a reader of a part of the log, which is deleted when it has got there. */
  until: bigint({ mode: 'number' }),
  /** The range that is being delivered, where that has to be fixed before it is sent. */
  pending: jsonb().$type<Json>(),
  /** What the next step has to know of the steps before. */
  state: jsonb().$type<Json>(),
  /** `on`, `paused` by a person, or `held` until one has looked at it. */
  status: text().notNull().default('on'),
  /** The process that delivers now, and until when it alone may. */
  owner: text(),
  owner_until: moment(),
  /** Counts the holders of the lease and the changes of what is delivered: who has an older one moves nothing. */
  epoch: bigint({ mode: 'number' }).notNull().default(0),
  /** Names what is delivered: another one after each change, and never one that a deleted reader of this name had. */
  revision: bigint({ mode: 'number' }).notNull().default(1),
  due_at: moment().notNull().default(sql`clock_timestamp()`),
  /** Failed attempts since the last one that succeeded, and why the last one failed. */
  attempts: integer().notNull().default(0),
  last_error: text(),
  last_ok_at: instant(),
});

/** The events that the far side of a delivery refused for good: their ids, because the log has the events. */
export const logRefused = pgTable(
  'log_refused',
  {
    reader: text().notNull(),
    id: bigint({ mode: 'number' }).notNull(),
    /** The last id, where the far side named no events: `n` of those from `id` to here were refused. */
    upto: bigint({ mode: 'number' }),
    n: integer().notNull().default(1),
    reason: text().notNull(),
    at: instant().notNull().default(sql`clock_timestamp()`),
  },
  (t) => [primaryKey({ name: 'log_refused_pkey', columns: [t.reader, t.id] })],
);

/** The columns by which the rollup counts. An entry without a service is counted under ''. */
const rollupLabels = {
  /** The version of the derivation that made the row. */
  version: integer().notNull(),
  event_type: varchar({ length: label_chars_max }).notNull(),
  entity_type: varchar({ length: label_chars_max }).notNull(),
  // Not null: a primary key takes no null, and NULLS NOT DISTINCT needs PostgreSQL 15.
  service: varchar({ length: service_chars_max }).notNull(),
};

/** The number of entries of each hour of `timestamp` (UTC), and the smallest and largest of their ids. */
export const logRollup = pgTable(
  'log_rollup',
  {
    ...rollupLabels,
    hour: instant().notNull(),
    n: bigint({ mode: 'number' }).notNull(),
    first_id: bigint({ mode: 'number' }).notNull(),
    last_id: bigint({ mode: 'number' }).notNull(),
  },
  (t) => [
    primaryKey({ name: 'log_rollup_pkey', columns: [t.version, t.hour, t.event_type, t.entity_type, t.service] }),
  ],
);

/** The same by day (UTC): up to 24 times fewer rows, for long periods. */
export const logRollupDay = pgTable(
  'log_rollup_day',
  { ...rollupLabels, day: instant().notNull(), n: bigint({ mode: 'number' }).notNull() },
  (t) => [
    primaryKey({ name: 'log_rollup_day_pkey', columns: [t.version, t.day, t.event_type, t.entity_type, t.service] }),
  ],
);

/** The same by month (UTC): a sum over years adds up few rows. */
export const logRollupMonth = pgTable(
  'log_rollup_month',
  { ...rollupLabels, month: instant().notNull(), n: bigint({ mode: 'number' }).notNull() },
  (t) => [
    primaryKey({
      name: 'log_rollup_month_pkey',
      columns: [t.version, t.month, t.event_type, t.entity_type, t.service],
    }),
  ],
);

/** By day and event type alone, for the bars of a histogram over years. */
export const logRollupDayType = pgTable(
  'log_rollup_day_type',
  {
    version: rollupLabels.version,
    event_type: rollupLabels.event_type,
    day: instant().notNull(),
    n: bigint({ mode: 'number' }).notNull(),
  },
  (t) => [primaryKey({ name: 'log_rollup_day_type_pkey', columns: [t.version, t.day, t.event_type] })],
);

/**
 * The number of entries of each user, day of `timestamp` (UTC) and event type; `hours` are those of the day, the leftmost bit
 * is the first one. Entries without a user are counted under ''.
 */
export const logUserDay = pgTable(
  'log_user_day',
  {
    version: rollupLabels.version,
    day: instant().notNull(),
    user_id: varchar({ length: identifier_chars_max }).notNull(),
    event_type: rollupLabels.event_type,
    n: bigint({ mode: 'number' }).notNull(),
    hours: bit({ dimensions: 24 }).notNull(),
    first_id: bigint({ mode: 'number' }).notNull(),
    last_id: bigint({ mode: 'number' }).notNull(),
  },
  (t) => [primaryKey({ name: 'log_user_day_pkey', columns: [t.version, t.day, t.user_id, t.event_type] })],
);

/**
 * The entry in which a subject first had a value. Rows are inserted only: counting every sight costs ten times as much.
 * A subject has at most 1,000 values of a kind; the next one is stored as '', and none after it.
 */
export const logSeen = pgTable(
  'log_seen',
  {
    version: integer().notNull(),
    /** What is seen of what: see seenKinds in seen.ts. */
    kind: text().notNull(),
    subject: text().notNull(),
    value: text().notNull(),
    first_id: bigint({ mode: 'number' }).notNull(),
    first_at: instant().notNull(),
  },
  (t) => [
    primaryKey({ name: 'log_seen_pkey', columns: [t.version, t.kind, t.subject, t.value] }),
    index('log_seen_first_id').on(t.first_id),
  ],
);

/**
 * The number of entries of each pattern, and the smallest and largest of their ids. A pattern is a service and a masked
 * description; `key` is that of the filter `pattern`. Entries without a service are counted under ''.
 */
export const logPattern = pgTable(
  'log_pattern',
  {
    version: integer().notNull(),
    service: varchar({ length: service_chars_max }).notNull(),
    key: varchar({ length: 16 }).notNull(),
    text: text().notNull(),
    n: bigint({ mode: 'number' }).notNull(),
    first_id: bigint({ mode: 'number' }).notNull(),
    last_id: bigint({ mode: 'number' }).notNull(),
  },
  (t) => [primaryKey({ name: 'log_pattern_pkey', columns: [t.version, t.service, t.key] })],
);

/**
 * The keys of each 256 events, from which the salts of their commitments are derived (proof/tile-keys.ts). The first
 * instance that makes a key wins. A key changes only when an event of its tile is erased.
 */
export const logTileKeys = pgTable('log_tile_keys', {
  tile: bigint({ mode: 'number' }).primaryKey(),
  nodes: bytes().notNull(),
});

/**
 * The Merkle tree of the log in tiles of 256 hashes (C2SP tlog-tiles), full ones only. The hashes of level 0 are those of
 * the leaves; those of a level above are the roots of the tiles below, and are not stored twice.
 */
export const logTiles = pgTable(
  'log_tiles',
  {
    level: integer().notNull(),
    n: bigint({ mode: 'number' }).notNull(),
    root: bytes().notNull(),
    hashes: bytes(),
  },
  (t) => [primaryKey({ name: 'log_tiles_pkey', columns: [t.level, t.n] })],
);

/** States of the tree that were signed: the newest one, and the first one of each minute. */
export const logCheckpoints = pgTable(
  'log_checkpoints',
  {
    /** The number of events. */
    size: bigint({ mode: 'number' }).primaryKey(),
    root: bytes().notNull(),
    /** The checkpoint as a signed note (C2SP tlog-checkpoint). */
    note: text().notNull(),
    at: instant().notNull().default(sql`clock_timestamp()`),
  },
  (t) => [index('log_checkpoints_at').on(t.at)],
);

/**
 * What is left of the commitments of an event of which something was erased: the commitment of each field that is gone,
 * and the salt of each value that stayed (proof/leaf.ts). It is also the ledger from which erasures are repeated.
 */
export const logErasures = pgTable(
  'log_erasures',
  {
    id: bigint({ mode: 'number' }).notNull(),
    field: text().notNull(),
    commitment: bytes(),
    salt: bytes(),
  },
  (t) => [
    primaryKey({ name: 'log_erasures_pkey', columns: [t.id, t.field] }),
    check('log_erasures_one', sql`(${t.commitment} is null) <> (${t.salt} is null)`),
  ],
);

/**
 * A stored event, as every reader gets it. `unreadable` says which of its values cannot be given out and why; then
 * `metadata_text` may hold its metadata as text (stored-row.ts).
 */
export type Entry = typeof activityLogs.$inferSelect & { unreadable?: string; metadata_text?: string };

/** Either driver's Drizzle database. */
export type Database = PgDatabase<PgQueryResultHKT>;
