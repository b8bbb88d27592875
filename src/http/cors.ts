/** CORS (the Fetch standard's "CORS protocol"): the origins whose pages may send requests and read the responses. */
import type { MiddlewareHandler } from 'hono';

/** The longest that Chromium caches a preflight. */
const preflight_age_s_max = '7200';

/** CORS is for the API only, never for the viewer's pages. */
const apiPaths = /^\/(api|ws)\//;

const responseHeaders = {
  'access-control-allow-credentials': 'true',
  'access-control-expose-headers': 'link, etag, location, retry-after, ratelimit, ratelimit-policy, edgetrail-log',
};

const preflightHeaders = {
  'access-control-allow-methods': 'GET, POST',
  'access-control-allow-headers': 'authorization, content-type, last-event-id, if-none-match, traceparent',
  'access-control-max-age': preflight_age_s_max,
};

/**
 * Lets pages of the configured origins use the API with their visitors' credentials; other origins get no CORS header.
 * Runs before authentication: a preflight carries no credentials, and a page must be able to read an error response.
 * Headers are set before the handler: hono would build a finished response a second time.
 */
export const cors =
  (origins: readonly string[]): MiddlewareHandler =>
  async (c, next) => {
    if (origins.length === 0) return next();
    // Also for other origins: a cache must not give one origin the response that was made for another.
    c.header('vary', 'Origin');
    const origin = c.req.header('origin');
    if (!origin || !origins.includes(origin) || !apiPaths.test(c.req.path)) return next();
    c.header('access-control-allow-origin', origin);
    for (const [name, value] of Object.entries(responseHeaders)) c.header(name, value);
    if (c.req.method !== 'OPTIONS' || !c.req.header('access-control-request-method')) return next();
    return c.body(null, 204, preflightHeaders);
  };
