/** A connection to a PostgreSQL server: tries the hosts in turn, negotiates TLS, and ends when the server does not respond. */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { DatabaseAddress } from '../log/database-url.ts';
import { pendingResponses } from './pending-responses.ts';
import type { Tls } from './postgres-client.ts';
import { connectServer, failure } from './server-connect.ts';
import { startupMessage } from './startup-message.ts';

/** How long a server may take to close its side after ours was closed. */
const close_ms_max = 2_000;

/**
 * In the server's response to the startup message. The default of a database, a role or the server is that of a session
 * for ever: such a session is not used for long, so that writes work as soon as the database is writable again.
 */
const readOnlySession = 'default_transaction_read_only\0on\0';
const read_only_ms_max = 1_000;

/** What the sockets of one pool share. */
type Pool = {
  address: DatabaseAddress;
  tls: Tls;
  silence_ms_max: number | null;
  open: Set<ServerSocket>;
  /** The host that the next socket tries first. */
  host: number;
  /** Set when the server did not respond; then one socket at a time tries whether it does again. */
  silent: { tried_by: ServerSocket | null } | null;
};

/**
 * The `socket` option of postgres.js: a function that makes the sockets of one pool. A socket ends when the server sends
 * nothing for `silence_ms_max` while a request is pending: a connection that a firewall forgot, or a server that is
 * stopped, would otherwise hold its queries for the 15 minutes after which the kernel gives up, or for ever.
 */
export function serverSockets(silence_ms_max: number | null) {
  return (address: DatabaseAddress, tls: Tls): (() => Duplex) => {
    const pool: Pool = { address, tls, silence_ms_max, open: new Set(), host: 0, silent: null };
    return () => new ServerSocket(pool);
  };
}

class ServerSocket extends Duplex {
  /** postgres.js names them in its errors. */
  host = '';
  port = 0;
  readonly #pool: Pool;
  readonly #responses = pendingResponses();
  readonly #firstHost: number;
  #inner: Socket | null = null;
  #isReady = false;
  #hasWritten = false;
  #hasResponded = false;
  #isClosed = false;
  /** True when the server has responded to the startup message. */
  #isStarted = false;
  #pending = 0;
  /** Since when the server has sent nothing for a request, by the monotonic clock. */
  #waiting_since: number | null = null;
  #timer: NodeJS.Timeout | null = null;
  #failure: Error | null = null;
  /** The write that waits for the connection. */
  #firstWrite: (() => void) | null = null;

