/** OTLP/HTTP logs in JSON: lowerCamelCase, 64-bit integers as text, ids in hex, enums as numbers (opentelemetry-proto). */
import * as v from 'valibot';
import { jsonOf } from '../../http/request.ts';
import type { Json } from '../../log/entry.ts';
import type { Entry } from '../../log/schema.ts';
import { address, ask, below, isAnswer, kindOf, secret, text, verdictOf } from './kind.ts';
import { isSpanId } from './mapping.ts';

type Value = { stringValue: string } | { intValue: string };
const attribute = (key: string, value: string | null): { key: string; value: Value }[] =>
  value === null ? [] : [{ key, value: { stringValue: value } }];

const nanos = (iso: string) => `${Date.parse(iso)}000000`;
/** SEVERITY_NUMBER_INFO */
const info = 9;
const isTraceId = (value: string | null): value is string => /^(?!0{32})[\da-f]{32}$/i.test(value ?? '');

/** An event as a LogRecord. */
export function logRecordOf(entry: Entry) {
  const { trace_id, span_id, metadata } = entry;
  // OpenTelemetry has no span without its trace.
  const hasSpan = isTraceId(trace_id) && isSpanId(span_id);
  return {
    timeUnixNano: nanos(entry.timestamp),
    observedTimeUnixNano: nanos(entry.created_at),
    severityNumber: info,
    eventName: entry.event_type,
    ...(entry.description !== null && { body: { stringValue: entry.description } }),
    attributes: [
      ...attribute('log.record.uid', `edgetrail/${entry.id}`),
      { key: 'edgetrail.id', value: { intValue: String(entry.id) } },
      ...attribute('edgetrail.entity.type', entry.entity_type),
      ...attribute('edgetrail.entity.id', entry.entity_id),
      ...attribute('user.id', entry.user_id),
      ...attribute('client.address', entry.ip_address),
      ...attribute('user_agent.original', entry.user_agent),
      ...attribute('session.id', entry.session_id),
      ...attribute('edgetrail.event_uid', entry.event_uid),
      ...attribute('edgetrail.trace_id', isTraceId(trace_id) ? null : trace_id),
      ...attribute('edgetrail.span_id', hasSpan ? null : span_id),
      ...attribute('edgetrail.parent_span_id', entry.parent_span_id),
      ...attribute('edgetrail.caused_by', entry.caused_by),
      ...attribute('edgetrail.metadata', metadata === null ? null : JSON.stringify(metadata)),
    ],
    ...(isTraceId(trace_id) && { traceId: trace_id.toLowerCase() }),
    ...(hasSpan && { spanId: span_id.toLowerCase() }),
  };
}

/** The statuses after which the specification allows the same request again; no other 4xx or 5xx may be repeated. */
const retryable = [408, 429, 502, 503, 504];

type Answer = { partialSuccess?: { rejectedLogRecords?: Json; errorMessage?: Json } };

export const otlp = kindOf({
  kind: 'otlp',
  fields: {
    url: address,
    /** A header with a secret, such as `authorization`. */
    header: v.optional(v.pipe(text(), v.regex(/^[A-Za-z][\w-]*$/, 'must be the name of a header')), 'authorization'),
    token: v.optional(secret),
  },
  open(spec, { reach }) {
    const url = below(spec.url, '/v1/logs');
    const headers = { 'content-type': 'application/json', ...(spec.token && { [spec.header]: spec.token }) };
    return {
      limits: { events_max: 500, bytes_max: 1_000_000 },
      by_range: false,
      line: (entry) => JSON.stringify(logRecordOf(entry)),
      async send({ entries, lines, signal }) {
        const byService = new Map<string, string[]>();
        for (const [i, { service }] of entries.entries()) {
          const name = service ?? 'edgetrail';
          byService.set(name, [...(byService.get(name) ?? []), lines[i] ?? '']);
        }
        const resources = [...byService].map(([name, records]) => {
          const resource = JSON.stringify({ attributes: attribute('service.name', name) });
          return `{"resource":${resource},"scopeLogs":[{"scope":{"name":"edgetrail"},"logRecords":[${records.join(',')}]}]}`;
        });
        const answer = await ask(reach, url, {
          method: 'POST',
          headers,
          body: `{"resourceLogs":[${resources.join(',')}]}`,
          signal,
        });
        if (!isAnswer(answer)) return answer;
        const sent = verdictOf(answer);
        if (sent.verdict === 'again' && !retryable.includes(answer.status)) return { ...sent, verdict: 'wrong' };
        const { rejectedLogRecords = 0, errorMessage } = jsonOf<Answer>(answer.text)?.partialSuccess ?? {};
        // No more than were sent, whatever the far side says.
        const refused_n = Math.min(entries.length, Math.trunc(Number(rejectedLogRecords)));
        const reason = typeof errorMessage === 'string' && errorMessage ? errorMessage : 'rejected without a reason';
        return sent.verdict === 'kept' && refused_n > 0 ? { ...sent, refused_n, reason } : sent;
      },
    };
  },
});
