/** What the app is made of, and the access checks of the routes. */
import type { Context, Hono, MiddlewareHandler } from 'hono';
import type { UpgradeWebSocket } from 'hono/ws';
import { type Auth, bearerChallenge, notSignedIn, type Principal, type Right } from './auth/auth.ts';
import { readSessionCookie } from './auth/cookie.ts';
import { pathOf, signInUrl } from './auth/return-path.ts';
import { passwordProof, type Sessions, sessionDigest } from './auth/session.ts';
import { sourceOf } from './http/client-address.ts';
import type { Dial } from './http/dial.ts';
import type { Meter } from './http/meter.ts';
import type { Metric } from './http/metric.ts';
import { Problem } from './http/problem.ts';
import type { RateLimit } from './http/rate-limit.ts';
import type { Reach } from './http/reach.ts';
import type { Gunzip } from './http/request.ts';
import type { RequestIds } from './http/request-id.ts';
import type { OpenStream } from './http/slow-reader.ts';
import type { OpenReader } from './log/delivery-sink.ts';
import type { Term } from './log/filter.ts';
import type { Recorder } from './log/own-events.ts';
import type { Position } from './log/position.ts';
import type { Derivation, Step } from './log/reader.ts';
import type { Entry } from './log/schema.ts';
import type { Store } from './log/store.ts';
import type { Tail } from './log/tail.ts';
import type { Sha256 } from './proof/bytes.ts';
import type { Settings } from './settings.ts';

/** The runtime's WebSockets: how to upgrade, how much is unsent, how to terminate one. */
export type Sockets = {
  upgrade: UpgradeWebSocket;
  unsent(raw: unknown): number;
  cut(raw: unknown): void;
  /** Saves a socket's cursor: every matching entry up to this id was sent to it. */
  saveCursor?(raw: unknown, position: Position): void;
};

/** What the operating system knows of the service's process. */
export type ProcessUsage = { started_ms: number; cpu_seconds(): number; rss_bytes(): number };

/** Which program serves the log, and on what. */
export type Build = {
  version: string;
  runtime: 'node' | 'bun' | 'workers';
  database: 'pglite' | 'postgres';
  /** Absent where a request does not know which process serves it: on Workers. */
  usage?: ProcessUsage;
};

/** What the runtime has for those who send events elsewhere. */
export type Outbound = {
  reach: Reach;
  dial: Dial;
  /** The value of an environment variable, as it is now. */
  secretOf(name: string): string | undefined;
  /** Says that a delivery was changed: a hint for the process that delivers. */
  wake(): void;
};

/** A place outside of the database: who changes the log cannot change what is there. */
export type Anchor = {
  name: string;
  put(note: string): Promise<void>;
  /** The text of the newest note, where it can be read again. */
  newest?(): Promise<string | null>;
};

export type Parts = {
  store: Store;
  tail: Tail;
  auth: Auth;
  sessions: Sessions;
  sockets: Sockets;
  outbound: Outbound;
  /** The features that are mounted. */
  features: readonly Feature[];
  build: Build;
  /** What this process counts about its requests. */
  meter: Meter;
  /** The address at the other end of a request's connection. Absent where the runtime does not know it. */
  peerAddress?: ((c: Context) => string | undefined) | undefined;
  /** The address of a request's client, which may be behind proxies. Undefined where it is not known. */
  clientAddress(c: Context): string | undefined;
  /** How many events each principal may write. Absent where writes are not limited. */
  writes?: RateLimit | undefined;
  /** Opens a live response where the runtime has something cheaper than a Web stream. */
  openStream?: OpenStream | undefined;
  sha256: Sha256;
  /** Where checkpoints are kept outside of the database. */
  anchors: readonly Anchor[];
  /** Compresses a long body as gzip. Absent where the platform compresses responses itself. */
  gzip?: ((body: ReadableStream<Uint8Array>) => ReadableStream<Uint8Array>) | undefined;
  /** Inflates a request's body. */
  gunzip: Gunzip;
  /** Serves the files in public/. */
  assets: MiddlewareHandler;
  /** Whether the client sees that a body failed. workerd ends a failed body like a complete one and drops its last bytes. */
  body_errors_visible: boolean;
  /** False until the database has been reached and migrated: until then every response is a 503. */
  isReady(): boolean;
  /** Forwards a request to the process that follows the log: on Workers that is a Durable Object. */
  follower?: (request: Request, principal: Principal) => Promise<Response>;
  limits: Pick<
    Settings,
    | 'BODY_BYTES_MAX'
    | 'CORS_ORIGINS'
    | 'HEARTBEAT_MS'
    | 'OUTBOUND_ALLOW'
    | 'PROOF'
    | 'PUBLIC_URL'
    | 'SEAL_KEYS'
    | 'SIGN_IN_TYPES'
    | 'SIGN_OUT_TYPES'
    | 'STALL_MS_MAX'
    | 'UNUSUAL_KINDS'
    | 'UNUSUAL_PER_DAY_MAX'
    | 'UNSENT_BYTES_MAX'
  >;
  /** Registers work that continues after the response has begun: a request's database client is closed after it. */
  waitUntil?(work: Promise<unknown>): void;
  /** Records what is done with the product as events of the log. */
  own: Recorder;
  report: Report;
};

