/** The Durable Object: it batches the appends of all requests and follows the log with one poll for all followers. */
import { DurableObject } from 'cloudflare:workers';
import { drizzle } from 'drizzle-orm/postgres-js';
import type { Context } from 'hono';
import { defineWebSocketHelper, WSContext } from 'hono/ws';
import { socketEvents } from '../api/follow-socket.ts';
import { createApp } from '../app.ts';
import { forwardedAuth } from '../auth/auth.ts';
import { createSessions } from '../auth/session.ts';
import { features } from '../features/index.ts';
import { createMeter } from '../http/meter.ts';
import { fetchReach } from '../http/reach.ts';
import { type DeliveryPasses, deliveryPasses } from '../log/delivery.ts';
import type { NewEntry } from '../log/entry.ts';
import { readFilter } from '../log/filter.ts';
import { unrecorded } from '../log/own-events.ts';
import { foreignPosition, type Position } from '../log/position.ts';
import { sessionReads } from '../log/reads.ts';
import { createStore } from '../log/store.ts';
import { createTail } from '../log/tail.ts';
import type { App, Env, Outbound, Parts } from '../parts.ts';
import { redactionOf } from '../settings.ts';
import { gunzip } from './gunzip.ts';
import { openSinkOf } from './open-sinks.ts';
import { postgresClient } from './postgres-client.ts';
import { report } from './report.ts';
import { sha256 } from './sha256.ts';
import {
  type Bindings,
  build,
  type LogStub,
  type Outcome,
  outcomeOf,
  rejectCachedReads,
  secretsOf,
  settingsOf,
} from './worker-bindings.ts';
import { hyperdrive_ms_max } from './worker-database.ts';
import { workerDial } from './worker-dial.ts';

const connections_max = 5;
/** Idle connections are closed, because an object with open connections cannot hibernate. */
const idle_timeout_s = 10;
/** The alarm interval while sockets are open: a hibernated object wakes up and sends what is new. */
const wake_ms = 30_000;

/**
 * workerd has no `bufferedAmount` (workerd#988) and queues without a limit. So a socket is closed after this many sent
 * bytes: a client reconnects and resumes, and a client that never reads uses no more memory than this.
 */
const socket_bytes_max = 8 * 1024 * 1024;

/** Clients send no messages on a socket. workerd's own limit is 32 MiB. */
const message_bytes_max = 4_096;
const too_big = 1009;
/** The code of a close without a code (RFC 6455 §7.4.1). It must not be sent. */
const no_code = 1005;
/** "Policy violation" (RFC 6455 §7.4.1): reconnecting with the same position is refused as well. */
const log_replaced = 1008;

type SocketEvents = ReturnType<typeof socketEvents>;

/** A socket's attachment, which survives hibernation. */
type Attachment = { search: string; position: Position; session?: string };

export class LogObject extends DurableObject<Bindings> implements LogStub {
  readonly #parts: Parts;
  readonly #app: App;
  readonly #passes: DeliveryPasses;
  readonly #events = new WeakMap<WebSocket, SocketEvents>();
  readonly #sent_bytes = new WeakMap<WebSocket, number>();

