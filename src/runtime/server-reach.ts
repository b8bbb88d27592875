/** The outbound fetch of Node and Bun: looks the name up once, and connects to the address that was checked. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Network } from '../http/addresses.ts';
import { type Reach, ReachFault, type ReachInit, reachBounds, reachFaultOf, readStart } from '../http/reach.ts';
import { aborted, checkedAddress, servernameOf } from './checked-address.ts';

/** Requests to addresses that are public or in an allowed network. */
export const serverReach =
  (allowed: readonly Network[]): Reach =>
  async (url, init) => {
    const target = new URL(url);
    // A reference may lead to an address of another kind of sink. It would be asked without TLS.
    if (!/^https?:$/.test(target.protocol)) throw new ReachFault(`${target.host} is asked by HTTP only`, true);
    const { answer_bytes_max = reachBounds.answer_bytes_max } = init;
    const timeout = AbortSignal.timeout(reachBounds.request_ms_max);
    const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
    const ended = aborted(signal);
    try {
      // A look-up knows no signal, and a request that Node has given up by itself does not heed it.
      const address = await Promise.race([checkedAddress(target.hostname, allowed), ended]);
      const answer = await Promise.race([send(target, address, init, signal), ended]);
      const text = await Promise.race([readStart(answer, answer_bytes_max), ended]);
      answer.destroy();
      const headers = new Headers();
      for (const [name, values] of Object.entries(answer.headersDistinct))
        for (const value of values ?? []) headers.append(name, value);
      return { status: answer.statusCode ?? 0, headers, text };
    } catch (error) {
      throw reachFaultOf(signal.aborted ? signal.reason : error, target.host);
    }
  };

function send(
  { protocol, hostname, host, port, pathname, search }: URL,
  address: string,
  { method, headers, body }: ReachInit,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const request = protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const sending = request({
      host: address,
      port: port || (protocol === 'https:' ? 443 : 80),
      path: pathname + search,
      method,
      // A connection of its own: one that is kept may be to an address of before, or be closed under a request.
      agent: false,
      ...servernameOf(hostname),
      headers: { ...headers, host, ...(body !== undefined && { 'content-length': byteLength(body) }) },
      signal,
    });
    sending.once('response', resolve);
    // Without this listener Node closes the connection, and says nothing more of the request.
    sending.once('upgrade', (_answer, socket) => {
      socket.destroy();
      reject(new ReachFault(`${host} answered 101 Switching Protocols`, true));
    });
    sending.once('error', reject);
    sending.end(body);
  });
}

const byteLength = (body: string | Uint8Array) => (typeof body === 'string' ? Buffer.byteLength(body) : body.length);
