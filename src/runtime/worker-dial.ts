/** The outbound TLS connections of Workers. */
import { connect } from 'cloudflare:sockets';
import type { Network } from '../http/addresses.ts';
import { brokenOff, type Dial } from '../http/dial.ts';
import { checkHost, ReachFault, reachBounds, reachFaultOf } from '../http/reach.ts';

/** Connections to names, and to addresses that are public or in an allowed network. */
export const workerDial =
  (allowed: readonly Network[]): Dial =>
  async ({ hostname, port }, bytes, { signal: given, ca, cert, key }) => {
    checkHost(hostname, allowed);
    if (ca ?? cert ?? key)
      throw new ReachFault('a Worker trusts public authorities only, and has no certificate of its own to show', true);
    const host = `${hostname}:${port}`;
    const timeout = AbortSignal.timeout(reachBounds.request_ms_max);
    const signal = given ? AbortSignal.any([given, timeout]) : timeout;
    const socket = connect({ hostname, port }, { secureTransport: 'on', allowHalfOpen: true });
    const close = () => void socket.close().catch(() => {});
    const ended = new Promise<never>((_resolve, reject) => {
      const abort = () => {
        reject(signal.reason);
        close();
      };
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
    });
    try {
      await Promise.race([handOver(socket, bytes, host), ended]);
    } catch (error) {
      throw reachFaultOf(signal.aborted ? signal.reason : error, host);
    } finally {
      close();
    }
  };

async function handOver({ readable, writable, closed }: Socket, bytes: Uint8Array, host: string): Promise<void> {
  closed.catch(() => {});
  let isAllWritten = false;
  const ended = drained(readable).then(() => {
    if (!isAllWritten) throw new ReachFault(`${host} ${brokenOff}`, false);
  });
  // Awaited below, unless writing fails first.
  ended.catch(() => {});
  const writer = writable.getWriter();
  await writer.write(bytes);
  await writer.close();
  isAllWritten = true;
  await ended;
}

/** Reads to the end. What it says is nothing to us. */
async function drained(readable: ReadableStream): Promise<void> {
  const reader = readable.getReader();
  while (!(await reader.read()).done);
}
