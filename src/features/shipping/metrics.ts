/** The metrics of the sinks, from the database: the same on every instance. */
import type { Metric } from '../../http/metric.ts';
import type { SinkStatus, SinkView } from './view.ts';

const statuses: readonly SinkStatus[] = ['up to date', 'behind', 'failing', 'held', 'paused'];

/** One row for each sink; the sinks are those that administrators have made, so labels have few values. */
export function sinkMetrics(sinks: SinkView[]): Metric[] {
  const gauge = (name: string, help: string, value: (sink: SinkView) => number | null): Metric => ({
    name: `edgetrail_sink_${name}`,
    help,
    type: 'gauge',
    rows: sinks.flatMap((sink) => {
      const known = value(sink);
      return known === null ? [] : [{ labels: { sink: sink.name }, value: known }];
    }),
  });
  return [
    gauge(
      'cursor',
      'The id up to which everything that matches is kept by the far side, or refused',
      ({ cursor }) => cursor,
    ),
    gauge('lag_events', 'The newest id minus the cursor, both of the same moment', ({ lag_events }) => lag_events),
    gauge('lag_seconds', 'How long the first event after the cursor has been stored', ({ lag_seconds }) => lag_seconds),
    gauge('refused_events', 'Events that the far side refused for good', ({ refused_events }) => refused_events),
    gauge('last_success_timestamp_seconds', 'When the far side last kept something, as Unix time', ({ last_ok_at }) =>
      last_ok_at === null ? null : Date.parse(last_ok_at) / 1_000,
    ),
    {
      name: 'edgetrail_sink_status',
      help: '1 for the status that the sink has',
      type: 'gauge',
      rows: sinks.flatMap((sink) =>
        statuses.map((status) => ({ labels: { sink: sink.name, status }, value: Number(sink.status === status) })),
      ),
    },
  ];
}
