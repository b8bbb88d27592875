/** The service on Cloudflare Workers: a database client for each request; writing and following in one Durable Object. */
import { drizzle } from 'drizzle-orm/postgres-js';
import type { StatusCode } from 'hono/utils/http-status';
import { defineWebSocketHelper } from 'hono/ws';
import { createApp } from '../app.ts';
import { type Auth, createAuth, forwardPrincipal } from '../auth/auth.ts';
import { tokensOf } from '../auth/credentials.ts';
import { createSessions, type SessionCache, type Sessions } from '../auth/session.ts';
import { Problem } from '../http/problem.ts';
import type { Filter } from '../log/filter.ts';
import { createStore, type Store } from '../log/store.ts';
import { createTail } from '../log/tail.ts';
import type { Parts } from '../parts.ts';
import { type Settings, usersOf } from '../settings.ts';
import { postgresClient } from './postgres-client.ts';
import { report } from './report.ts';
import { scrypt } from './scrypt.ts';
import { appendThrough, type Bindings, demandFresh, logObject, settingsOf } from './worker-env.ts';

export { LogObject } from './worker-log.ts';

/**
 * What one request asks is asked on one connection: a second takes longer to open than it saves (twice as many lists a
 * second in workerd), and a Worker may have six open in all.
 */
const request_connections_max = 1;

/** What an isolate keeps between requests: nothing that does input or output. */
type Isolate = { settings: Settings; auth: Auth; known: SessionCache };
let isolate: Promise<Isolate> | null = null;

async function openIsolate(env: Bindings): Promise<Isolate> {
  const settings = settingsOf(env);
  const tokens = await tokensOf(settings.TOKENS);
  return { settings, auth: createAuth({ users: usersOf(settings).users, tokens, scrypt }), known: new Map() };
}

export default {
  async fetch(request, env, context): Promise<Response> {
    try {
      isolate ??= openIsolate(env);
      return await answer(request, env, context, await isolate);
    } catch (error) {
      // The app catches its own. What comes here are settings that cannot be used: said in the Worker's log alone.
      report(`${request.method} ${new URL(request.url).pathname}`, error);
      const problem = new Problem(500, 'The service is not set up: its log says why.');
      return Response.json(problem, { status: 500, headers: { 'content-type': 'application/problem+json' } });
    }
  },

  async scheduled(_controller, env): Promise<void> {
    const { store, end } = databaseOfRequest(settingsOf(env));
    try {
      await store.makePartitions();
      while ((await store.drain()) > 0);
    } finally {
      await end();
    }
  },
} satisfies ExportedHandler<Bindings>;

async function answer(
  request: Request,
  env: Bindings,
  context: ExecutionContext,
  { settings, auth, known }: Isolate,
): Promise<Response> {
  const { store, sessions, end } = databaseOfRequest(settings, known);
  const { POLL_MS_MIN: poll_ms_min, POLL_MS_MAX: poll_ms_max } = settings;
  const going: Promise<unknown>[] = [];
  const parts: Parts = {
    store: { ...store, append: (entries) => appendThrough(env, entries) },
    // Never started: followers are the Durable Object's.
    tail: createTail(store, { poll_ms_min, poll_ms_max, poll_unfollowed: false, report }),
    auth,
    sessions,
    sockets: { upgrade: defineWebSocketHelper(() => {}), unsent: () => 0, cut: () => {} },
    assets: async (c, next) => {
      const path = new URL(c.req.url).pathname.replace(/^\/public/, '');
      const found = await env.ASSETS.fetch(new Request(new URL(path, c.req.url), c.req.raw));
      // Its 404 is a page of its own; ours says what all refusals say.
      if (found.status === 404) return next();
      for (const [name, value] of found.headers) if (name !== 'cache-control') c.header(name, value);
      c.status(found.status as StatusCode);
      return found.body ? c.body(found.body) : c.body(null);
    },
    limits: settings,
    body_errors_visible: false,
    isOpen: () => true,
    follower: (asked, principal) => {
      const passed = new Request(asked);
      passed.headers.set('authorization', forwardPrincipal(principal));
      return logObject(env).fetch(passed);
    },
    waitUntil: (work) => void going.push(work),
    report,
  };
  const answered = await createApp(parts).fetch(request);
  context.waitUntil(ended(going).then(end));
  return answered;
}

/** When all of it is over, and what it started meanwhile. */
async function ended(going: Promise<unknown>[]): Promise<void> {
  for (const work of going) await work.catch(() => {});
}

/** What reads the database, over connections that belong to one request: what one request opened no other can use. */
function databaseOfRequest(
  settings: Settings,
  known?: SessionCache,
): { store: Store; sessions: Sessions; end(): Promise<void> } {
  const max = Math.min(request_connections_max, settings.DATABASE_CONNECTIONS_MAX);
  const client = postgresClient(settings.DATABASE_URL, max);
  const db = drizzle({ client });
  const store = createStore(db);
  const close = () => client.end({ timeout: 1 });
  let exporting = false;
  /** An export goes on after its response was returned: the client ends with it. */
  async function* exportPages(filter: Filter, upto: number) {
    try {
      yield* store.exportPages(filter, upto);
    } finally {
      await close();
    }
  }
  return {
    store: {
      ...store,
      exportPages: (filter, upto) => {
        exporting = true;
        return exportPages(filter, upto);
      },
      ready: async () => {
        await store.ready();
        await demandFresh(db);
      },
    },
    sessions: createSessions(db, settings.SESSION_SECONDS_MAX, known),
    end: async () => {
      if (!exporting) await close();
    },
  };
}
