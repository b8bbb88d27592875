/** What a process counts about the requests that it serves, as plain numbers. Nobody reads them but GET /metrics. */
import { createHistogram, type Histogram, observe, zeros } from './metric.ts';
import { type RefusalReason, refusalReasons } from './problem.ts';

export const transports = ['sse', 'page', 'websocket'] as const;
export type Transport = (typeof transports)[number];

/** Why the service ended a live stream that its client still had open; `silent`: a socket that answered no ping. */
export const cutReasons = ['slow', 'silent', 'signed_out', 'too_many', 'failed'] as const;
export type CutReason = (typeof cutReasons)[number];

/** Seconds. The response to a small write takes a few milliseconds, an exact count of a long log takes seconds. */
const request_bounds_s = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
/** The method and the route of requests that no route serves: their number must not depend on what clients invent. */
const other = 'other';

export type RequestTimes = { method: string; route: string; status: number; seconds: Histogram };

export type Meter = ReturnType<typeof createMeter>;

export function createMeter() {
  const times = new Map<string, RequestTimes>();

  return {
    /** Times of responses, until the headers: a stream or an export goes on after them. */
    times: () => [...times.values()],
    refused: zeros<RefusalReason>(refusalReasons),
    /** Open live streams. */
    followers: zeros<Transport>(transports),
    cuts: zeros<CutReason>(cutReasons),
    /** Values of `traceparent` in writes that were not valid. */
    traceparents_ignored: 0,

    /** Counts a response. `route` is the pattern of a route, or null when none serves the request's path and method. */
    answered(method: string, route: string | null, status: number, seconds: number): void {
      const shown = route !== null && methods.has(method) ? { method, route } : { method: other, route: other };
      const key = `${shown.method} ${shown.route} ${status}`;
      let row = times.get(key);
      if (!row) {
        row = { ...shown, status, seconds: createHistogram(request_bounds_s) };
        times.set(key, row);
      }
      observe(row.seconds, seconds);
    },
  };
}
