/** Sessions of people who signed in with the form: a secret in the cookie, its digest in a table; where sessions begin and end. */
import { and, eq, gt, lte, sql } from 'drizzle-orm';
import { sha256 } from '../http/digest.ts';
import { pause } from '../http/pause.ts';
import { type Room, serverRoom } from '../log/room.ts';
import { type Database, logSessions } from '../log/schema.ts';

export const sessionLimits = {
  secret_bytes: 32,
  /**
   * How long a process caches a session, and how often a stream checks it again. The sum is below five seconds: that is
   * how long after a sign-out the session may still work on another instance.
   */
  cached_ms_max: 2_000,
  recheck_ms: 2_000,
  cached_max: 10_000,
} as const;

/** Open sessions by their digest. The cache belongs to a process and outlives the database client of a request. */
export type SessionCache = Map<string, Session & { until: number }>;

/** The session's user, and the proof of the password that opened it. */
export type Session = { user: string; proof: string };

export type Sessions = ReturnType<typeof createSessions>;

/** Sessions of at most `max_age_s` seconds. Rejects with the driver's errors; `problemOf` turns them into responses. */
export function createSessions(
  db: Database,
  max_age_s: number,
  cache: SessionCache = new Map(),
  room: Room = serverRoom,
) {
  /** Opens a session for a user with this password, and deletes expired sessions. The secret goes only into the cookie. */
  async function open(user: string, password: string): Promise<{ secret: string; max_age_s: number }> {
    room.forFewRows();
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

  /** The open session with this digest, or null. Only open sessions are cached: guessed secrets must not fill the memory. */
  async function find(digest: string): Promise<Session | null> {
    const seen = cache.get(digest);
    if (seen && seen.until > performance.now()) return seen;
    cache.delete(digest);
    const asked = performance.now();
    const [found] = await db
      .select({ user: logSessions.user_name, proof: logSessions.proof })
      .from(logSessions)
      .where(and(eq(logSessions.digest, digest), gt(logSessions.expires_at, sql`now()`)));
    if (!found) return null;
    const oldest = cache.keys().next().value;
    if (cache.size >= sessionLimits.cached_max && oldest !== undefined) cache.delete(oldest);
    // Counted from the start of the query: a slow response is already old.
    cache.set(digest, { ...found, until: asked + sessionLimits.cached_ms_max });
    return found;
  }

  /** Ends the session: at once in this process, within five seconds in all others. */
  async function close(digest: string): Promise<void> {
    room.forFewRows();
    await db.delete(logSessions).where(eq(logSessions.digest, digest));
    cache.delete(digest);
  }

  /**
   * Calls `end` when the session of a stream has ended, unless the stream ends first. A stream without a session is not
   * watched. While the database is unreachable the stream stays open: no entry can be read for it either.
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

/** The digest of a secret as stored. Neither salted nor slow: 32 random bytes cannot be guessed. */
export const sessionDigest = async (secret: string): Promise<string> => base64url(await sha256(secret));

/**
 * Binds a session to the configured password: with another password the session is invalid. Keyed by the secret, which
 * only the browser has, so that the table cannot be used to guess the password.
 */
export const passwordProof = async (secret: string, password: string): Promise<string> =>
  base64url(await sha256(`${secret} ${password}`));

const base64url = (bytes: Uint8Array) =>
  btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, '-')
    .replace(/\//g, '_')
    .replace(/=+$/, '');
