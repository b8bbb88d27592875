/** The trace of an event as W3C Trace Context names it: the field `traceparent` of an event, or the header of a write. */
import type { Context } from 'hono';
import { readTraceparent } from '../http/request-id.ts';

const field = 'traceparent';
const isAbsent = (value: unknown) => value === undefined || value === null || value === '';

/**
 * Reads the header of a write, and returns what makes an event of an item: its `traceparent`, else the header's, gives it
 * its trace and span, unless it names them itself. An invalid one is as if it were not there (W3C Trace Context §3.2.2.1),
 * and `ignored` is called: a proxy that mangles a header must not cost events.
 */
export function traceReader(c: Context, ignored: () => void): (item: unknown) => unknown {
  const valid = (given: unknown): Trace | null => {
    if (isAbsent(given)) return null;
    const trace = typeof given === 'string' ? readTraceparent(given) : null;
    if (!trace) ignored();
    return trace;
  };
  const ofRequest = valid(c.req.header(field));
  return (item) => {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return item;
    const isGiven = Object.hasOwn(item, field);
    if (!isGiven && !ofRequest) return item;
    const { traceparent, ...event } = item as Record<string, unknown>;
    const trace = (isGiven ? valid(traceparent) : null) ?? ofRequest;
    return trace ? { ...event, ...placed(event, trace) } : event;
  };
}

type Trace = NonNullable<ReturnType<typeof readTraceparent>>;

/** What a trace says of an event. Of an event in a span of its own it names the parent; of one in another trace, nothing. */
function placed({ trace_id, span_id, parent_span_id }: Record<string, unknown>, trace: Trace): Record<string, unknown> {
  if (!isAbsent(trace_id) && trace_id !== trace.trace_id) return {};
  if (isAbsent(span_id)) return trace;
  const isParent = isAbsent(parent_span_id) && span_id !== trace.span_id;
  return { trace_id: trace.trace_id, ...(isParent && { parent_span_id: trace.span_id }) };
}
