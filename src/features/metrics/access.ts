/** Who may scrape: whoever has the right, and a program on this machine without credentials. */
import type { Context } from 'hono';
import type { Parts } from '../../parts.ts';

/** An IPv4 address may be written as an IPv6 address (RFC 4291 §2.5.5.2). */
const loopbackAddress = /^(::ffff:)?127(\.\d{1,3}){3}$|^::1$/i;
const loopbackHost = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;
/** Headers by which a proxy says that it forwards a request, or from whom. */
const forwardedHeader = /^(forwarded|via|x-forwarded-.*|x-real-ip|x-client-ip|true-client-ip|cf-.*)$/i;

/**
 * Whether a request comes from this machine, by all that it shows. The requests that a reverse proxy on this machine
 * passes on come from loopback, too. Each of these gives it away: a header about the client; a Host that is not of
 * loopback, which a proxy passes on as it was asked, and which a page that resolved its own name to 127.0.0.1 has (DNS
 * rebinding); a PUBLIC_URL, which is set where a proxy replaces the Host.
 */
export function isFromLoopback(c: Context, { peerAddress, limits }: Pick<Parts, 'peerAddress' | 'limits'>): boolean {
  if (limits.PUBLIC_URL || !loopbackAddress.test(peerAddress?.(c) ?? '')) return false;
  const headers = c.req.header();
  return loopbackHost.test(headers.host ?? '') && !Object.keys(headers).some((name) => forwardedHeader.test(name));
}
