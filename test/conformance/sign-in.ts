/** Sign-in and sign-out over HTTP, as the form of a browser sends them. */
import type { TestService } from '../support/harness.ts';

/** Posts a form with the headers of a page of the service by default; does not follow redirects. */
export const postForm = (
  service: TestService,
  path: string,
  form: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Response> =>
  fetch(service.url + path, {
    method: 'POST',
    redirect: 'manual',
    body: new URLSearchParams(form),
    headers: { origin: service.url, accept: 'text/html', ...headers },
  });

/** The cookie that a response sets: its name, its value and its attributes in lower case. */
export function cookieOf(answer: Response): { name: string; value: string; attributes: string[] } | null {
  const [set, ...others] = answer.headers.getSetCookie();
  if (others.length > 0) throw new Error(`more than one cookie: ${others}`);
  if (set === undefined) return null;
  const [pair = '', ...attributes] = set.split('; ');
  const [name = '', value = ''] = pair.split('=');
  return { name, value, attributes: attributes.map((attribute) => attribute.toLowerCase()).toSorted() };
}

/** Signs in and returns the Cookie header; throws unless it works. */
export async function signIn(
  service: TestService,
  who: 'admin' | 'guest',
  headers: Record<string, string> = {},
): Promise<string> {
  const answer = await postForm(service, '/sign-in', { user: who, password: `${who}-password` }, headers);
  const cookie = cookieOf(answer);
  if (answer.status !== 303 || !cookie) throw new Error(`${answer.status} ${await answer.text()}`);
  return `${cookie.name}=${cookie.value}`;
}

export const signOut = (service: TestService, cookie: string, headers: Record<string, string> = {}) =>
  postForm(service, '/sign-out', {}, { cookie, ...headers });

/** True when a request with this cookie may read the log. */
export const opens = async (service: TestService, cookie: string): Promise<boolean> =>
  (await service.request('/api/logs?limit=1', { as: null, headers: { cookie } })).status === 200;

/** The same session as a cookie for another instance: the cookie's name holds the port. */
export const forPort = (service: TestService, cookie: string): string =>
  cookie.replace(/^edgetrail-\d+/, `edgetrail-${new URL(service.url).port}`);
