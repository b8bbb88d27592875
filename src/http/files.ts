/** The page's static files, by addresses that change with their contents: a browser may keep each of them for good. */
export const files = {
  style: '/public/style.css?v=aad90e49',
  viewer: '/public/viewer.js?v=5fb76efa',
  htmx: '/public/htmx-4.0.1.min.js',
  sse: '/public/hx-sse-4.0.1.min.js',
} as const;

const addresses = new Set<string>(Object.values(files));

/**
 * The Cache-Control (RFC 9111, RFC 8246) of what is served at a path with its query. Another version's address, which a
 * page may ask for while instances are restarted one by one, must not be kept with the contents of this one.
 */
export const cacheControlOf = (pathAndQuery: string): string =>
  addresses.has(pathAndQuery) ? 'public, max-age=31536000, immutable' : 'no-cache';
