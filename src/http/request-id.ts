/** By which a line of the service's log is found for a request, and the request's trace in other systems. */
import type { Context } from 'hono';

export type RequestIds = { request_id: string; trace_id?: string };

/** What clients and proxies call a request. Other texts are not copied into the log. */
const acceptable = /^[\w.:/+=@-]{1,128}$/;

/** Only for requests about which something is logged: the others need no id. */
const made = new WeakMap<Request, string>();

/**
 * The ids of a request: its `X-Request-Id`, or a new one, and the trace id of its `traceparent`. The same request has the
 * same ids whenever it is asked for them.
 */
export function requestIdsOf(c: Context): RequestIds {
  const given = c.req.header('x-request-id');
  const request_id = given && acceptable.test(given) ? given : (made.get(c.req.raw) ?? crypto.randomUUID());
  made.set(c.req.raw, request_id);
  const trace_id = traceIdOf(c.req.header('traceparent'));
  return { request_id, ...(trace_id && { trace_id }) };
}

/** The trace and the span of a `traceparent` header (W3C Trace Context §3.2); null when it is absent or invalid. */
export function readTraceparent(traceparent: string | undefined): { trace_id: string; span_id: string } | null {
  const [, version = '', trace_id = '', span_id = '', more] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/.exec(traceparent ?? '') ?? [];
  // A later version may have more fields, version 00 has none.
  const isValid = version !== '' && version !== 'ff' && !(version === '00' && more !== undefined);
  return isValid && /[^0]/.test(trace_id) && /[^0]/.test(span_id) ? { trace_id, span_id } : null;
}

export const traceIdOf = (traceparent: string | undefined): string | null =>
  readTraceparent(traceparent)?.trace_id ?? null;
