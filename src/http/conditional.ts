/**
 * Conditional requests (RFC 9110 §13): a tag is made of the newest id and the question, so that an unchanged answer is
 * a 304 before any row is read. Entries never change and ids are dense: a log with the same newest id answers the same.
 */
import type { Context } from 'hono';
import { shortDigest } from './digest.ts';

/**
 * Raised with every change to the form of the answers, or readers of a quiet log would keep the old one after a
 * deploy. What shows `recent_24h` has another tag in a minute anyway.
 */
export const response_version = 1;

const minute_ms = 60_000;

/** Part of the tag of what changes as time passes, read like the newest id before the rows. */
export const currentMinute = () => Math.floor(Date.now() / minute_ms);

const tag_bytes = 12;

/**
 * The weak entity tag (RFC 9110 §8.8.3) of the answer to a question: weak, as a proxy may compress it. `question` is
 * all that the answer depends on, beside the path; read it, and the newest id in it, before the rows: a tag older than
 * its rows costs one answer too many, a newer one would keep them from being seen.
 */
export async function etagOf(c: Context, ...question: unknown[]): Promise<string> {
  const text = JSON.stringify([response_version, c.req.path, ...question]);
  return `W/"${await shortDigest(text, tag_bytes)}"`;
}

/** An entity tag within a list; the characters of one may be commas. */
const entityTag = /(?:W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g;

/** Whether the client has the answer with this tag: If-None-Match by weak comparison (RFC 9110 §8.8.3.2, §13.1.2). */
export function clientHasEtag(c: Context, tag: string): boolean {
  const known = c.req.header('if-none-match')?.trim();
  if (!known) return false;
  return known === '*' || [...known.matchAll(entityTag)].some(([, opaque]) => `W/${opaque}` === tag);
}

/**
 * The context, for an answer that its client may keep and must ask about each time; a shared cache may not keep it.
 * Called when nothing can fail any more: a refusal has no tag. What a session showed is not kept at all: after signing
 * out Back would show it, as Chromium keeps whole pages and clears them for no Clear-Site-Data.
 */
export function withEtag<C extends Context>(c: C, tag: string, alsoVaries: string[] = []): C {
  c.header('etag', tag);
  c.header('cache-control', c.get('principal')?.session ? 'no-store' : 'private, no-cache');
  c.header('vary', ['Authorization', 'Cookie', ...alsoVaries].join(', '), { append: true });
  return c;
}

/** The answer to who has it already. */
export const notModified = (c: Context, tag: string, alsoVaries: string[] = []): Response =>
  withEtag(c, tag, alsoVaries).body(null, 304);
