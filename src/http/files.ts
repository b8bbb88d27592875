/** The URLs of the static files. A URL changes with the file's contents, so that browsers may cache it for ever. */
export const files = {
  style: '/public/style.css?v=37b8e75b',
  viewer: '/public/viewer.js?v=eef144f3',
  htmx: '/public/htmx-4.0.1.min.js',
  sse: '/public/hx-sse-4.0.1.min.js',
} as const;

const urls = new Set<string>(Object.values(files));

/**
 * The Cache-Control (RFC 9111, RFC 8246) of a static file. During a rolling restart a page may request the URL of
 * another version: the contents of this version must not be cached under that URL.
 */
export const cacheControlOf = (pathAndQuery: string): string =>
  urls.has(pathAndQuery) ? 'public, max-age=31536000, immutable' : 'no-cache';
