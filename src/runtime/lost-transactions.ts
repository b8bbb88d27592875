/** Transactions of postgres.js whose connection ends: without the driver's ROLLBACK, which would end the process. */
import type postgres from 'postgres';

/** Error codes of the driver and the system for a connection that has ended. An error of the server has a severity. */
const endedConnection = /^(CONNECTION_(CLOSED|ENDED|DESTROYED)|E[A-Z]+)$/;

/** True when the connection on which the error arose has ended, or ends now. */
function endsConnection(error: unknown): boolean {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if ('severity' in cause) return cause.severity === 'FATAL' || cause.severity === 'PANIC';
    if ('code' in cause && typeof cause.code === 'string') return endedConnection.test(cause.code);
  }
  return false;
}

/**
 * Changes `begin` of a client. When a function in a transaction fails, the driver sends ROLLBACK. Where the server has
 * ended the connection (a restart, a failover, pg_terminate_backend), that write meets a closed socket: the next
 * connection never sends its first message, and a TypeError in a timer ends the process. So such a failure is not passed
 * on: the transaction is rejected by the end of the connection, which follows.
 */
export function withoutRollbackOfLost<T extends postgres.Sql>(client: T): T {
  const begin = client.begin.bind(client) as (...given: unknown[]) => Promise<unknown>;
  const beginSafely = (...given: unknown[]) => {
    const run = given.at(-1) as (tx: postgres.TransactionSql) => Promise<unknown>;
    const guarded = async (tx: postgres.TransactionSql) => {
      try {
        return await run(tx);
      } catch (error) {
        // A promise of its own: one for all would keep every transaction that waits for it.
        if (endsConnection(error)) return new Promise<never>(() => {});
        throw error;
      }
    };
    return begin(...given.slice(0, -1), guarded);
  };
  return Object.assign(client, { begin: beginSafely });
}
