/** A sink as the API and the page show it: its spec, and in words how it goes. */
import type { DeliveryState } from '../../log/delivery-rows.ts';
import { type Status, statusOf } from '../../log/delivery-status.ts';
import { sinkName } from './spec.ts';

export type SinkStatus = Status;

export type SinkView = {
  name: string;
  kind: string;
  filter: string;
  status: SinkStatus;
  /** What a person must do; null when nothing. */
  needs: string | null;
  cursor: number;
  lag_events: number;
  lag_seconds: number;
  refused_events: number;
  attempts: number;
  last_error: string | null;
  last_ok_at: string | null;
  next_attempt_at: string | null;
  replays: ReplayView[];
} & Record<string, unknown>;

export type ReplayView = { until: number } & Pick<SinkView, 'status' | 'cursor' | 'lag_events' | 'last_error'>;

/** The sinks of some deliveries, each with its replays. */
export function viewsOf(deliveries: DeliveryState[], now_ms: number): SinkView[] {
  const sinks = deliveries.filter(({ name }) => !name.includes('~'));
  return sinks.map((sink) => {
    const replays = deliveries.filter(({ name }) => name.startsWith(`${sink.name}~`));
    const waiting_ms = sink.waiting_since === null ? 0 : now_ms - Date.parse(sink.waiting_since);
    return {
      name: sinkName(sink.name),
      kind: '',
      ...sink.spec,
      filter: sink.filter,
      status: statusOf(sink),
      needs: needsOf(sink),
      cursor: sink.cursor,
      lag_events: sink.lag_events,
      lag_seconds: Math.max(0, Math.round(waiting_ms / 1_000)),
      refused_events: sink.refused_events,
      attempts: sink.attempts,
      last_error: sink.last_error,
      last_ok_at: sink.last_ok_at,
      next_attempt_at: sink.attempts > 0 && sink.status === 'on' ? sink.due_at : null,
      replays: replays.map((replay) => ({
        until: replay.until ?? 0,
        status: statusOf(replay),
        cursor: replay.cursor,
        lag_events: replay.lag_events,
        last_error: replay.last_error,
      })),
    };
  });
}

function needsOf({ status, attempts, last_error }: DeliveryState): string | null {
  if (status === 'held')
    return 'Nothing more is sent until you have mended what the last error says and resumed the sink.';
  if (
    status === 'on' &&
    attempts > 0 &&
    last_error &&
    !/ (408|425|429|5\d\d)\b|in time|ECONN|EPIPE|broken off/.test(last_error)
  )
    return 'Mend what the last error says. The sink tries again by itself, and goes on from where it is.';
  return null;
}
