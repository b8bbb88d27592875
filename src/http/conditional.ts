/**
 * Conditional requests (RFC 9110 §13). An ETag is derived from the newest id and the query, so that a 304 is sent before
 * any row is read: entries never change and ids are dense, so the same newest id means the same response.
 */
import type { Context } from 'hono';
import { shortDigest } from './digest.ts';

/**
 * Raised with every change to the form of the responses: otherwise clients of a quiet log would keep a response of the
 * old form after a deploy.
 */
export const response_version = 2;

const minute_ms = 60_000;

/** Part of the ETag of responses that change as time passes, such as `recent_24h`. Read before the rows. */
export const currentMinute = () => Math.floor(Date.now() / minute_ms);

const tag_bytes = 12;

/**
 * The weak ETag (RFC 9110 §8.8.3) of a response: weak, because a proxy may compress it. `depends_on` is everything
 * that the response depends on beside the path. Read the newest id before the rows: an ETag older than its rows costs
 * one unnecessary response, a newer one would hide rows from the client.
 */
export async function etagOf(c: Context, ...depends_on: unknown[]): Promise<string> {
  const text = JSON.stringify([response_version, c.req.path, ...depends_on]);
  return `W/"${await shortDigest(text, tag_bytes)}"`;
}

/** One ETag of a list; an ETag may contain commas. */
const entityTag = /(?:W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g;

/** Whether the client has the response with this ETag: If-None-Match, weak comparison (RFC 9110 §8.8.3.2, §13.1.2). */
export function clientHasEtag(c: Context, tag: string): boolean {
  const known = c.req.header('if-none-match')?.trim();
  if (!known) return false;
  return known === '*' || [...known.matchAll(entityTag)].some(([, opaque]) => `W/${opaque}` === tag);
}

/**
 * Sets the headers of a response that a client may store and must revalidate; a shared cache may not store it. Called
 * when nothing can fail any more: an error response has no ETag. A response to a session is not stored at all: after a
 * sign-out the browser's Back button would show it, and Chromium ignores Clear-Site-Data for its back/forward cache.
 */
export function withEtag<C extends Context>(c: C, tag: string, alsoVaries: string[] = []): C {
  c.header('etag', tag);
  c.header('cache-control', c.get('principal')?.session ? 'no-store' : 'private, no-cache');
  c.header('vary', ['Authorization', 'Cookie', ...alsoVaries].join(', '), { append: true });
  return c;
}

/** The 304 response. */
export const notModified = (c: Context, tag: string, alsoVaries: string[] = []): Response =>
  withEtag(c, tag, alsoVaries).body(null, 304);
