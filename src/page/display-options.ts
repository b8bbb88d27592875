/** The reader's time zone and theme. They are kept in cookies, so that the server renders with them. */
import type { Context } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import { localPath, pathOf } from '../auth/return-path.ts';
import { badField, Problem } from '../http/problem.ts';
import { readText } from '../http/request.ts';
import { type App, allowMethods, type Env, isSameOrigin, type Parts } from '../parts.ts';
import type { DisplayOptions } from './format.ts';
import { isZone } from './time-zone.ts';

const names = { theme: 'edgetrail-theme', zone: 'edgetrail-zone' } as const;
const year_s = 365 * 24 * 60 * 60;
const form_bytes_max = 4_096;

const isTheme = (text: string): text is DisplayOptions['theme'] => ['system', 'light', 'dark'].includes(text);

/** The display options from the cookies. An invalid value is ignored. */
export function displayOptionsOf(c: Context): DisplayOptions {
  const theme = getCookie(c, names.theme) ?? '';
  const zone = getCookie(c, names.zone) ?? '';
  return { theme: isTheme(theme) ? theme : 'system', zone: isZone(zone) ? zone : 'UTC', now_ms: Date.now() };
}

/** The page that contains the form, from the Referer: htmx changes the page's URL, so the form cannot contain it. */
const referringPath = (c: Context): string => localPath(pathOf(c.req.header('referer')));

export function displayOptionsRoutes(app: App, { limits }: Parts): void {
  app.post('/logs/display', async (c: Context<Env>) => {
    if (!isSameOrigin(c, limits)) throw new Problem(403, 'Only a page of this service may do that.');
    const form = new URLSearchParams(await readText(c, form_bytes_max));
    const [theme, zone] = [form.get('theme'), form.get('zone')];
    const keep = { path: '/', maxAge: year_s, sameSite: 'Lax', httpOnly: true } as const;
    if (theme !== null) {
      if (!isTheme(theme)) throw badField('theme', 'must be system, light or dark');
      setCookie(c, names.theme, theme, keep);
    }
    if (zone !== null) {
      if (!isZone(zone)) throw badField('zone', 'must be a time zone such as Europe/Berlin, or UTC');
      setCookie(c, names.zone, zone, keep);
    }
    return c.redirect(referringPath(c), 303);
  });
  allowMethods(app, '/logs/display', 'POST');
}