/** What a line of the log is about: the request that it belongs to, and its level where the error does not say it. */
export type About = Partial<RequestIds> & { level?: 'warn' };
/** Logs an internal error. */
export type Report = (what: string, error: unknown, about?: About) => void;

/** A link to a page, in the menu of those who have the right. */
export type NavigationEntry = { path: string; label: string; right: Right };

/** What a board asks of a feature: the terms of the filter beside the times, and a period in epoch ms, both ends included. */
export type PanelQuestion = { terms: Term[]; from: number; to: number; rows_max: number };

/** `names` under the columns, the number of events, their address, a page that tells more, and the time in epoch ms. */
export type PanelRow = {
  names: (string | null)[];
  value: number;
  href: string;
  page: string;
  span: [number, number];
};

/** The newest rows first. */
export type PanelSource = {
  /** The fields that it can be narrowed by. */
  keys: readonly string[];
  ask(parts: Parts, question: PanelQuestion): Promise<{ columns: string[]; rows: PanelRow[]; is_exact: boolean }>;
};

/** What a reader needs. */
export type ReaderParts = Pick<Parts, 'store' | 'sha256' | 'anchors' | 'limits' | 'report'>;

/** A capability that reads the log: a folder in src/features/ and a line in its index.ts. All features have this form. */
export type Feature = {
  name: string;
  /** Adds its routes. */
  routes(app: App, parts: Parts): void;
  /** Its entry in the menu of every page. */
  navigation?: NavigationEntry;
  /** What it makes of a search: a link beside the filter, whose address ends in the filter as one parameter. */
  ofSearch?: NavigationEntry;
  /** What it knows of an event: links below the event's details. */
  ofEvent?(entry: Entry): NavigationEntry[];
  /**
   * What it adds to a scrape of GET /metrics, read at each scrape: it must be cheap, and no label may take values from
   * requests or events.
   */
  metrics?(parts: Parts): Promise<Metric[]> | Metric[];
  /** Panels of boards that only it can answer, by their kind: features do not import each other, so a board asks here. */
  panels?: { [kind: string]: PanelSource };
  /** What it derives from the log (log/reader.ts), into the tables of its tables.ts. */
  derivations?: readonly Derivation[];
  /** What else it does with the log in steps, beside the derivations and as often: a step is of at most `ids_max` ids. */
  readers?(parts: ReaderParts): { name: string; step(ids_max: number): Promise<Step> }[];
  /** What it does once a minute. Every instance does it: it must do no harm twice. */
  eachMinute?(store: Store, limits: Parts['limits']): Promise<void>;
  /** How it opens its readers (log/delivery.ts), which are those of its kind: they send events, or append what they find. */
  deliveries?: { kind: string; open(outbound: Outbound, settings: Settings): OpenReader };
};

/** The response header that names the log by its UUID. */
export const logHeader = 'edgetrail-log';

export type Env = { Variables: { principal: Principal } };
export type App = Hono<Env>;

/** Middleware: passes only principals with the right, and puts the principal into the context. */
export const requireRight =
  (parts: Parts, right: Right): MiddlewareHandler<Env> =>
  async (c, next) => {
    const authorization = c.req.header('authorization');
    const principal = authorization
      ? await parts.auth.identify(authorization, () => parts.clientAddress(c))
      : await sessionOf(c, parts);
    if (!principal) return redirectToSignIn(c);
    // CSRF: a browser also sends the cookie with requests that a sibling domain of the same site starts.
    if (principal.session && !['GET', 'HEAD'].includes(c.req.method) && !isSameOrigin(c, parts.limits))
      throw new Problem(403, 'With a session, only a page of this service may do that.');
    recordUse(c, parts, principal, right);
    parts.auth.demand(principal, right);
    c.set('principal', principal);
    await next();
  };

