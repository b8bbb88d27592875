/** The outbound TLS connections of Node and Bun. */
import { connect as connectTcp, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Network } from '../http/addresses.ts';
import { brokenOff, type Dial } from '../http/dial.ts';
import { ReachFault, reachBounds, reachFaultOf } from '../http/reach.ts';
import { aborted, checkedAddress, servernameOf } from './checked-address.ts';

/** Connections to addresses that are public or in an allowed network. */
export const serverDial =
  (allowed: readonly Network[]): Dial =>
  async ({ hostname, port }, bytes, { signal: given, ...credentials }) => {
    const host = `${hostname}:${port}`;
    const timeout = AbortSignal.timeout(reachBounds.request_ms_max);
    const signal = given ? AbortSignal.any([given, timeout]) : timeout;
    const ended = aborted(signal);
    let raw: Socket | null = null;
    let socket: TLSSocket | null = null;
    try {
      const address = await Promise.race([checkedAddress(hostname, allowed), ended]);
      raw = connectTcp({ host: address, port, allowHalfOpen: true });
      // A host that is an address is compared with those in the certificate.
      socket = connectTls({ socket: withoutEnd(raw), host: address, ...servernameOf(hostname), ...credentials });
      await Promise.race([handOver(raw, socket, bytes, host), ended]);
    } catch (error) {
      throw reachFaultOf(signal.aborted ? signal.reason : error, host);
    } finally {
      socket?.destroy();
      raw?.destroy();
    }
  };

/**
 * The connection as TLS sees it: it never ends. So the end that TLS reports is the far side's close_notify, which a process
 * sends, and the kernel of one that was killed does not.
 */
function withoutEnd(raw: Socket): Duplex {
  const duplex = new Duplex({
    read: () => raw.resume(),
    write: (chunk, _encoding, done) => raw.write(chunk, done),
    final: (done) => raw.end(done),
  });
  raw.on('data', (chunk) => {
    if (!duplex.push(chunk)) raw.pause();
  });
  // The connection reports it, too.
  duplex.on('error', () => {});
  return duplex;
}

function handOver(raw: Socket, socket: TLSSocket, bytes: Uint8Array, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let isAllWritten = false;
    let isToldEnd = false;
    for (const stream of [raw, socket]) stream.on('error', reject);
    socket.once('end', () => {
      isToldEnd = isAllWritten;
    });
    const decide = () => {
      if (isToldEnd) resolve();
      else reject(new ReachFault(`${host} ${brokenOff}`, false));
    };
    // A far side that closes the connection without having read everything resets it: that is an error, and no end. What TLS
    // has still to report of the last bytes comes first.
    raw.once('end', () => setImmediate(decide));
    socket.once('secureConnect', () =>
      socket.end(bytes, () => {
        isAllWritten = true;
      }),
    );
    socket.resume();
  });
}
