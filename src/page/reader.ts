/** The signed-in user as the pages show them: the name, what they may do, and the pages that they may open. */
import type { Context } from 'hono';
import type { Entry } from '../log/schema.ts';
import type { Env, NavigationEntry, Parts } from '../parts.ts';
import type { Link, Reader } from './menu-and-help.ts';

/** The reader of a request that `requireRight` has passed. */
export function readerOf(c: Context<Env>, { features }: Parts): Reader {
  const { name, rights, session } = c.get('principal');
  const links = (of: 'navigation' | 'ofSearch') =>
    permitted(
      c,
      features.flatMap((feature) => feature[of] ?? []),
    );
  return {
    name,
    mayExport: rights.includes('export'),
    bySession: session !== undefined,
    navigation: links('navigation'),
    ofSearch: links('ofSearch'),
  };
}

/** What the features know of an event, as links that the user of a request may open. */
export const linksOfEvent = (c: Context<Env>, { features }: Parts, entry: Entry): Link[] =>
  permitted(
    c,
    features.flatMap((feature) => feature.ofEvent?.(entry) ?? []),
  );

/** The links for which the user has the right. */
const permitted = (c: Context<Env>, entries: NavigationEntry[]): Link[] =>
  entries.filter(({ right }) => c.get('principal').rights.includes(right)).map(({ path, label }) => ({ path, label }));
