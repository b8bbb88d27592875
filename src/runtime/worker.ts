/** The service on Cloudflare Workers: one database client per request; appends and live streams go to the Durable Object. */
import type { StatusCode } from 'hono/utils/http-status';
import { defineWebSocketHelper } from 'hono/ws';
import { createApp } from '../app.ts';
import { type Auth, createAuth, forwardPrincipal } from '../auth/auth.ts';
import { tokensOf } from '../auth/credentials.ts';
import { countFailures } from '../auth/own-failures.ts';
import type { SessionCache } from '../auth/session.ts';
import { features } from '../features/index.ts';
import { createMeter } from '../http/meter.ts';
import { Problem } from '../http/problem.ts';
import { fetchReach } from '../http/reach.ts';
import { discardBody } from '../http/request.ts';
import { createRecorder, type OwnEvents } from '../log/own-events.ts';
import { readerLimits } from '../log/reader.ts';
import type { Redact } from '../log/redaction.ts';
import { createTail } from '../log/tail.ts';
import type { Parts } from '../parts.ts';
import { ownEventsOf, redactionOf, type Settings, signInLimitsOf, usersOf, writeLimitOf } from '../settings.ts';
import { gunzip } from './gunzip.ts';
import { httpAnchors } from './http-anchors.ts';
import { report } from './report.ts';
import { scrypt } from './scrypt.ts';
import { sha256 } from './sha256.ts';
import { appendThrough, type Bindings, build, logObject, secretsOf, settingsOf } from './worker-bindings.ts';
import { openRequestDatabase } from './worker-database.ts';
import { workerDial } from './worker-dial.ts';
import { runSchedule } from './worker-schedule.ts';

export { LogObject } from './worker-durable-object.ts';

/** An isolate's state between requests. Workers forbids sharing I/O objects between requests. */
type Isolate = {
  settings: Settings;
  redact: Redact;
  auth: Auth;
  writes: Parts['writes'];
  own: OwnEvents;
  known: SessionCache;
};
let isolate: Promise<Isolate> | null = null;

async function openIsolate(env: Bindings): Promise<Isolate> {
  const settings = settingsOf(env);
  const tokens = await tokensOf(settings.TOKENS);
  const limits = signInLimitsOf(settings);
  const own = ownEventsOf(settings);
  const auth = createAuth({
    users: usersOf(settings).users,
    tokens,
    scrypt,
    limits,
    report,
    onFailure: countFailures(own.count),
  });
  return { settings, redact: redactionOf(settings), auth, writes: writeLimitOf(settings), own, known: new Map() };
}

export default {
  async fetch(request, env, context): Promise<Response> {
    try {
      isolate ??= openIsolate(env);
      return await respond(request, env, context, await isolate);
    } catch (error) {
      // The app handles its own errors. An error here is about the settings, and only the Worker's log may have it.
      report(`${request.method} ${new URL(request.url).pathname}`, error);
      const problem = new Problem(500, 'The service is not set up: its log says why.');
      return Response.json(problem, { status: 500, headers: { 'content-type': 'application/problem+json' } });
    }
  },

  async scheduled(_controller, env): Promise<void> {
    await runSchedule(settingsOf(env));
    // Where another process has appended, or an alarm was lost.
    await logObject(env).deliver();
  },
} satisfies ExportedHandler<Bindings>;

async function respond(
  request: Request,
  env: Bindings,
  context: ExecutionContext,
  { settings, redact, auth, writes, own, known }: Isolate,
): Promise<Response> {
  const { store, sessions, end } = openRequestDatabase(settings, redact, known);
  const { POLL_MS_MIN: poll_ms_min, POLL_MS_MAX: poll_ms_max } = settings;
  const pending: Promise<unknown>[] = [];
  const parts: Parts = {
    store: { ...store, append: (entries) => appendThrough(env, entries) },
    // Never started: the Durable Object serves the followers.
    tail: createTail(store, { poll_ms_min, poll_ms_max, poll_unfollowed: false, report }),
    auth,
    sessions,
    sockets: { upgrade: defineWebSocketHelper(() => {}), unsent: () => 0, cut: () => {} },
    outbound: {
      reach: fetchReach(settings.OUTBOUND_ALLOW),
      dial: workerDial(settings.OUTBOUND_ALLOW),
      secretOf: secretsOf(env),
      // The Durable Object delivers: it is one, and it is told of every append.
      // Not among the pending work, after which this request's database client is closed: a pass takes long.
      wake: () => context.waitUntil(logObject(env).deliver()),
    },
    sha256,
    anchors: httpAnchors(settings.ANCHORS, fetchReach(settings.OUTBOUND_ALLOW)),
    features,
    build,
    meter: createMeter(),
    gunzip,
    // Cloudflare writes it, whatever the client has sent.
    clientAddress: (c) => c.req.header('cf-connecting-ip'),
    writes,
    own: createRecorder(own, {
      append: (entries) => appendThrough(env, entries),
      redact: store.redact,
      // The Durable Object, which appends, tells the followers.
      notify: () => {},
      keep: (work) => void pending.push(work),
      report,
    }),
    assets: async (c, next) => {
      const path = new URL(c.req.url).pathname.replace(/^\/public/, '');
      const found = await env.ASSETS.fetch(new Request(new URL(path, c.req.url), c.req.raw));
      // Its 404 has a body of its own: use the app's.
      if (found.status === 404) return next();
      for (const [name, value] of found.headers) if (name !== 'cache-control') c.header(name, value);
      c.status(found.status as StatusCode);
      return found.body ? c.body(found.body) : c.body(null);
    },
    limits: settings,
    body_errors_visible: false,
    isReady: () => true,
    follower: (asked, principal) => {
      const passed = new Request(asked);
      passed.headers.set('authorization', forwardPrincipal(principal));
      return logObject(env).fetch(passed);
    },
    waitUntil: (work) => void pending.push(work),
    report,
  };
  const response = await createApp(parts).fetch(request);
  // After the response: the schedule runs once a minute, and until then a busy log would be counted from its rows.
  if (asksForCounts(request))
    pending.push(
      store
        .rollUp(readerLimits.step_ids_max, rollup_ids_min)
        .catch((error) => report('the rollup could not be moved on', error)),
    );
  // workerd resets the connection about a second after the response when the request is longer than that.
  if (!response.ok) await discardBody(request);
  context.waitUntil(settled(pending).then(end));
  return response;
}

/** The number of new entries from which a request for counts moves the rollup on. */
const rollup_ids_min = 5_000;

const asksForCounts = ({ method, url }: Request): boolean =>
  method === 'GET' && /^(\/api\/logs(\/stats)?|\/logs(\/counts)?)$/.test(new URL(url).pathname);

/** Resolves when all of it has settled, with what was added meanwhile. */
async function settled(pending: Promise<unknown>[]): Promise<void> {
  for (const work of pending) await work.catch(() => {});
}
