/** Errors as RFC 9457 problems, and the mapping from SQLSTATEs and driver errors to them. */

/** One fault of a request: where (the event's index in a batch, the field) and why. */
export type Fault = { index?: number; field: string; reason: string };

export const titles = {
  400: 'Bad request',
  401: 'Sign in',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  413: 'Too large',
  415: 'Unsupported content type',
  422: 'Not valid',
  426: 'WebSocket only',
  429: 'Too many requests',
  500: 'Our fault',
  503: 'Not now',
} as const;
export type ProblemStatus = keyof typeof titles;

/** Why a request was refused, as a label of a metric: a closed set. */
const reasonByStatus = {
  400: 'bad_request',
  401: 'not_signed_in',
  403: 'not_allowed',
  404: 'not_found',
  405: 'method_not_allowed',
  413: 'too_large',
  415: 'content_type',
  422: 'invalid_event',
  426: 'no_websocket',
  429: 'rate_limited',
  500: 'internal_error',
  503: 'unavailable',
} as const satisfies Record<ProblemStatus, string>;
/** The kinds of a 503: a queue that is full, a query that took too long, a lock or database that cannot be had, a full disk. */
const unavailableReasons = ['queue_full', 'timeout', 'locked', 'database', 'disk_full'] as const;
export const refusalReasons = [...Object.values(reasonByStatus), ...unavailableReasons];
export type RefusalReason = (typeof refusalReasons)[number];

export type Stored = 'nothing' | 'unknown';

/** An error response: thrown anywhere, written by the app. The client sees `detail` and `errors`. */
export class Problem extends Error {
  readonly status: ProblemStatus;
  /** What a failed write stored, where the status does not say it. */
  readonly stored: Stored | undefined;
  readonly errors: Fault[] | undefined;
  readonly headers: Record<string, string>;
  /** The reason as a label of a metric. */
  readonly reason: RefusalReason;

  constructor(
    status: ProblemStatus,
    detail: string,
    more: { errors?: Fault[]; headers?: Record<string, string>; stored?: Stored; reason?: RefusalReason } = {},
  ) {
    super(detail);
    this.name = 'Problem';
    this.status = status;
    this.errors = more.errors;
    this.stored = more.stored;
    this.headers = more.headers ?? {};
    this.reason = more.reason ?? reasonByStatus[status];
  }

  get title(): string {
    return titles[this.status];
  }

  /** The problem as application/problem+json (RFC 9457 §3.1); `errors` and `stored` are our extension members. */
  toJSON(): Record<string, unknown> {
    return {
      type: 'about:blank',
      title: this.title,
      status: this.status,
      detail: this.message,
      ...(this.stored && { stored: this.stored }),
      ...(this.errors && { errors: this.errors }),
    };
  }
}

/** A query parameter or header that cannot be read. */
export const badField = (field: string, reason: string) =>
  new Problem(400, `${field}: ${reason}`, { errors: [{ field, reason }] });

const retry_after_s = '2';

/** A 503 with Retry-After: the database is unreachable or a queue is full; the same request may succeed shortly. */
export const unavailable = (detail: string, stored: Stored = 'nothing', reason: RefusalReason = 'unavailable') =>
  new Problem(503, detail, { headers: { 'retry-after': retry_after_s }, stored, reason });

/** Error codes of postgres.js and the system for a lost connection; these are not SQLSTATEs. */
const lostConnection =
  /^(CONNECTION_(CLOSED|ENDED|DESTROYED)|CONNECT_TIMEOUT|ECONN(REFUSED|RESET|ABORTED)|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EPIPE|ENOENT)$/;

/**
 * Transient SQLSTATEs: class 08 (connection), 53 (resources), 57 (operator intervention), 58 (system),
 * 25006 (read-only, in a failover), 40 (rollback), 55P03 (the lock was not available within 2 s), 26000 (a pooler gave
 * the connection another session between the two halves of a statement).
 */
const transientStates = /^(08|53|57|58|40)|^25006$|^55P03$|^26000$/;