/** Records the first use of a token, or of a password by Basic, on this day, and that a right was missing. */
function recordUse(c: Context, { own, clientAddress }: Parts, principal: Principal, right: Right): void {
  const { kind, name, session, rights } = principal;
  if (kind === 'service')
    own.daily('TOKEN_USED', name, () => ({
      entity_type: 'token',
      entity_id: name,
      description: `The token ${name} was used for the first time on this day`,
      ip_address: clientAddress(c),
      metadata: { rights: [...rights] },
    }));
  else if (!session) {
    const ip_address = clientAddress(c);
    own.daily('SIGN_IN', `${name} ${sourceOf(ip_address)}`, () => ({
      entity_type: 'user',
      entity_id: name,
      user_id: name,
      description: `${name} sent a right password from this address for the first time on this day`,
      ip_address,
      metadata: { by: 'basic' },
    }));
  }
  if (!rights.includes(right))
    own.count({
      type: 'REFUSED',
      entity_type: 'right',
      entity_id: right,
      user_id: name,
      description: `${name} may not do what needs the right ${right}`,
      ip_address: clientAddress(c),
    });
}

/** The principal of the session cookie, with the user's current role; null when there is no valid session. */
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

/** Sends a browser to the sign-in form: a redirect for a page, an htmx header for a fragment. A 401 for other clients. */
function redirectToSignIn(c: Context): Response {
  if (isApiPath(c.req.path) || !c.req.header('accept')?.includes('text/html')) throw notSignedIn();
  if (!c.req.header('hx-request-type') && !c.req.header('hx-request')) {
    const { pathname, search } = new URL(c.req.url);
    return c.redirect(signInUrl(pathname + search), 303);
  }
  throw new Problem(401, 'You are not signed in any more.', {
    // Requests that the page sends by itself must not navigate away from what the user is reading.
    headers: {
      ...bearerChallenge,
      ...(!/\/(stream|counts)$/.test(c.req.path) && {
        'hx-redirect': signInUrl(pathOf(c.req.header('hx-current-url'))),
      }),
    },
  });
}

const isApiPath = (path: string) => /^\/(api|ws)\//.test(path);

/** Middleware: forwards the request to the process that follows the log, if that is another one. */
export const forwardToFollower =
  ({ follower }: Parts): MiddlewareHandler<Env> =>
  async (c, next) =>
    follower ? follower(c.req.raw, c.get('principal')) : next();

/** Answers other methods of a path with a 405 and an Allow header (RFC 9110). */
export function allowMethods(app: App, path: string, ...methods: string[]): void {
  app.all(path, () => {
    throw new Problem(405, `Only ${methods.join(' and ')} here.`, { headers: { allow: methods.join(', ') } });
  });
}

/**
 * Whether a request comes from a page of this service, from a configured origin, or from no page. A browser attaches
 * cached Basic credentials to requests that other sites start, to WebSockets, too: without this check any site could
 * write and follow with a visitor's credentials.
 */
export function isTrustedOrigin(c: Context, { PUBLIC_URL, CORS_ORIGINS }: Parts['limits']): boolean {
  const origin = c.req.header('origin');
  if (origin && CORS_ORIGINS.includes(origin)) return true;
  const site = c.req.header('sec-fetch-site');
  if (site) return site === 'same-origin' || site === 'none';
  return !origin || isOwnOrigin(origin, c, PUBLIC_URL);
}

/**
 * Whether the headers show that a request comes from a page of this service. Requests with a cookie need this proof: a
 * missing Origin is not enough, and the configured origins do not count.
 */
export function isSameOrigin(c: Context, { PUBLIC_URL }: Parts['limits']): boolean {
  const site = c.req.header('sec-fetch-site');
  if (site) return site === 'same-origin';
  const origin = c.req.header('origin');
  return origin !== undefined && isOwnOrigin(origin, c, PUBLIC_URL);
}

const isOwnOrigin = (origin: string, c: Context, PUBLIC_URL: string) =>
  origin === PUBLIC_URL || (URL.canParse(origin) && new URL(origin).host === c.req.header('host'));
