/** The Durable Object: one place where writers share commits and where one poll follows the log for everybody. */
import { DurableObject } from 'cloudflare:workers';
import { drizzle } from 'drizzle-orm/postgres-js';
import type { Context } from 'hono';
import { defineWebSocketHelper, WSContext } from 'hono/ws';
import { socketEvents } from '../api/follow-socket.ts';
import { createApp } from '../app.ts';
import { forwardedAuth } from '../auth/auth.ts';
import { createSessions } from '../auth/session.ts';
import type { NewEntry } from '../log/entry.ts';
import { readFilter } from '../log/filter.ts';
import { createStore } from '../log/store.ts';
import { createTail } from '../log/tail.ts';
import type { App, Env, Parts } from '../parts.ts';
import { postgresClient } from './postgres-client.ts';
import { report } from './report.ts';
import { type Bindings, demandFresh, type LogStub, type Outcome, outcomeOf, settingsOf } from './worker-env.ts';

const connections_max = 5;
/** Connections that nobody uses are closed, so that an object that nobody needs can be put away. */
const idle_timeout_s = 10;
/** While sockets are open the object is woken so often: one that was put away follows on for them. */
const wake_ms = 30_000;

/**
 * workerd does not say how much a socket's reader has left unread (workerd#988), and queues without a bound. So a socket
 * is closed after this much: its reader resumes, and one that never reads costs no more.
 */
const socket_bytes_max = 8 * 1024 * 1024;

/** Readers have nothing to say; workerd would take 32 MiB of it. */
const message_bytes_max = 4_096;
const too_big = 1009;
/** What is reported when a close had no code (RFC 6455 §7.4.1): it cannot be sent. */
const no_code = 1005;

type SocketEvents = ReturnType<typeof socketEvents>;

/** What a socket is about, kept by the runtime while the object itself is put away. */
type Kept = { search: string; cursor: number; session?: string };

export class LogObject extends DurableObject<Bindings> implements LogStub {
  readonly #parts: Parts;
  readonly #app: App;
  readonly #events = new WeakMap<WebSocket, SocketEvents>();
  readonly #sent_bytes = new WeakMap<WebSocket, number>();

  constructor(state: DurableObjectState, env: Bindings) {
    super(state, env);
    const settings = settingsOf(env);
    const client = postgresClient(settings.DATABASE_URL, Math.min(connections_max, settings.DATABASE_CONNECTIONS_MAX), {
      idle_timeout_s,
    });
    const db = drizzle({ client });
    demandFresh(db).catch((error) => report('at the start', error));
    const store = createStore(db);
    const tail = createTail(store, {
      poll_ms_min: settings.POLL_MS_MIN,
      poll_ms_max: settings.POLL_MS_MAX,
      poll_unfollowed: false,
      report,
    });
    tail.start();
    this.#parts = {
      store,
      tail,
      auth: forwardedAuth,
      sessions: createSessions(db, settings.SESSION_SECONDS_MAX),
      sockets: {
        upgrade: defineWebSocketHelper(async (c, events) => this.#accept(c, events as SocketEvents)),
        unsent: (raw) => (this.#sentTo(raw as WebSocket) > socket_bytes_max ? Number.POSITIVE_INFINITY : 0),
        cut: (raw) => close(raw as WebSocket),
        saveCursor: (raw, cursor) => keep(raw as WebSocket, cursor),
      },
      assets: (_c, next) => next(),
      limits: settings,
      body_errors_visible: false,
      isOpen: () => true,
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
        return appended;
      }),
    );
  }

  #accept(c: Context<Env>, events: SocketEvents): Response {
    const [far, near] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
    const { session } = c.get('principal');
    near.serializeAttachment({
      search: new URL(c.req.url).search,
      cursor: 0,
      ...(session && { session }),
    } satisfies Kept);
    this.ctx.acceptWebSocket(near);
    this.#open(near, events);
    // A client that left before its answer came: nothing else would ever tell.
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
    void this.ctx.storage.setAlarm(Date.now() + wake_ms);
  }

  /** The object was put away while the socket was quiet: it goes on where its reader was. */
  #resume(socket: WebSocket): void {
    const { search, cursor, session } = socket.deserializeAttachment() as Kept;
    const filter = readFilter(new URLSearchParams(search), ['after']);
    this.#open(socket, socketEvents(this.#parts, filter, cursor, session));
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

  override alarm(): Promise<void> | void {
    if (this.ctx.getWebSockets().length > 0) return this.ctx.storage.setAlarm(Date.now() + wake_ms);
  }

  override webSocketMessage(socket: WebSocket, said: string | ArrayBuffer): void {
    const bytes = typeof said === 'string' ? said.length : said.byteLength;
    if (bytes > message_bytes_max) close(socket, too_big, 'readers have nothing to say');
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    this.#events.get(socket)?.onClose();
    // The reply to a reader's close is ours to send: without it the connection stays until the reader gives up on it.
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

function keep(socket: WebSocket, cursor: number): void {
  const kept = socket.deserializeAttachment() as Kept;
  socket.serializeAttachment({ ...kept, cursor } satisfies Kept);
}
