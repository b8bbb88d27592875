/** What the app is made of, and the doors that every route stands behind. */
import type { Context, Hono, MiddlewareHandler } from 'hono';
import type { UpgradeWebSocket } from 'hono/ws';
import type { Auth, Principal, Right } from './auth.ts';
import { Problem } from './problem.ts';
import type { Settings } from './settings.ts';
import type { Store } from './store.ts';
import type { Tail } from './tail.ts';

/** What differs between runtimes about a socket: how much it owes, and how to end it at once. */
export type Sockets = {
  upgrade: UpgradeWebSocket;
  unsent(raw: unknown): number;
  cut(raw: unknown): void;
  /** Its reader has been sent all that matches up to this id: what outlives this process may keep it. */
  moved?(raw: unknown, cursor: number): void;
};

export type Parts = {
  store: Store;
  tail: Tail;
  auth: Auth;
  sockets: Sockets;
  /** Serves the files in public/. */
  assets: MiddlewareHandler;
  /** Whether a body that errors reaches the client as a cut. workerd ends it as if it were whole, and drops its last bytes. */
  errors_show: boolean;
  /** False until the database has been reached and brought up to date: till then everything is answered with 503. */
  isOpen(): boolean;
  /** Where following happens when it is not in this process: on Workers one Durable Object follows for everybody. */
  follower?: (request: Request, principal: Principal) => Promise<Response>;
  limits: Pick<
    Settings,
    'BODY_BYTES_MAX' | 'CORS_ORIGINS' | 'HEARTBEAT_MS' | 'UNSENT_BYTES_MAX' | 'STALL_MS_MAX' | 'PUBLIC_URL'
  >;
  /** Hears of what is our fault, once. */
  report(what: string, error: unknown): void;
};

export type Env = { Variables: { principal: Principal } };
export type App = Hono<Env>;

/** Middleware: only who has the right passes; the principal is then in the context. */
export const may =
  ({ auth }: Parts, right: Right): MiddlewareHandler<Env> =>
  async (c, next) => {
    const principal = await auth.identify(c.req.header('authorization'));
    auth.demand(principal, right);
    c.set('principal', principal);
    await next();
  };

/** Middleware: hands the request to the follower elsewhere, where there is one. */
export const elsewhere =
  ({ follower }: Parts): MiddlewareHandler<Env> =>
  async (c, next) =>
    follower ? follower(c.req.raw, c.get('principal')) : next();

/** Refuses the methods a path does not have: RFC 9110 wants a 405 that names those it has. */
export function only(app: App, path: string, ...methods: string[]): void {
  app.all(path, () => {
    throw new Problem(405, `Only ${methods.join(' and ')} here.`, { headers: { allow: methods.join(', ') } });
  });
}

/**
 * Whether a request comes from a page of ours, or from no page at all. A browser attaches cached Basic credentials to
 * requests that any other site starts, to sockets too: without this every such site could write, and read along. The
 * origins that the operator named are ours.
 */
export function isOurs(c: Context, { PUBLIC_URL, CORS_ORIGINS }: Parts['limits']): boolean {
  const origin = c.req.header('origin');
  if (origin && CORS_ORIGINS.includes(origin)) return true;
  const site = c.req.header('sec-fetch-site');
  if (site) return site === 'same-origin' || site === 'none';
  if (!origin) return true;
  if (origin === PUBLIC_URL) return true;
  return URL.canParse(origin) && new URL(origin).host === c.req.header('host');
}
