/** Sessions of people who signed in with the form: a secret in their cookie, its digest in a table that every instance reads. */
import { and, eq, gt, lte, sql } from 'drizzle-orm';
import { sha256 } from '../http/digest.ts';
import { pause } from '../http/pause.ts';
import { type Database, logSessions } from '../log/schema.ts';

export const sessionLimits = {
  secret_bytes: 32,
  /**
   * How long a process believes what the table said, and how often a stream asks again: together less than the five
   * seconds after which a session that was ended anywhere is ended everywhere.
   */
  cached_ms_max: 2_000,
  recheck_ms: 2_000,
  cached_max: 10_000,
} as const;

/** What is known of open sessions: who, by their digests. Belongs to a process, and outlives a request's database. */
export type SessionCache = Map<string, Session & { until: number }>;

/** Whose it is, and the proof of what it was opened with. */
export type Session = { user: string; proof: string };

export type Sessions = ReturnType<typeof createSessions>;

/** Sessions of at most `max_age_s` seconds. Errors are the driver's own; `problemOf` turns them into answers. */
export function createSessions(db: Database, max_age_s: number, cache: SessionCache = new Map()) {
  /** Opens one for a user who gave this password, and removes those that are over. The secret is for the cookie alone. */
  async function open(user: string, password: string): Promise<{ secret: string; max_age_s: number }> {
    const secret = base64url(crypto.getRandomValues(new Uint8Array(sessionLimits.secret_bytes)));
    await db.delete(logSessions).where(lte(logSessions.expires_at, sql`now()`));
    await db.insert(logSessions).values({
      digest: await sessionDigest(secret),
      user_name: user,
      proof: await passwordProof(secret, password),
      expires_at: sql`now() + make_interval(secs => ${max_age_s})`,
    });
    return { secret, max_age_s };
  }

  /** The open session of this digest, or null. Only what is open is remembered: guessed secrets must not fill the memory. */
  async function find(digest: string): Promise<Session | null> {
    const seen = cache.get(digest);
    if (seen && seen.until > Date.now()) return seen;
    cache.delete(digest);
    const asked = Date.now();
    const [found] = await db
      .select({ user: logSessions.user_name, proof: logSessions.proof })
      .from(logSessions)
      .where(and(eq(logSessions.digest, digest), gt(logSessions.expires_at, sql`now()`)));
    if (!found) return null;
    const oldest = cache.keys().next().value;
    if (cache.size >= sessionLimits.cached_max && oldest !== undefined) cache.delete(oldest);
    // From when it was asked: a slow answer is an old one.
    cache.set(digest, { ...found, until: asked + sessionLimits.cached_ms_max });
    return found;
  }

  /** Ends it here now, and everywhere within five seconds. */
  async function close(digest: string): Promise<void> {
    await db.delete(logSessions).where(eq(logSessions.digest, digest));
    cache.delete(digest);
  }

  /**
   * Calls `end` when the session of a stream is over, unless the stream is over first; for a stream of no session,
   * never. While the database is away nobody can tell, and nothing is sent either.
   */
  async function watch(digest: string | undefined, over: AbortSignal, end: () => void): Promise<void> {
    while (digest !== undefined && !over.aborted) {
      await pause(sessionLimits.recheck_ms, over);
      if (over.aborted) return;
      const session = await find(digest).catch(() => undefined);
      if (session === null) return end();
    }
  }

  return { open, find, close, watch };
}

/** A secret as the table has it. Not salted and not slow: nobody guesses 32 random bytes. */
export const sessionDigest = async (secret: string): Promise<string> => base64url(await sha256(secret));

/**
 * What ties a session to the password as it is set up. Keyed by the secret, which nobody but the browser has: the
 * table helps nobody to guess the password.
 */
export const passwordProof = async (secret: string, password: string): Promise<string> =>
  base64url(await sha256(`${secret} ${password}`));

const base64url = (bytes: Uint8Array) =>
  btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, '-')
    .replace(/\//g, '_')
    .replace(/=+$/, '');