/** workerd's messages for errors that have a code elsewhere. */
const workerdErrors: [RegExp, string][] = [
  [/^proxy request failed|cannot connect to the specified address|^connect timeout/i, 'ECONNREFUSED'],
  [/^Network connection lost|^Stream was cancelled|socket has been closed|^WritableStream/i, 'ECONNRESET'],
];

/** The code of the driver's error beneath what Drizzle wraps around it. */
function codeOf(error: unknown): string {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const { message } = cause;
    if ('code' in cause && typeof cause.code === 'string') return cause.code;
    const known = workerdErrors.find(([pattern]) => pattern.test(message));
    if (known) return known[1];
  }
  return '';
}

/** True when a retry may succeed. */
export function isTransient(error: unknown): boolean {
  if (error instanceof Problem) return error.status === 503;
  const code = codeOf(error);
  return lostConnection.test(code) || transientStates.test(code);
}

/** Error codes that occur only before a statement was sent. */
const neverSent = /^(CONNECT_TIMEOUT|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENOENT|53300|57P03)$/;

/**
 * A failed append as a problem. When the connection is lost while the statement runs, it is unknown whether it was
 * committed: a plain "try again" would lead to duplicates.
 */
export function appendProblemOf(error: unknown): Problem {
  const problem = problemOf(error);
  const lost = lostConnection.test(codeOf(error)) || /^(08|57|58)/.test(codeOf(error));
  if (problem.status !== 503 || !lost || neverSent.test(codeOf(error))) return problem;
  return unavailable(
    'The database went away while the events were being stored: they may or may not be. Sent again with the same event_uid they are stored once.',
    'unknown',
    'database',
  );
}

/** SQLSTATE 25000: append_logs was called under another isolation level than READ COMMITTED. */
export const isWrongIsolation = (error: unknown): boolean => codeOf(error) === '25000';

/** SQLSTATE 55P03 or 40P01: a lock could not be had in time. */
export const isLocked = (error: unknown): boolean => /^(55P03|40P01)$/.test(codeOf(error));

/** SQLSTATE 08P01 from a pooler that does not pass on a parameter of the connection. */
export const isStartupRefused = (error: unknown): boolean =>
  codeOf(error) === '08P01' && /startup parameter/.test(messagesOf(error));

/** The messages of an error and its causes. */
function messagesOf(error: unknown): string {
  return error instanceof Error ? `${error.message}\n${messagesOf(error.cause)}` : '';
}

/** SQLSTATE 53100: the disk of the server is full. It answers, and reads. */
const isDiskFull = (error: unknown): boolean => codeOf(error) === '53100';

/** SQLSTATE 57014: a statement took longer than it was given. */
export const isStatementTimeout = (error: unknown): boolean => codeOf(error) === '57014';

/** True when the data is invalid (SQLSTATE classes 22 and 23): the other events of a batch can still be stored. */
export const isDataFault = (error: unknown): boolean => /^2[23]/.test(codeOf(error));

/** The problem of an internal error. Its client can name the id to the operator, who finds the line in the log by it. */
export const loggedAs = (request_id: string) =>
  new Problem(500, `Something went wrong on our side. It has been logged under the request id ${request_id}.`, {
    headers: { 'x-request-id': request_id },
  });

/** Any error as a problem for the client. A database message is never included: it names tables and values. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (codeOf(error) === '55P03')
    return unavailable('Too many writers wait for the log. Try again.', 'nothing', 'locked');
  if (isStatementTimeout(error))
    return unavailable(
      'The query took too long and was cancelled: narrow the filter or its period.',
      'nothing',
      'timeout',
    );
  if (isDiskFull(error))
    return unavailable('The disk of the database is full. Reading still works.', 'nothing', 'disk_full');
  if (isTransient(error)) return unavailable('The database cannot be reached. Try again.', 'nothing', 'database');
  if (isDataFault(error)) return new Problem(400, 'The database cannot hold a value of this request.');
  return new Problem(500, 'Something went wrong on our side. It has been logged.');
}
