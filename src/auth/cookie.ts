/** The session's cookie: its name, how it is given, read and taken back. */
import type { Context } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * Whether browsers come by TLS. A proxy ends that before us, so the request cannot say it: it is so unless the operator
 * says otherwise by PUBLIC_URL, or the browser is on this machine.
 */
function byTls(c: Context, PUBLIC_URL: string): boolean {
  if (PUBLIC_URL) return PUBLIC_URL.startsWith('https:');
  return !loopback.test(new URL(c.req.url).hostname);
}

/**
 * `__Host-`: the browser takes it by TLS only, and from no other host, so that a neighbour's page cannot plant one
 * (RFC 6265bis §4.1.3.2). Without TLS not every browser would keep that, and it would protect nothing.
 */
const attributesOf = (c: Context, PUBLIC_URL: string) =>
  byTls(c, PUBLIC_URL) ? { name: '__Host-edgetrail', secure: true } : { name: 'edgetrail', secure: false };

/** What no secret looks like need not be looked up. */
const secretForm = /^[A-Za-z0-9_-]{43}$/;

export function readSessionCookie(c: Context, PUBLIC_URL: string): string | null {
  const secret = getCookie(c, attributesOf(c, PUBLIC_URL).name);
  return secret && secretForm.test(secret) ? secret : null;
}

export function setSessionCookie(c: Context, PUBLIC_URL: string, secret: string, max_age_s: number): void {
  const { name, secure } = attributesOf(c, PUBLIC_URL);
  setCookie(c, name, secret, { path: '/', httpOnly: true, sameSite: 'Lax', secure, maxAge: max_age_s });
}

export const clearSessionCookie = (c: Context, PUBLIC_URL: string): void => setSessionCookie(c, PUBLIC_URL, '', 0);

/**
 * False when the page came without TLS and not from this machine: the browser would drop the cookie without a word.
 * The origin of the form is what the browser itself sees, whatever stands between.
 */
export function browserStoresCookie(c: Context, PUBLIC_URL: string): boolean {
  const origin = c.req.header('origin');
  if (!origin || !URL.canParse(origin)) return true;
  const { protocol, hostname } = new URL(origin);
  return protocol === 'https:' || loopback.test(hostname) || !byTls(c, PUBLIC_URL);
}
