/** /sign-in exchanges a password for a session cookie; /sign-out ends the session. */
import type { Context } from 'hono';
import { bearerChallenge } from '../auth/auth.ts';
import { browserStoresCookie, clearSessionCookie, readSessionCookie, setSessionCookie } from '../auth/cookie.ts';
import { localPath, signInUrl } from '../auth/return-path.ts';
import { sessionDigest } from '../auth/session.ts';
import { Problem, type ProblemStatus, problemOf } from '../http/problem.ts';
import { queryOf, readText } from '../http/request.ts';
import type { OwnEvent } from '../log/own-events.ts';
import { displayOptionsOf } from '../page/display-options.ts';
import { type App, allowMethods, type Env, isSameOrigin, type Parts, sessionOf } from '../parts.ts';
import { type SignInPage, signInPage } from './views/sign-in.ts';

const form_bytes_max = 8_192;

export function sessionRoutes(app: App, parts: Parts): void {
  const { auth, sessions } = parts;
  const { PUBLIC_URL } = parts.limits;

  app.get('/sign-in', async (c) => {
    const to = localPath(queryOf(c).get('to'));
    return (await sessionOf(c, parts)) ? c.redirect(to, 303) : page(c, 200, { to, user: '', fault: null });
  });

  app.post('/sign-in', async (c) => {
    // Otherwise another site could sign a visitor in to the attacker's account (login CSRF).
    demandSameOrigin(c, parts);
    const form = await readForm(c);
    const [to, user, password] = [localPath(form.get('to')), form.get('user') ?? '', form.get('password') ?? ''];
    const pageWithFault = ({ status, message, headers, reason }: Problem) => {
      parts.meter.refused[reason] += 1;
      return page(c, status, { to, user, fault: message }, headers);
    };
    if (!browserStoresCookie(c, PUBLIC_URL))
      return pageWithFault(
        new Problem(403, 'Your browser keeps no session without TLS. Come by https, or ask the operator for it.'),
      );
    try {
      const setUp = auth.passwordOf(user);
      const address = parts.clientAddress(c);
      if (!(await auth.prove(user, password, address)) || setUp === null) {
        const headers = { ...bearerChallenge, ...auth.guessesLeft(user, address) };
        return pageWithFault(new Problem(401, 'The user name or password is not right.', { headers }));
      }
      const { secret, max_age_s } = await sessions.open(user, setUp);
      // The previous session ends: somebody else may have set its cookie (session fixation).
      const before = readSessionCookie(c, PUBLIC_URL);
      if (before) await sessions.close(await sessionDigest(before));
      setSessionCookie(c, PUBLIC_URL, secret, max_age_s);
      await parts.own.record(signedIn('SIGN_IN', user, `${user} signed in`, address));
      return c.redirect(to, 303);
    } catch (error) {
      const problem = problemOf(error);
      if (problem.status !== 429 && problem.status !== 503) throw error;
      return pageWithFault(problem);
    }
  });

  app.post('/sign-out', async (c) => {
    demandSameOrigin(c, parts);
    const secret = readSessionCookie(c, PUBLIC_URL);
    const person = await sessionOf(c, parts);
    // The session is deleted first: if that fails, the cookie stays and the user can try again.
    if (secret) await sessions.close(await sessionDigest(secret));
    clearSessionCookie(c, PUBLIC_URL);
    if (person) {
      const { name } = person;
      await parts.own.record(signedIn('SIGN_OUT', name, `${name} signed out`, parts.clientAddress(c)));
    }
    return c.redirect(signInUrl(null), 303);
  });

  allowMethods(app, '/sign-in', 'GET', 'POST');
  allowMethods(app, '/sign-out', 'POST');
}

const signedIn = (type: 'SIGN_IN' | 'SIGN_OUT', name: string, description: string, ip_address?: string): OwnEvent => ({
  type,
  entity_type: 'user',
  entity_id: name,
  user_id: name,
  description,
  ip_address,
  metadata: { by: 'form' },
});

const page = (
  c: Context<Env>,
  status: 200 | ProblemStatus,
  data: SignInPage,
  headers: Record<string, string> = {},
): Response | Promise<Response> => {
  c.status(status);
  for (const [name, value] of Object.entries(headers)) c.header(name, value);
  return c.html(signInPage(data, displayOptionsOf(c)));
};

function demandSameOrigin(c: Context<Env>, { limits }: Parts): void {
  if (!isSameOrigin(c, limits)) throw new Problem(403, 'Only a page of this service may do that.');
}

async function readForm(c: Context<Env>): Promise<URLSearchParams> {
  const type = 'application/x-www-form-urlencoded';
  if ((c.req.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase() !== type)
    throw new Problem(415, `The form is sent as ${type}.`, { headers: { 'accept-post': type } });
  return new URLSearchParams(await readText(c, form_bytes_max));
}
