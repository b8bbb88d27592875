/** What the app is made of, and the doors that every route stands behind. */
import type { Context, Hono, MiddlewareHandler } from 'hono';
import type { UpgradeWebSocket } from 'hono/ws';
import { type Auth, bearerChallenge, notSignedIn, type Principal, type Right } from './auth/auth.ts';
import { readSessionCookie } from './auth/cookie.ts';
import { pathOf, signInUrl } from './auth/return-path.ts';
import { passwordProof, type Sessions, sessionDigest } from './auth/session.ts';
import { Problem } from './http/problem.ts';
import type { Store } from './log/store.ts';
import type { Tail } from './log/tail.ts';
import type { Settings } from './settings.ts';

/** What differs between runtimes about a socket: how much it owes, and how to end it at once. */
export type Sockets = {
  upgrade: UpgradeWebSocket;
  unsent(raw: unknown): number;
  cut(raw: unknown): void;
  /** Its reader has been sent all that matches up to this id: what outlives this process may keep it. */
  saveCursor?(raw: unknown, cursor: number): void;
};

export type Parts = {
  store: Store;
  tail: Tail;
  auth: Auth;
  sessions: Sessions;
  sockets: Sockets;
  /** Serves the files in public/. */
  assets: MiddlewareHandler;
  /** Whether a body that errors reaches the client as a cut. workerd ends it as if it were whole, and drops its last bytes. */
  body_errors_visible: boolean;
  /** False until the database has been reached and brought up to date: till then everything is answered with 503. */
  isOpen(): boolean;
  /** Where following happens when it is not in this process: on Workers one Durable Object follows for everybody. */
  follower?: (request: Request, principal: Principal) => Promise<Response>;
  limits: Pick<
    Settings,
    'BODY_BYTES_MAX' | 'CORS_ORIGINS' | 'HEARTBEAT_MS' | 'UNSENT_BYTES_MAX' | 'STALL_MS_MAX' | 'PUBLIC_URL'
  >;
  /** Work that goes on after its answer has begun: where a database belongs to a request, it must not end before. */
  waitUntil?(work: Promise<unknown>): void;
  /** Hears of what is our fault, once. */
  report(what: string, error: unknown): void;
};

export type Env = { Variables: { principal: Principal } };
export type App = Hono<Env>;

/** Middleware: only who has the right passes; the principal is then in the context. */
export const requireRight =
  (parts: Parts, right: Right): MiddlewareHandler<Env> =>
  async (c, next) => {
    const authorization = c.req.header('authorization');
    const principal = authorization ? await parts.auth.identify(authorization) : await sessionOf(c, parts);
    if (!principal) return redirectToSignIn(c);
    // A browser sends the cookie along with whatever a page of ours, or of a neighbour of the same site, starts.
    if (principal.session && !['GET', 'HEAD'].includes(c.req.method) && !isSameOrigin(c, parts.limits))
      throw new Problem(403, 'With a session, only a page of this service may do that.');
    parts.auth.demand(principal, right);
    c.set('principal', principal);
    await next();
  };

/** Who signed in with the form and is still a user, with the rights that one has now; or null. */
export async function sessionOf(c: Context, { auth, sessions, limits }: Parts): Promise<Principal | null> {
  const secret = readSessionCookie(c, limits.PUBLIC_URL);
  if (!secret) return null;
  const digest = await sessionDigest(secret);
  const session = await sessions.find(digest);
  const password = session && auth.passwordOf(session.user);
  if (!session || password === null || session.proof !== (await passwordProof(secret, password))) return null;
  const person = auth.person(session.user);
  return person && { ...person, session: digest };
}

/** Leads a browser to the form: by a redirect where a page was asked for, by htmx where a part of one was. Or refuses. */
function redirectToSignIn(c: Context): Response {
  if (isApiPath(c.req.path) || !c.req.header('accept')?.includes('text/html')) throw notSignedIn();
  if (!c.req.header('hx-request-type') && !c.req.header('hx-request')) {
    const { pathname, search } = new URL(c.req.url);
    return c.redirect(signInUrl(pathname + search), 303);
  }
  throw new Problem(401, 'You are not signed in any more.', {
    // What the page asks by itself must not take it away from who reads it.
    headers: {
      ...bearerChallenge,
      ...(!/\/(stream|counts)$/.test(c.req.path) && {
        'hx-redirect': signInUrl(pathOf(c.req.header('hx-current-url'))),
      }),
    },
  });
}

const isApiPath = (path: string) => /^\/(api|ws)\//.test(path);

/** Middleware: hands the request to the follower elsewhere, where there is one. */
export const forwardToFollower =
  ({ follower }: Parts): MiddlewareHandler<Env> =>
  async (c, next) =>
    follower ? follower(c.req.raw, c.get('principal')) : next();

/** Refuses the methods a path does not have: RFC 9110 wants a 405 that names those it has. */
export function allowMethods(app: App, path: string, ...methods: string[]): void {
  app.all(path, () => {
    throw new Problem(405, `Only ${methods.join(' and ')} here.`, { headers: { allow: methods.join(', ') } });
  });
}

/**
 * Whether a request comes from a page of ours, or from no page at all. A browser attaches cached Basic credentials to
 * requests that any other site starts, to sockets too: without this every such site could write, and read along. The
 * origins that the operator named are ours.
 */
export function isTrustedOrigin(c: Context, { PUBLIC_URL, CORS_ORIGINS }: Parts['limits']): boolean {
  const origin = c.req.header('origin');
  if (origin && CORS_ORIGINS.includes(origin)) return true;
  const site = c.req.header('sec-fetch-site');
  if (site) return site === 'same-origin' || site === 'none';
  return !origin || isOwnOrigin(origin, c, PUBLIC_URL);
}

/**
 * Whether a request says that it comes from a page of ours: for what a cookie proves, silence is not enough, and the
 * origins that the operator named are others.
 */
export function isSameOrigin(c: Context, { PUBLIC_URL }: Parts['limits']): boolean {
  const site = c.req.header('sec-fetch-site');
  if (site) return site === 'same-origin';
  const origin = c.req.header('origin');
  return origin !== undefined && isOwnOrigin(origin, c, PUBLIC_URL);
}

const isOwnOrigin = (origin: string, c: Context, PUBLIC_URL: string) =>
  origin === PUBLIC_URL || (URL.canParse(origin) && new URL(origin).host === c.req.header('host'));
