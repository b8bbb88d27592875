/** CORS (the Fetch standard's "CORS protocol"): which pages of other sites may ask, and read what they are answered. */
import type { MiddlewareHandler } from 'hono';

/** Chromium believes no preflight for longer. */
const preflight_age_s_max = '7200';

/** Pages of other sites are programs: they get what programs get, and not our own pages. */
const forPrograms = /^\/(api|ws)\//;

const answered = {
  'access-control-allow-credentials': 'true',
  'access-control-expose-headers': 'link, etag, location, retry-after',
};

const preflight = {
  'access-control-allow-methods': 'GET, POST',
  'access-control-allow-headers': 'authorization, content-type, last-event-id, if-none-match',
  'access-control-max-age': preflight_age_s_max,
};

/**
 * Lets the pages of the named origins use the API with their visitors' credentials; all others get no word of it.
 * Stands before everything that refuses: a preflight carries no credentials, and a page must be able to read why it
 * was refused. Headers are set before the handler, as on a finished answer they would have it built a second time.
 */
export const cors =
  (origins: readonly string[]): MiddlewareHandler =>
  async (c, next) => {
    if (origins.length === 0) return next();
    // For those who are not named, too: a cache would hand them what was made for one who is, and the other way round.
    c.header('vary', 'Origin');
    const origin = c.req.header('origin');
    if (!origin || !origins.includes(origin) || !forPrograms.test(c.req.path)) return next();
    c.header('access-control-allow-origin', origin);
    for (const [name, value] of Object.entries(answered)) c.header(name, value);
    if (c.req.method !== 'OPTIONS' || !c.req.header('access-control-request-method')) return next();
    return c.body(null, 204, preflight);
  };
