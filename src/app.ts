/** createApp(parts): the whole service as a function of its parts. Knows no runtime; catches every error once. */
import { type Context, Hono, type MiddlewareHandler } from 'hono';
import type { UpgradeWebSocket } from 'hono/ws';
import type { Auth, Principal, Right } from './auth.ts';
import { Problem, problemOf } from './problem.ts';
import { entryRoutes } from './routes/entries.ts';
import { liveRoutes } from './routes/live.ts';
import { viewerRoutes } from './routes/viewer.ts';
import type { Settings } from './settings.ts';
import type { Store } from './store.ts';
import type { Tail } from './tail.ts';
import { problemPage } from './views/layout.ts';

/** What differs between runtimes about a socket: how much it owes, and how to end it at once. */
export type Sockets = {
  upgrade: UpgradeWebSocket;
  unsent(raw: unknown): number;
  cut(raw: unknown): void;
};

export type Parts = {
  store: Store;
  tail: Tail;
  auth: Auth;
  sockets: Sockets;
  /** Serves the files in public/. */
  assets: MiddlewareHandler;
  limits: Pick<Settings, 'BODY_BYTES_MAX' | 'HEARTBEAT_MS' | 'UNSENT_BYTES_MAX' | 'STALL_MS_MAX' | 'PUBLIC_URL'>;
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

/** Refuses the methods a path does not have: RFC 9110 wants a 405 that names those it has. */
export function only(app: App, path: string, ...methods: string[]): void {
  app.all(path, () => {
    throw new Problem(405, `Only ${methods.join(' and ')} here.`, { headers: { allow: methods.join(', ') } });
  });
}

/**
 * Whether a request comes from a page of ours, or from no page at all. A browser attaches cached Basic credentials to
 * requests that any other site starts, to sockets too: without this every such site could write, and read along.
 */
export function isOurs(c: Context, publicUrl: string): boolean {
  const site = c.req.header('sec-fetch-site');
  if (site) return site === 'same-origin' || site === 'none';
  const origin = c.req.header('origin');
  if (!origin) return true;
  if (origin === publicUrl) return true;
  return URL.canParse(origin) && new URL(origin).host === c.req.header('host');
}

const securityHeaders = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  // What is in the log is for who asked, now.
  'cache-control': 'no-store',
};

/** Builds the service. Give its `fetch` to a runtime. */
export function createApp(parts: Parts): App {
  const app: App = new Hono<Env>();

  app.use(async (c, next) => {
    // Before the handler: set on a finished answer they would have it built a second time.
    for (const [name, value] of Object.entries(securityHeaders)) c.header(name, value);
    await next();
  });
  app.use('/public/*', parts.assets);

  app.get('/', (c) => c.redirect('/logs'));
  app.get('/livez', (c) => c.text('ok\n'));
  app.get('/readyz', async (c) => {
    if (parts.tail.stopped.aborted) throw new Problem(503, 'The service is shutting down.');
    await parts.store.ready().catch((error) => {
      parts.report('not ready', error);
      throw new Problem(503, 'The database cannot be reached or not written to.', { headers: { 'retry-after': '2' } });
    });
    return c.text('ok\n');
  });
  entryRoutes(app, parts);
  liveRoutes(app, parts);
  viewerRoutes(app, parts);
  for (const path of ['/', '/livez', '/readyz']) only(app, path, 'GET');

  app.notFound((c) => refuse(c, new Problem(404, 'There is nothing at this address.')));
  app.onError((error, c) => {
    const problem = problemOf(error);
    // A client that hung up while its body was read is nobody's fault.
    if (problem.status === 500 && !c.req.raw.signal.aborted) parts.report(`${c.req.method} ${c.req.path}`, error);
    return refuse(c, problem);
  });
  return app;
}

/** A refusal as the one who asked can read it: a page for a browser at the viewer, problem+json for all others. */
function refuse(c: Context, problem: Problem): Response {
  const forPeople =
    !/^\/(api|ws|livez|readyz)/.test(c.req.path) && (c.req.header('accept') ?? '').includes('text/html');
  const headers = {
    ...securityHeaders,
    ...problem.headers,
    // The refusal of a handshake has no body that anybody sees.
    ...(c.req.header('upgrade') && { 'x-problem': problem.message.replace(/[^\x20-\x7e]/g, '?') }),
    'content-type': forPeople ? 'text/html; charset=utf-8' : 'application/problem+json',
  };
  return c.body(forPeople ? String(problemPage(problem)) : JSON.stringify(problem), problem.status, headers);
}
