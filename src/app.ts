/** createApp(parts): the whole service as a function of its parts. Knows no runtime; catches every error once. */
import { type Context, Hono } from 'hono';
import { routePath } from 'hono/route';
import { aggregateRoute } from './api/aggregate.ts';
import { exportRoute } from './api/export.ts';
import { followRoutes } from './api/follow.ts';
import { listRoutes } from './api/list.ts';
import { setsHeadersItself, writeRoute } from './api/write.ts';
import { cors } from './http/cors.ts';
import { cacheControlOf } from './http/files.ts';
import { loggedAs, Problem, problemOf, unavailable } from './http/problem.ts';
import { requestIdsOf } from './http/request-id.ts';
import { securityHeaders } from './http/security-headers.ts';
import { displayOptionsOf } from './page/display-options.ts';
import { problemFragment, problemPage } from './page/problem.ts';
import { type App, allowMethods, type Env, type Parts } from './parts.ts';
import { logRoutes } from './viewer/log-routes.ts';
import { sessionRoutes } from './viewer/sign-in.ts';

/** Builds the service. Give its `fetch` to a runtime. */
export function createApp(parts: Parts): App {
  const app: App = new Hono<Env>();

  const { meter } = parts;
  app.use(async (c, next) => {
    const started = performance.now();
    // Set before the handler: hono would build a finished response a second time.
    if (!setsHeadersItself(c.req)) for (const [name, value] of Object.entries(securityHeaders)) c.header(name, value);
    await next();
    parts.own.tellCounted();
    const { status } = c.res;
    meter.answered(c.req.method, status === 405 ? null : routeOf(c), status, (performance.now() - started) / 1_000);
  });
  app.use(cors(parts.limits.CORS_ORIGINS));
  app.use('/public/*', (c, next) => {
    const { pathname, search } = new URL(c.req.url);
    c.header('cache-control', cacheControlOf(pathname + search));
    return parts.assets(c, next);
  });

  app.get('/livez', (c) => c.text('ok\n'));
  app.use(async (_c, next) => {
    if (!parts.isReady()) throw unavailable('The database has not been reached yet. Try again.', 'nothing', 'database');
    await next();
  });
  app.get('/', (c) => c.redirect('/logs'));
  let wasReady = true;
  app.get('/readyz', async (c) => {
    if (parts.tail.stopped.aborted) throw new Problem(503, 'The service is shutting down.');
    await parts.store.ready().catch((error) => {
      // Probes come every few seconds: one line for an outage.
      if (wasReady) parts.report('not ready', error);
      wasReady = false;
      if (error instanceof Problem) throw error;
      throw new Problem(503, 'The database cannot be reached or not written to.', { headers: { 'retry-after': '2' } });
    });
    wasReady = true;
    return c.text('ok\n');
  });
  writeRoute(app, parts);
  listRoutes(app, parts);
  aggregateRoute(app, parts);
  exportRoute(app, parts);
  followRoutes(app, parts);
  logRoutes(app, parts);
  sessionRoutes(app, parts);
  for (const feature of parts.features) feature.routes(app, parts);
  for (const path of ['/', '/livez', '/readyz']) allowMethods(app, path, 'GET');

  app.notFound((c) => refuse(c, new Problem(404, 'There is nothing at this address.')));
  app.onError((error, c) => {
    const problem = problemOf(error);
    // A client that disconnects while its body is read is not an error of ours.
    if (problem.status !== 500 || c.req.raw.signal.aborted) return refuse(c, problem);
    const ids = requestIdsOf(c);
    parts.report(`${c.req.method} ${c.req.path}`, error, ids);
    return refuse(c, loggedAs(ids.request_id));
  });

  /** The response to a refused request. */
  function refuse(c: Context, problem: Problem): Response {
    meter.refused[problem.reason] += 1;
    return problemResponse(c, problem);
  }
  return app;
}

/** The pattern of the route that serves a request, such as `/logs/:id`; null when only middleware matches its path. */
function routeOf(c: Context): string | null {
  const path = routePath(c, -1);
  return path === '/*' ? null : path.replace(/\{[^}]*\}/g, '');
}

/** A problem as a page for a browser at the viewer, as problem+json for all others. */
function problemResponse(c: Context, problem: Problem): Response {
  const forPeople =
    !/^\/(api|ws|livez|readyz|metrics)/.test(c.req.path) && (c.req.header('accept') ?? '').includes('text/html');
  const headers = {
    ...securityHeaders,
    ...problem.headers,
    // Browsers do not show the body of a refused handshake.
    ...(c.req.header('upgrade') && { 'x-problem': problem.message.replace(/[^\x20-\x7e]/g, '?') }),
    'content-type': forPeople ? 'text/html; charset=utf-8' : 'application/problem+json',
  };
  const asPage = () => problemPage(problem, c.req.query('q') ?? '', displayOptionsOf(c));
  const markup = () => (c.req.header('hx-request') ? problemFragment(problem) : asPage());
  return c.body(forPeople ? String(markup()) : JSON.stringify(problem), problem.status, headers);
}
