/** Where a person goes after signing in: a path of this service, and nowhere else. */

const defaultPath = '/logs';
/** Addresses beyond this are cut short by proxies, and encoded they are three times as long. */
const path_chars_max = 2_000;

/** Any base will do: what leads away from it is not ours. */
const base = 'http://edgetrail.invalid';

/**
 * The path and query of a text that names a page of ours, else the start. Read by the parser that browsers have:
 * `//evil`, `/\evil`, `/<tab>/evil` and `/.//evil` all look like paths.
 */
export function localPath(text: string | null | undefined): string {
  if (!text?.startsWith('/') || text.length > path_chars_max || !URL.canParse(text, base)) return defaultPath;
  const { origin, pathname, search } = new URL(text, base);
  const isAway = origin !== base || pathname.startsWith('//');
  return isAway || /^\/sign-(in|out)$/.test(pathname) ? defaultPath : pathname + search;
}

/** The path and query of the page that a header names (`HX-Current-URL`, `Referer`); empty when it names none. */
export function pathOf(url: string | undefined): string {
  if (!url || !URL.canParse(url)) return '';
  const { pathname, search } = new URL(url);
  return pathname + search;
}

/** The address of the form that leads back to a path. */
export const signInUrl = (path: string | null | undefined): string => {
  const to = localPath(path);
  return to === defaultPath ? '/sign-in' : `/sign-in?${new URLSearchParams({ to })}`;
};
