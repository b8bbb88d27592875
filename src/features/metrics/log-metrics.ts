/** The metrics that come from the database: the same on every instance and on every runtime. */
import type { Metric } from '../../http/metric.ts';
import type { Store } from '../../log/store.ts';
import { vitalsLimits } from '../../log/vitals.ts';

const counted = `at most ${vitalsLimits.inbox_rows_max.toLocaleString('en-US')} are counted`;

/** `inboxSince` is null where no process sees two scrapes. Rejects when the database does not respond. */
export async function logMetrics(
  { vitals, sizes }: Store,
  inboxSince: InboxSince | null,
  now_ms: number,
): Promise<Metric[]> {
  const [{ head, newest_at_ms, inbox, readers, months_ahead }, { tables, partitions }] = await Promise.all([
    vitals(),
    sizes(),
  ]);
  // Deliveries are of features, which have metrics of their own.
  const derivations = readers.filter(({ kind }) => kind === 'derive');
  const byReader = (value: (reader: (typeof readers)[number]) => number) =>
    derivations.map((reader) => ({ labels: { reader: reader.name }, value: value(reader) }));
  return [
    {
      name: 'edgetrail_log_events_total',
      help: 'Events in the log: the id of the newest event',
      type: 'counter',
      rows: [{ value: head }],
    },
    {
      name: 'edgetrail_log_newest_timestamp_seconds',
      help: 'When the newest event was stored, as Unix time',
      type: 'gauge',
      rows: newest_at_ms === null ? [] : [{ value: newest_at_ms / 1_000 }],
    },
    {
      name: 'edgetrail_inbox_events',
      help: `Rows of activity_inbox that wait to be moved into the log; ${counted}`,
      type: 'gauge',
      rows: [{ value: inbox.n_waiting }],
    },
    {
      name: 'edgetrail_inbox_oldest_seconds',
      help: 'For how long scrapes of this process have seen the row of activity_inbox that waits the longest',
      type: 'gauge',
      rows: inboxSince ? [{ value: inboxSince(inbox.oldest, now_ms) }] : [],
    },
    {
      name: 'edgetrail_inbox_refused_events',
      help: `Rows in activity_inbox_refused, which the log could not take; ${counted}`,
      type: 'gauge',
      rows: [{ value: inbox.n_refused }],
    },
    {
      name: 'edgetrail_reader_cursor',
      help: 'The id up to which a reader has read the log',
      type: 'gauge',
      rows: byReader(({ cursor }) => cursor),
    },
    {
      name: 'edgetrail_reader_lag_events',
      help: 'Events that a reader has not read yet: the newest id minus its cursor',
      type: 'gauge',
      rows: byReader(({ lag_events }) => lag_events),
    },
    {
      name: 'edgetrail_reader_lag_seconds',
      help: 'How long the oldest event that a reader has not read has been stored',
      type: 'gauge',
      rows: byReader(({ lag_seconds }) => lag_seconds),
    },
    {
      name: 'edgetrail_partitions_ahead_months',
      help: 'Months after the current one that have a partition, up to the first that has none',
      type: 'gauge',
      rows: [{ value: months_ahead }],
    },
    {
      name: 'edgetrail_table_bytes',
      help: 'Bytes on the disk of a table with its indexes, measured at most once a minute',
      type: 'gauge',
      rows: tables.map(({ name, bytes }) => ({ labels: { table: name }, value: bytes })),
    },
    {
      name: 'edgetrail_partition_bytes',
      help: 'Bytes on the disk of a partition of activity_logs with its indexes, measured at most once a minute',
      type: 'gauge',
      rows: partitions.map(({ name, bytes }) => ({ labels: { partition: name }, value: bytes })),
    },
    {
      name: 'edgetrail_partition_events_estimate',
      help: 'Events in a partition of activity_logs, as the planner of PostgreSQL estimates them',
      type: 'gauge',
      rows: partitions.map(({ name, events_estimate }) => ({ labels: { partition: name }, value: events_estimate })),
    },
  ];
}

/** Seconds since the row `oldest` of the inbox was first seen as the oldest; null and 0 for an empty inbox. */
export type InboxSince = (oldest: number | null, now_ms: number) => number;

/** The inbox does not store when a row was inserted: its `timestamp` is the writer's. */
export function watchInbox(): InboxSince {
  let seen: { oldest: number; at_ms: number } | null = null;
  return (oldest, now_ms) => {
    if (oldest === null) seen = null;
    else if (seen?.oldest !== oldest) seen = { oldest, at_ms: now_ms };
    return seen ? Math.max(0, now_ms - seen.at_ms) / 1_000 : 0;
  };
}