  constructor(pool: Pool) {
    super();
    this.#pool = pool;
    this.#firstHost = pool.host;
    pool.open.add(this);
    // Without this, each of many queued queries would wait for a connection timeout of its own.
    if (pool.silent?.tried_by) {
      this.#fail(failure('CONNECT_TIMEOUT', 'the server does not respond'));
      return;
    }
    if (pool.silent) pool.silent.tried_by = this;
    this.#open().catch((error) => {
      // With target_session_attrs postgres.js ignores this error and connects again at once: its connect timeout reports it.
      if (!pool.address.target) this.#fail(error);
    });
  }

  /** As of a net.Socket: postgres.js ends only an open one. */
  get readyState(): 'opening' | 'open' | 'closed' {
    if (this.destroyed) return 'closed';
    return this.#isReady ? 'open' : 'opening';
  }

  /** At the first write: postgres.js listens to a socket from then on. */
  #fail(error: Error): void {
    this.#failure = error;
    this.#firstWrite?.();
  }

  async #open(): Promise<void> {
    const { address, tls } = this.#pool;
    const { hosts } = address;
    let failed: unknown;
    for (let n = 0; n < hosts.length && !this.destroyed; n++) {
      const target = hosts[(this.#firstHost + n) % hosts.length];
      if (!target) continue;
      Object.assign(this, target);
      try {
        return this.#start(await connectServer(target, address, tls, (socket) => this.#track(socket)));
      } catch (error) {
        failed = error;
        this.#inner?.destroy();
      }
    }
    throw failed;
  }

  /** Destroys a socket of this connection together with it. */
  #track<S extends Socket>(socket: S): S {
    this.#inner = socket;
    socket.on('error', () => {});
    if (this.destroyed) socket.destroy();
    return socket;
  }

  #start(socket: Socket): void {
    if (this.destroyed) return;
    this.#isReady = true;
    socket.on('error', (error) => this.#cut(error));
    socket.on('close', () => {
      this.#isClosed = true;
      // Not in the same turn: what the server sent before is delivered first.
      setTimeout(() => this.#cut(failure('CONNECTION_CLOSED', 'the server closed the connection')), 0);
    });
    socket.on('data', (chunk: Buffer) => this.#received(chunk));
    this.#firstWrite?.();
  }

  #received(chunk: Buffer): void {
    if (!this.#isStarted && chunk.includes(readOnlySession))
      setTimeout(() => this.#endWhenIdle(), read_only_ms_max).unref();
    this.#hasResponded = true;
    this.#pool.silent = null;
    this.#pending = this.#responses.received(chunk);
    this.#isStarted ||= this.#pending === 0;
    this.#waiting_since = this.#pending > 0 ? performance.now() : null;
    if (!this.push(chunk)) this.#inner?.pause();
  }

  /**
   * Ends the connection with an error. After a connection that ended in the middle of a result, postgres.js begins the
   * next result with as many empty places as it had received rows, because only the end of a command resets its counter:
   * the queries are told the error first, and then that the command ended.
   */
  #cut(error: Error): void {
    const completion = this.#responses.completion();
    if (this.destroyed || !completion) return void this.destroy(error);
    this.emit('error', error);
    this.push(completion);
    this.destroy();
  }

  #endWhenIdle(): void {
    if (this.destroyed) return;
    if (this.#pending === 0) this.destroy();
    else setTimeout(() => this.#endWhenIdle(), read_only_ms_max).unref();
  }

  /** Starts the deadline. Only what the server sends may move it: a busy pool keeps writing to a dead connection. */
  #wait(): void {
    if (this.#pool.silence_ms_max === null) return;
    this.#waiting_since ??= performance.now();
    this.#timer ??= setTimeout(() => this.#checkDeadline(), this.#pool.silence_ms_max).unref();
  }

  /** The timer runs on after a response, because one timer for each request costs more than a late check. */
  #checkDeadline(): void {
    const { silence_ms_max, open } = this.#pool;
    this.#timer = null;
    if (this.#waiting_since === null || silence_ms_max === null) return;
    const left_ms = silence_ms_max - (performance.now() - this.#waiting_since);
    if (left_ms > 0) {
      this.#timer = setTimeout(() => this.#checkDeadline(), left_ms).unref();
      return;
    }
    this.#reportSilence();
    this.#cut(failure('ETIMEDOUT', `the server did not respond for ${silence_ms_max} ms`));
    // Idle connections probably died in the same way. postgres.js opens new ones.
    for (const other of open) if (other.#hasResponded && other.#pending === 0) other.destroy();
  }

  #reportSilence(): void {
    this.#pool.silent ??= { tried_by: null };
  }

  override _read(): void {
    this.#inner?.resume();
  }

  override _write(chunk: Uint8Array, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#failure) return void done(this.#failure);
    if (!this.#isReady || !this.#inner) {
      this.#firstWrite = () => this._write(chunk, encoding, done);
      return;
    }
    const bytes = this.#hasWritten ? chunk : startupMessage(chunk);
    this.#hasWritten = true;
    this.#pending = this.#responses.sent(bytes);
    this.#wait();
    this.#inner.write(bytes, done);
  }

  override _final(done: () => void): void {
    this.#inner?.end();
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.destroy(), close_ms_max).unref();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const pool = this.#pool;
    if (this.#timer) clearTimeout(this.#timer);
    this.#inner?.destroy();
    pool.open.delete(this);
    const { hosts, target } = pool.address;
    // The next connection begins with the next host when this one did not respond, or may be of the wrong kind.
    if ((target || !this.#hasResponded) && pool.host === this.#firstHost) pool.host = (pool.host + 1) % hosts.length;
    if (pool.silent?.tried_by === this) pool.silent.tried_by = null;
    // postgres.js destroys a socket without an error when its connect timeout has passed.
    else if (!this.#hasResponded && !this.#isClosed && error === null) this.#reportSilence();
    done(error);
  }
}
