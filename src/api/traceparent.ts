/** The trace of an event as W3C Trace Context names it: the field `traceparent` of an event, or the header of a write. */
import type { Context } from 'hono';
import { traceIdOf } from '../http/request-id.ts';

const field = 'traceparent';
const isAbsent = (value: unknown) => value === undefined || value === null || value === '';

/**
 * Reads the header of a write, and returns what makes an event of an item: its `traceparent`, else the header's, gives it
 * its trace id, unless it names one itself. An invalid one is as if it were not there (W3C Trace Context §3.2.2.1), and
 * `ignored` is called: a proxy that mangles a header must not cost events.
 */
export function traceReader(c: Context, ignored: () => void): (item: unknown) => unknown {
  const valid = (given: unknown): string | null => {
    if (isAbsent(given)) return null;
    const id = typeof given === 'string' ? traceIdOf(given) : null;
    if (id === null) ignored();
    return id;
  };
  const ofRequest = valid(c.req.header(field));
  return (item) => {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return item;
    const isGiven = Object.hasOwn(item, field);
    if (!isGiven && ofRequest === null) return item;
    const { traceparent, ...event } = item as Record<string, unknown>;
    const trace_id = (isGiven ? valid(traceparent) : null) ?? ofRequest;
    return trace_id !== null && isAbsent(event.trace_id) ? { ...event, trace_id } : event;
  };
}
