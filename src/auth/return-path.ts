/** The path to which a person returns after signing in: always a path of this service. */

const defaultPath = '/logs';
/** Some proxies truncate longer URLs; percent-encoding can triple the length. */
const path_chars_max = 2_000;

/** A placeholder origin: a text that resolves to another origin leads away from this service. */
const base = 'http://edgetrail.invalid';

/**
 * The path and query when the text is a local path, else the default path. Parsed by the same URL parser that browsers
 * have: `//evil`, `/\evil`, `/<tab>/evil` and `/.//evil` all look like paths and lead to another host.
 */
export function localPath(text: string | null | undefined): string {
  if (!text?.startsWith('/') || text.length > path_chars_max || !URL.canParse(text, base)) return defaultPath;
  const { origin, pathname, search } = new URL(text, base);
  const isAway = origin !== base || pathname.startsWith('//');
  return isAway || /^\/sign-(in|out)$/.test(pathname) ? defaultPath : pathname + search;
}

/** The path and query of a URL in a header (`HX-Current-URL`, `Referer`); empty when there is none. */
export function pathOf(url: string | undefined): string {
  if (!url || !URL.canParse(url)) return '';
  const { pathname, search } = new URL(url);
  return pathname + search;
}

/** The URL of the sign-in form that returns to a path. */
export const signInUrl = (path: string | null | undefined): string => {
  const to = localPath(path);
  return to === defaultPath ? '/sign-in' : `/sign-in?${new URLSearchParams({ to })}`;
};
