/** The session cookie: its name and attributes, and how it is set, read and cleared. */
import type { Context } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * Whether browsers use TLS. A proxy may terminate TLS in front of the service, so the request does not show it: TLS is
 * assumed unless PUBLIC_URL says otherwise or the request is for a loopback address.
 */
export function usesTls(c: Context, PUBLIC_URL: string): boolean {
  if (PUBLIC_URL) return PUBLIC_URL.startsWith('https:');
  return !loopback.test(new URL(c.req.url).hostname);
}

/** The port of the service as browsers see it; empty for the default port of the scheme. */
function portOf(c: Context, PUBLIC_URL: string): string {
  return new URL(PUBLIC_URL || c.req.url).port;
}

/**
 * `__Host-`: browsers accept the cookie only over TLS and only from this host, so that a sibling domain cannot set one
 * (RFC 6265bis §4.1.3.2). Without TLS some browsers reject the prefix, and it protects nothing. The name holds the port,
 * because cookies do not (RFC 6265 §8.5): two instances on one host would overwrite each other's session.
 */
function attributesOf(c: Context, PUBLIC_URL: string): { name: string; secure: boolean } {
  const secure = usesTls(c, PUBLIC_URL);
  const port = portOf(c, PUBLIC_URL);
  return { name: `${secure ? '__Host-' : ''}edgetrail${port && `-${port}`}`, secure };
}

/** A value of another form cannot be a secret and is not looked up. */
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
 * False when the page was loaded without TLS and not from a loopback address: the browser would silently discard a
 * Secure cookie. The form's Origin header shows the scheme that the browser itself used, also behind a proxy.
 */
export function browserStoresCookie(c: Context, PUBLIC_URL: string): boolean {
  const origin = c.req.header('origin');
  if (!origin || !URL.canParse(origin)) return true;
  const { protocol, hostname } = new URL(origin);
  return protocol === 'https:' || loopback.test(hostname) || !usesTls(c, PUBLIC_URL);
}
