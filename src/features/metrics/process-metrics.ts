/** The metrics of one process: what it counts about its requests and appends, and what it uses. */
import { type Metric, rowsBy } from '../../http/metric.ts';
import type { Build, Parts, ProcessUsage } from '../../parts.ts';

/** What runs: one row that is always 1. */
export const buildMetric = ({ version, runtime, database }: Build): Metric => ({
  name: 'edgetrail_build_info',
  help: 'The version, the runtime and the kind of database',
  type: 'gauge',
  rows: [{ labels: { version, runtime, database }, value: 1 }],
});

export const requestMetrics = ({ meter }: Parts): Metric[] => [
  {
    name: 'edgetrail_http_request_duration_seconds',
    help: 'Time from a request until the headers of its response, by the pattern of the route',
    type: 'histogram',
    rows: meter.times().map(({ method, route, status, seconds }) => ({
      labels: { method, route, status: String(status) },
      value: seconds,
    })),
  },
  {
    name: 'edgetrail_refused_requests_total',
    help: 'Requests that were refused, by reason',
    type: 'counter',
    rows: rowsBy('reason', meter.refused),
  },
  {
    name: 'edgetrail_followers',
    help: 'Open live streams',
    type: 'gauge',
    rows: rowsBy('transport', meter.followers),
  },
  {
    name: 'edgetrail_follower_cuts_total',
    help: 'Live streams that the service ended while their clients were connected, by reason',
    type: 'counter',
    rows: rowsBy('reason', meter.cuts),
  },
  {
    name: 'edgetrail_ignored_traceparents_total',
    help: 'Values of traceparent in writes that were ignored, because they are not valid',
    type: 'counter',
    rows: [{ value: meter.traceparents_ignored }],
  },
];

export const appendMetrics = ({ store: { appends } }: Parts): Metric[] => [
  {
    name: 'edgetrail_append_duration_seconds',
    help: 'Time of an append: one commit of the events of all writers that waited for it',
    type: 'histogram',
    rows: [{ value: appends.seconds }],
  },
  {
    name: 'edgetrail_append_events',
    help: 'Events in one append',
    type: 'histogram',
    rows: [{ value: appends.events }],
  },
  {
    name: 'edgetrail_append_waiting_events',
    help: 'Events that wait for the next append',
    type: 'gauge',
    rows: [{ value: appends.n_waiting }],
  },
  {
    name: 'edgetrail_received_events_total',
    help: 'Events that this process has stored, with those that had been stored before, by the way they came',
    type: 'counter',
    rows: rowsBy('door', { http: appends.n_received, inbox: appends.n_drained }),
  },
  {
    name: 'edgetrail_duplicate_events_total',
    help: 'Events received over HTTP that were not stored again, because their event_uid was known',
    type: 'counter',
    rows: [{ value: appends.n_duplicates }],
  },
  {
    name: 'edgetrail_redacted_values_total',
    help: 'Values that looked like secrets and were replaced before their events were stored',
    type: 'counter',
    rows: rowsBy('kind', appends.redacted),
  },
];

/** The names that every program with Prometheus metrics uses. */
export const processMetrics = ({ started_ms, cpu_seconds, rss_bytes }: ProcessUsage): Metric[] => [
  {
    name: 'process_start_time_seconds',
    help: 'When the process started, as Unix time',
    type: 'gauge',
    rows: [{ value: started_ms / 1_000 }],
  },
  {
    name: 'process_cpu_seconds_total',
    help: 'CPU time of the process',
    type: 'counter',
    rows: [{ value: cpu_seconds() }],
  },
  {
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of the process',
    type: 'gauge',
    rows: [{ value: rss_bytes() }],
  },
];
