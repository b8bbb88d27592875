/** Requests to other systems: what the app asks of a runtime's outbound fetch, and how it fails. */
import { addressOfHost, isReachable, type Network } from './addresses.ts';

export const reachBounds = {
  /** From the look-up of the name to the last byte of the answer. */
  request_ms_max: 15_000,
  /** Of an answer that is read. The rest is not. */
  answer_bytes_max: 64 * 1024,
} as const;

export type ReachInit = {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  headers: Record<string, string>;
  body?: string | Uint8Array<ArrayBuffer>;
  signal?: AbortSignal;
  /** More than `reachBounds.answer_bytes_max`, where the answer is long by its nature. */
  answer_bytes_max?: number;
};

export type Reached = { status: number; headers: Headers; text: string };

/**
 * Sends a request. No redirect is followed, and no address is reached that is not public, unless its network is allowed.
 * Rejects with a ReachFault when there is no answer.
 */
export type Reach = (url: string, init: ReachInit) => Promise<Reached>;

/** There was no answer. `lasting`: nor will there be one, until a person changes something. */
export class ReachFault extends Error {
  override name = 'ReachFault';
  readonly lasting: boolean;
  constructor(reason: string, lasting: boolean) {
    super(reason);
    this.lasting = lasting;
  }
}

export const refusedAddress = (host: string) =>
  new ReachFault(`${host} is not a public address, and its network is not in OUTBOUND_ALLOW`, true);

/** Throws where a URL's host is an address that may not be reached. A name is looked up when it is reached. */
export function checkHost(hostname: string, allowed: readonly Network[]): void {
  const address = addressOfHost(hostname);
  if (address && !isReachable(address, allowed)) throw refusedAddress(hostname);
}

/** Error codes and names of what a person has to mend: the name, the certificate, the address. */
const lastingCodes =
  /^(ENOTFOUND|EINVAL|ERR_INVALID_URL|ERR_TLS_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_SSL_|EPROTO|HOSTNAME_MISMATCH)/;

/** An error of a runtime's client as a ReachFault, without what it may say of the request. */
export function reachFaultOf(error: unknown, host: string): ReachFault {
  if (error instanceof ReachFault) return error;
  if (error instanceof Error && /^(TimeoutError|AbortError)$/.test(error.name))
    return new ReachFault(`${host} did not answer in time`, false);
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
    if (code !== '') return new ReachFault(`${host} cannot be reached: ${code}`, lastingCodes.test(code));
  }
  return new ReachFault(`${host} cannot be reached`, false);
}

/** Reads at most so many bytes of a body as text, and leaves the rest. */
export async function readStart(chunks: AsyncIterable<Uint8Array>, bytes_max: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of chunks) {
    const wanted = chunk.subarray(0, bytes_max - bytes);
    text += decoder.decode(wanted, { stream: true });
    bytes += wanted.length;
    if (bytes >= bytes_max) break;
  }
  return text;
}

/** The reach of a runtime that has nothing below `fetch`: a name is not looked up before. */
export const fetchReach =
  (allowed: readonly Network[]): Reach =>
  async (url, { signal, answer_bytes_max = reachBounds.answer_bytes_max, body, ...init }) => {
    checkHost(new URL(url).hostname, allowed);
    const timeout = AbortSignal.timeout(reachBounds.request_ms_max);
    try {
      const answer = await fetch(url, {
        ...init,
        ...(body !== undefined && { body }),
        redirect: 'manual',
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
      const text = answer.body ? await readStart(answer.body, answer_bytes_max) : '';
      return { status: answer.status, headers: answer.headers, text };
    } catch (error) {
      throw reachFaultOf(error, new URL(url).host);
    }
  };