  constructor(state: DurableObjectState, env: Bindings) {
    super(state, env);
    const settings = settingsOf(env);
    const client = postgresClient(settings.DATABASE_URL, Math.min(connections_max, settings.DATABASE_CONNECTIONS_MAX), {
      idle_timeout_s,
    });
    const db = drizzle({ client });
    rejectCachedReads(db).catch((error) => report('the Durable Object started with cached reads', error));
    const store = createStore(db, sessionReads(db, hyperdrive_ms_max), undefined, report, redactionOf(settings));
    const tail = createTail(store, {
      poll_ms_min: settings.POLL_MS_MIN,
      poll_ms_max: settings.POLL_MS_MAX,
      poll_unfollowed: false,
      report,
    });
    tail.start();
    const outbound: Outbound = {
      reach: fetchReach(settings.OUTBOUND_ALLOW),
      dial: workerDial(settings.OUTBOUND_ALLOW),
      secretOf: secretsOf(env),
      wake: () => void this.deliver(),
    };
    this.#passes = deliveryPasses({
      store,
      open: openSinkOf(features, outbound, settings),
      me: crypto.randomUUID(),
      lease_ms: settings.SINK_LEASE_MS,
      random: Math.random,
      now: Date.now,
      report,
      notify: tail.notifyAppended,
    });
    this.#parts = {
      store,
      tail,
      auth: forwardedAuth,
      sessions: createSessions(db, settings.SESSION_SECONDS_MAX),
      sockets: {
        upgrade: defineWebSocketHelper(async (c, events) => this.#accept(c, events as SocketEvents)),
        unsent: (raw) => (this.#sentTo(raw as WebSocket) > socket_bytes_max ? Number.POSITIVE_INFINITY : 0),
        cut: (raw) => close(raw as WebSocket),
        saveCursor: (raw, position) => keep(raw as WebSocket, position),
      },
      outbound,
      sha256,
      // The schedule seals.
      anchors: [],
      // It gets the requests for live streams only.
      features: [],
      build,
      meter: createMeter(),
      gunzip,
      // The Worker has recorded the request before it passed it on.
      own: unrecorded,
      clientAddress: (c) => c.req.header('cf-connecting-ip'),
      assets: (_c, next) => next(),
      limits: settings,
      body_errors_visible: false,
      isReady: () => true,
      report,
    };
    this.#app = createApp(this.#parts);
    for (const socket of state.getWebSockets()) this.#resume(socket);
  }

  override async fetch(request: Request): Promise<Response> {
    return this.#app.fetch(request);
  }

  append(entries: NewEntry[]): Promise<Outcome> {
    const { store, tail } = this.#parts;
    return outcomeOf(
      store.append(entries).then((appended) => {
        tail.notifyAppended(Math.max(...appended.map(({ entry }) => entry.id)));
        if (this.#passes.mayHaveWork()) void this.deliver();
        return appended;
      }),
    );
  }

  /** Delivers what is due, and wakes up when the next is. It never rejects: the alarm is set whatever happens. */
  async deliver(): Promise<void> {
    try {
      await this.#passes.run();
    } catch (error) {
      report('the deliveries failed', error);
    }
    await this.#setAlarm();
  }

  /** There is one alarm, for the sockets and for the deliveries: at what comes first. */
  async #setAlarm(): Promise<void> {
    const wanted = [
      ...(this.ctx.getWebSockets().length > 0 ? [wake_ms] : []),
      ...(this.#passes.next_ms === null ? [] : [this.#passes.next_ms]),
    ];
    if (wanted.length > 0) await this.ctx.storage.setAlarm(Date.now() + Math.min(...wanted));
  }

  #accept(c: Context<Env>, events: SocketEvents): Response {
    const [far, near] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
    const { session } = c.get('principal');
    near.serializeAttachment({
      search: new URL(c.req.url).search,
      position: { id: 0, at_ms: null },
      ...(session && { session }),
    } satisfies Attachment);
    this.ctx.acceptWebSocket(near);
    this.#open(near, events);
    // A client that disconnects before the 101 response causes no close event.
    const leave = () => {
      events.onClose();
      close(near);
    };
    c.req.raw.signal.addEventListener('abort', leave);
    if (c.req.raw.signal.aborted) leave();
    return new Response(null, { status: 101, webSocket: far });
  }

  #open(socket: WebSocket, events: SocketEvents): void {
    this.#events.set(socket, events);
    events.onOpen(new Event('open'), this.#contextOf(socket));
    void this.#setAlarm();
  }

  /** Resumes a socket after hibernation, at its saved cursor. */
  #resume(socket: WebSocket): void {
    const { search, position, session } = socket.deserializeAttachment() as Attachment;
    const filter = readFilter(new URLSearchParams(search), ['after']);
    const resume = () => this.#open(socket, socketEvents(this.#parts, filter, position, session));
    // Where the database cannot be asked now, following waits for it.
    void this.#parts.store
      .isOwn(position)
      .then((own) => (own ? resume() : close(socket, log_replaced, foreignPosition)), resume);
  }

  #sentTo = (socket: WebSocket) => this.#sent_bytes.get(socket) ?? 0;

  #contextOf(socket: WebSocket): WSContext {
    return new WSContext({
      raw: socket,
      readyState: 1,
      send: (data) => {
        if (socket.readyState !== WebSocket.OPEN) return;
        this.#sent_bytes.set(socket, this.#sentTo(socket) + (typeof data === 'string' ? data.length : data.byteLength));
        socket.send(data);
      },
      close: (code, reason) => close(socket, code, reason),
    });
  }

  override alarm(): Promise<void> {
    return this.deliver();
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    const bytes = typeof message === 'string' ? message.length : message.byteLength;
    if (bytes > message_bytes_max) close(socket, too_big, 'this socket takes no messages');
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    this.#events.get(socket)?.onClose();
    // The object must answer a close frame itself: without it the connection stays open until the client's timeout.
    if (socket.readyState === WebSocket.CLOSING) socket.close(code === no_code ? undefined : code);
  }

  override webSocketError(socket: WebSocket): void {
    this.#events.get(socket)?.onError();
  }
}

/** A reader that left first has closed it: then there is nothing to say any more. */
function close(socket: WebSocket, code?: number, reason?: string): void {
  if (socket.readyState === WebSocket.OPEN) socket.close(code, reason);
}

function keep(socket: WebSocket, position: Position): void {
  const kept = socket.deserializeAttachment() as Attachment;
  socket.serializeAttachment({ ...kept, position } satisfies Attachment);
}
