/** TLS connections to systems that answer nothing: what the app asks of a runtime's sockets. */

export type DialTo = { hostname: string; port: number };

export type DialInit = {
  /** PEM: the authority of the far side's certificate, where it is none of those that the runtime knows. */
  ca?: string | undefined;
  /** PEM: the certificate and the key by which the far side knows who sends. */
  cert?: string | undefined;
  key?: string | undefined;
  signal?: AbortSignal | undefined;
};

/**
 * Opens a TLS connection to an address that may be reached, writes the bytes, closes its own direction, and resolves when the
 * far side has closed the other one after that, without an error. So it had read everything, as far as a connection can tell.
 * Rejects with a ReachFault.
 */
export type Dial = (to: DialTo, bytes: Uint8Array<ArrayBuffer>, init: DialInit) => Promise<void>;

/** `tls://host` or `tls://host:port`, with the port of RFC 5425 §4.1 by default; null for anything else. */
export function dialToOf(text: string): DialTo | null {
  const [, host = '', port = '6514'] = /^tls:\/\/([^/?#@\s]+?)(?::(\d{1,5}))?\/?$/.exec(text) ?? [];
  // As a URL with a scheme that browsers know: it reads `127.1` and `0x7f.1` as the address that they are.
  if (host === '' || !URL.canParse(`https://${host}/`) || Number(port) < 1 || Number(port) > 65_535) return null;
  const url = new URL(`https://${host}/`);
  return url.port === '' ? { hostname: url.hostname, port: Number(port) } : null;
}

/** The far side has not said, after it was sent everything, that it ends. */
export const brokenOff = 'has broken off the connection: what it has read of the request is not known';
